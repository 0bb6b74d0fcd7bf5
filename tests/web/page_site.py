"""Sites over logs on disk, each served by a real uvicorn on a port of its own."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import uvicorn

from aisecops_langchain.web.access import Access, Caller, Role, TokenHolder, token_hash
from aisecops_langchain.web.app import make_app
from aisecops_langchain.web.desk import Desk
from aisecops_langchain.web.library import Library
from aisecops_langchain.web.site import Site

APPROVER: Final = "a-token-of-an-approver"
VIEWER: Final = "a-token-of-a-viewer"


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
        server = uvicorn.Server(
            uvicorn.Config(make_app(site, hosts=[f"127.0.0.1:{port}"]), log_level="error", timeout_graceful_shutdown=1)
        )
        stop = threading.Event()
        site.library.read()
        site.library.check()
        threads = [
            threading.Thread(target=server.run, kwargs={"sockets": [listening]}),
            threading.Thread(target=_watch, args=(site.library, stop)),
        ]
        for thread in threads:
            thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield Served(f"http://127.0.0.1:{port}", home)
        finally:
            stop.set()
            server.should_exit = True
            for thread in threads:
                thread.join()
            site.close()


def _watch(library: Library, stop: threading.Event) -> None:
    while not stop.wait(0.2):
        library.read()
        library.check()


def _site(home: Path, derived: Path, port: int) -> Site:
    carol = Caller("carol", Role.APPROVER, verified=True)
    holders = [TokenHolder(token_hash(APPROVER), carol), TokenHolder(token_hash(VIEWER), Caller("vic", Role.VIEWER))]
    desk = Desk(home) if any(home.glob("ledger*")) else None
    return Site(Library(home / "audit", derived), Access(holders), cookie=f"aisecops-{port}", desk=desk)
