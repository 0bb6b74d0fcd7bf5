"""The event loop is never kept waiting by a log or a ledger, and nothing of LangChain is loaded."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
from page_kit import waiting
from web_kit import ORIGIN, browser, client, secret_of, site_over

from aisecops_langchain.web.desk import Desk
from aisecops_langchain.web.library import Library

PATHS = (
    "/api/traces",
    "/api/facets",
    "/api/measures",
    "/api/verify",
    "/api/approvals",
    "/api/approvals/sha256:0",
    "/api/summary?trace=none",
    "/api/nowhere",
    "/",
    "/measures",
    "/approvals",
    "/log",
    "/run?trace=none",
    "/nowhere",
)


def watched(method: Callable[..., Any], met: list[str]) -> Callable[..., Any]:
    """A method that notes if it is called where others wait for it."""

    @wraps(method)
    def noting(*arguments: Any, **named: Any) -> Any:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            met.append("thread")
        else:
            met.append(f"loop: {method.__name__}")
        return method(*arguments, **named)

    return noting


@pytest.fixture
def met(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    for kind in (Library, Desk):
        for name, method in vars(kind).items():
            if callable(method) and not name.startswith("_"):
                monkeypatch.setattr(kind, name, watched(method, found))
    return found


def test_logs_and_ledgers_are_read_in_threads(tmp_path: Path, met: list[str]) -> None:
    with waiting(tmp_path / "home") as graph:
        graph.ask("one", "Pay 90 euros to ACME.")
        site = site_over(graph.home / "audit", home=graph.home)
        made = browser(site, "of-bob")
        for path in PATHS:
            made.get(path)
        (asked,) = client(site, "of-bob").get("/api/approvals").json()["approvals"]
        key, form = asked["approval"], {"csrf": secret_of(site, made), "answer": "reject", "call": asked["call"]}
        client(site, "of-bob").post(f"/api/approvals/{key}/approve", json={"call": "sha256:other"})
        assert made.post(f"/approvals/{key}", data=form, headers={"origin": ORIGIN}).status_code == 200
        site.close()
    assert {item for item in met if item != "thread"} == set()
    assert met.count("thread") > len(PATHS)


def test_a_server_loads_nothing_of_langchain() -> None:
    code = (
        "import sys, aisecops_langchain.web.serving, aisecops_langchain.web.report, aisecops_langchain.cli.serve; "
        "print([name for name in sys.modules if name.split('.')[0] in ('langchain', 'langchain_core', 'langgraph')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
