"""What an attacker writes into a log, an id or an address stays data."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from page_kit import PAYLOADS, hostile
from starlette.testclient import TestClient
from web_kit import client, site_over

RAW = re.compile(r"<script>|<svg onload|<img src=x", re.IGNORECASE)


class Markup(HTMLParser):
    """Collects what a browser would obey."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts: list[dict[str, str | None]] = []
        self.handlers: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "iframe", "object", "embed", "base", "style"):
            self.scripts.append(dict(attrs))
        self.handlers += [name for name, _ in attrs if name.startswith("on") or name == "style"]
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src", "action", "formaction")]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    home = hostile(tmp_path_factory.mktemp("hostile") / "home")
    return client(site_over(home / "audit"))


def the_trace(made: TestClient) -> str:
    (row,) = made.get("/api/traces").json()["traces"]
    return str(row["trace"])


def test_json_is_json_and_holds_what_was_written(made: TestClient) -> None:
    trace = the_trace(made)
    assert any(payload in trace for payload in PAYLOADS)
    for path in ("/api/summary", "/api/timeline", "/api/graph", "/api/diff"):
        answer = made.get(path, params={"trace": trace})
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        answer.json()


@pytest.mark.parametrize("view", ["overview", "timeline", "graph", "arguments", "calls"])
def test_no_page_of_a_run_obeys_the_log(made: TestClient, view: str) -> None:
    obeys_nothing(made, f"/run?view={view}", trace=the_trace(made))


@pytest.mark.parametrize("path", ["/", "/compare", "/blast-radius", "/log"])
def test_no_other_page_does(made: TestClient, path: str) -> None:
    obeys_nothing(made, path)


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/", "text"),
        ("/", "agent"),
        ("/", "since"),
        ("/run", "trace"),
        ("/blast-radius", "source"),
        ("/enter", "token"),
    ],
)
def test_nor_does_one_obey_its_address(made: TestClient, path: str, name: str, payload: str) -> None:
    obeys_nothing(made, path, **{name: payload})


def obeys_nothing(made: TestClient, path: str, **parameters: str) -> None:
    page = made.get(path, params=parameters or None) if "?" not in path else made.get(path + "&" + encoded(parameters))
    assert page.status_code in (200, 400, 401, 404), page.text
    assert page.headers["content-type"].startswith("text/html")
    found = Markup()
    found.feed(page.text)
    assert all(script.get("src", "").startswith("/static/") for script in found.scripts)  # type: ignore[union-attr]
    assert found.handlers == []
    assert all(address.startswith(("/", "#", "?")) and not address.startswith("//") for address in found.addresses)
    assert not RAW.search(page.text)


def encoded(parameters: dict[str, str]) -> str:
    from urllib.parse import urlencode

    return urlencode(parameters)


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e/app.py",
        "/static//etc/passwd",
        "/static/..%5capp.py",
        "/static/%00",
        "/static/",
        "/static/css",
        "//etc/passwd",
    ],
)
def test_no_address_leads_out_of_the_static_files(made: TestClient, path: str) -> None:
    answer = made.get(path)
    assert answer.status_code in (400, 404)
    assert "make_app" not in answer.text
    assert "root:" not in answer.text


@pytest.mark.parametrize(
    "trace", ["../../etc/passwd", "..", "/etc/passwd", "\x00", "a" * 500, "%2e%2e", "'; DROP TABLE runs; --", "\u202e"]
)
def test_an_id_is_compared_and_never_a_path_or_a_question(made: TestClient, trace: str) -> None:
    assert made.get("/api/summary", params={"trace": trace}).status_code == 404
    assert made.get("/api/event", params={"trace": the_trace(made), "event": trace}).status_code == 404
    assert made.get("/api/traces", params={"agent": trace}).json()["total"] == 0
    assert made.get("/api/traces").json()["total"] == 1


def test_what_is_too_long_or_too_much_is_refused(made: TestClient) -> None:
    assert made.get("/api/summary", params={"trace": "a" * 501}).status_code == 400
    assert made.get("/api/traces", params={"tool": [f"tool-{number}" for number in range(21)]}).status_code == 400


def test_an_error_that_nobody_foresaw_says_nothing_of_the_inside(
    made: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from aisecops_langchain.web.library import Library

    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("secret-of-the-inside")

    monkeypatch.setattr(Library, "runs", fails)
    for path in ("/api/traces", "/"):
        answer = made.get(path)
        assert answer.status_code == 500
        assert "secret" not in answer.text
        assert "content-security-policy" in answer.headers


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_no_other_method_does_anything(made: TestClient, method: str) -> None:
    assert made.request(method, "/api/traces").status_code == 405


def test_a_path_of_the_log_is_not_told(tmp_path: Path) -> None:
    home = hostile(tmp_path / "a-telling-name")
    answer = client(site_over(home / "audit")).get("/api/verify")
    assert "a-telling-name" not in answer.text
