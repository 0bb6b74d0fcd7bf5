"""Sites over logs on disk, each served by a real uvicorn on a port of its own."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import uvicorn
from write_golden import OFFICE

from aisecops_langchain import parse_policy
from aisecops_langchain.web.access import Access, Caller, Role, TokenHolder, token_hash
from aisecops_langchain.web.app import make_app
from aisecops_langchain.web.desk import Desk
from aisecops_langchain.web.library import Library
from aisecops_langchain.web.site import Site
from aisecops_langchain.web.watching import watching

APPROVER: Final = "a-token-of-an-approver"
VIEWER: Final = "a-token-of-a-viewer"
CLOSED: Final = OFFICE.replace("id: reading, effect: allow", "id: reading, effect: deny")
"""The bundle of the stories, but nobody may search."""


@dataclass(frozen=True)
class Served:
    """A site that answers."""

    base: str
    home: Path


@contextmanager
def serving(home: Path) -> Iterator[Served]:
    """Serve the log of a governance home until the block ends; approvals, where the home has a ledger."""
    with socket.create_server(("127.0.0.1", 0)) as listening, TemporaryDirectory() as derived:
        port = listening.getsockname()[1]
        site = _site(home, Path(derived), port)
        app = make_app(site, hosts=[f"127.0.0.1:{port}"])
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=3))
        site.library.read()
        site.library.check()
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        with closing(site), watching(site.library):
            thread.start()
            while not server.started:
                time.sleep(0.01)
            try:
                yield Served(f"http://127.0.0.1:{port}", home)
            finally:
                app.state.streams.closing = True
                server.should_exit = True
                thread.join()


def _site(home: Path, derived: Path, port: int) -> Site:
    carol = Caller("carol", Role.APPROVER, verified=True)
    holders = [TokenHolder(token_hash(APPROVER), carol), TokenHolder(token_hash(VIEWER), Caller("vic", Role.VIEWER))]
    desk = Desk(home) if any(home.glob("ledger*")) else None
    policies = {"office": parse_policy(OFFICE), "closed office": parse_policy(CLOSED)}
    library = Library(home / "audit", derived)
    return Site(library, Access(holders), cookie=f"aisecops-{port}", desk=desk, policies=policies)
