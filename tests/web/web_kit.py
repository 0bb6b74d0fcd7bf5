"""A site over a log on disk, and clients of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from cli_logs import write_log
from starlette.testclient import TestClient

from aisecops_langchain.domain.events import AnyEvent
from aisecops_langchain.policy import Policy
from aisecops_langchain.policy.kept import KEPT
from aisecops_langchain.web.access import Access, Caller, Role, TokenHolder, token_hash
from aisecops_langchain.web.app import make_app
from aisecops_langchain.web.desk import Desk
from aisecops_langchain.web.library import Library
from aisecops_langchain.web.site import Site

HOST = "127.0.0.1:8321"
ORIGIN = f"http://{HOST}"
COOKIE = "aisecops-8321"
TOKEN = "a-token-of-a-viewer"

CALLERS: dict[str, Caller] = {
    TOKEN: Caller("", Role.VIEWER),
    "of-acme": Caller("ann", Role.VIEWER, tenants=frozenset({"acme"})),
    "of-other": Caller("oda", Role.VIEWER, tenants=frozenset({"other"})),
    "of-bob": Caller("bob", Role.APPROVER, verified=True),
    "of-nobody": Caller("", Role.APPROVER),
    "of-cleo": Caller("cleo", Role.APPROVER, tenants=frozenset({"other"}), verified=True),
}
"""Callers by token."""


def site_over(log: Path, *, home: Path | None = None, policies: Mapping[str, Policy] | None = None) -> Site:
    """Serve a log that was looked at once."""
    library = Library(log, log.parent / "derived")
    library.look()
    access = Access([TokenHolder(token_hash(token), caller) for token, caller in CALLERS.items()])
    desk = Desk(home) if home is not None else None
    kept = log.parent / KEPT
    return Site(library, access, cookie=COOKIE, desk=desk, policies=policies or {}, kept=kept)


def client(site: Site, token: str = TOKEN) -> TestClient:
    """A program that sends its token with every request; an empty one sends none."""
    made = TestClient(make_app(site, hosts=[HOST]), base_url=ORIGIN, raise_server_exceptions=False)
    if token:
        made.headers["authorization"] = f"Bearer {token}"
    return made


def client_of(tmp_path: Path, events: Iterable[AnyEvent], token: str = TOKEN) -> TestClient:
    """A program before a log of these events."""
    return client(site_over(write_log(tmp_path / "audit", events)), token)


def browser(site: Site, token: str) -> TestClient:
    """A browser that showed a token once and holds a session."""
    made = client(site, "")
    assert made.get("/enter", params={"token": token}, follow_redirects=False).status_code == 303
    return made


def secret_of(site: Site, made: TestClient) -> str:
    """What a page of this browser's session would repeat."""
    session = site.access.session(made.cookies[COOKIE])
    assert session is not None
    return session.csrf
