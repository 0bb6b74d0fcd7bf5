"""Runs the server.

Invariant: it listens only where ``Binding`` lets it, believes no header about who asks from where, and writes no
address of a request anywhere, since the first one holds a token.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path
from types import FrameType
from typing import Final

import uvicorn

from aisecops_langchain.errors import ConfigurationError
from aisecops_langchain.web.app import make_app
from aisecops_langchain.web.binding import Binding
from aisecops_langchain.web.live import Streams
from aisecops_langchain.web.site import Site
from aisecops_langchain.web.watching import watching

_MOST_CONNECTIONS: Final = 256
_GRACE_SECONDS: Final = 3


class _Server(uvicorn.Server):
    """Ends in order when it is told to stop: streams that would never end by themselves, and then what serves them.

    It says that it is ready only when it can be told so: before, a signal would be taken by nobody.
    """

    def __init__(self, config: uvicorn.Config, streams: Streams, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._streams = streams
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start."""
        await super().startup(sockets)
        if self.started:
            self._ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop."""
        self._streams.closing = True
        super().handle_exit(sig, frame)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take signals to stop; they are not raised again afterwards, so that logs and ledgers are closed in order."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def serve(make_site: Callable[[int], Site], binding: Binding, *, ready: Callable[[str], None]) -> None:
    """Serve until the process is told to stop.

    Args:
        make_site: Makes the site for the port that is listened on.
        binding: Where to listen.
        ready: Called with the server's address once it listens.

    Raises:
        ConfigurationError: If it may not, or cannot, listen there.
    """
    with closing(binding.listen()) as listening:
        port = listening.getsockname()[1]
        with closing(make_site(port)) as site, watching(site.library):
            _run(site, binding, listening, port, lambda: ready(binding.address(port)))


def _run(site: Site, binding: Binding, listening: socket.socket, port: int, ready: Callable[[], None]) -> None:
    app = make_app(site, hosts=binding.hosts(port))
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="on",
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        ssl_certfile=binding.certificate,
        ssl_keyfile=binding.key,
    )
    _Server(config, app.state.streams, ready).run(sockets=[listening])


def cookie_name(port: int) -> str:
    """Name the cookie of a server; browsers share cookies between the ports of a host.

    Args:
        port: The port.
    """
    return f"aisecops-{port}"


def derived_folder(log: Path, cache: Path | None) -> Path:
    """Say where what is derived from a log lies.

    Args:
        log: The log directory.
        cache: Where to put it; the user's own cache if not given.

    Returns:
        A folder for this log alone.
    """
    base = cache or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aisecops"
    return base / sha256(str(log.resolve()).encode()).hexdigest()[:16]


@contextmanager
def only_server_of(folder: Path) -> Iterator[None]:
    """Make sure that no other server keeps its own roster and index in a folder.

    Args:
        folder: The folder; made if missing.

    Yields:
        Nothing; the folder is ours until the context ends.

    Raises:
        ConfigurationError: If it is another's, or cannot be used.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigurationError(
            "nothing can be kept beside the log's index",
            expected="a folder of ours",
            got=type(error).__name__,
            remedy="pass --cache DIR",
        ) from None
    try:
        _take(descriptor)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ConfigurationError(
            "another server reads this log already",
            expected="one server for each log and cache",
            remedy="stop it, or pass --cache DIR",
        ) from None
