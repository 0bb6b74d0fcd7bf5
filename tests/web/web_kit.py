"""A site over a log on disk, and a client of it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cli_logs import write_log
from starlette.testclient import TestClient

from aisecops_langchain.domain.events import AnyEvent
from aisecops_langchain.web.access import Access, Caller, Role, TokenHolder, token_hash
from aisecops_langchain.web.app import make_app
from aisecops_langchain.web.library import Library
from aisecops_langchain.web.site import Site

HOST = "127.0.0.1:8321"
TOKEN = "a-token-of-a-viewer"


def client_of(tmp_path: Path, events: Iterable[AnyEvent]) -> TestClient:
    log = write_log(tmp_path / "audit", events)
    access = Access([TokenHolder(token_hash(TOKEN), Caller("", Role.VIEWER))])
    site = Site(Library(log), access, cookie="aisecops-8321", secure=False)
    return TestClient(make_app(site, hosts=[HOST]), base_url=f"http://{HOST}")
