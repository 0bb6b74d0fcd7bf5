"""Where the server may be reached, and by which names.

Invariant: without a flag that is named for its danger, nothing but this machine itself reaches the server without TLS.
A request under a name that is not listed here is refused, so that no page elsewhere reaches it by a name of its own.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from aisecops_langchain.errors import ConfigurationError

_LOCAL_NAMES = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True, slots=True)
class Binding:
    """Where to listen."""

    host: str = "127.0.0.1"
    port: int = 0
    """Any free one, if 0."""
    names: tuple[str, ...] = ()
    """Names, without port, that browsers reach the server by, beside those of this machine itself."""
    certificate: Path | None = None
    """PEM file of the certificate, and ``key`` that of its key, for TLS."""
    key: Path | None = None
    unsafe_without_tls: bool = False
    """Whether to be reached by others without TLS; who listens on the way reads and answers everything."""

    @property
    def secure(self) -> bool:
        """Whether TLS is spoken."""
        return self.certificate is not None

    @property
    def scheme(self) -> str:
        """``https`` or ``http``."""
        return "https" if self.secure else "http"

    def check(self) -> None:
        """Make sure that this may be listened on.

        Raises:
            ConfigurationError: If not.
        """
        if (self.certificate is None) is not (self.key is None):
            raise ConfigurationError("TLS takes both a certificate and its key", expected="two PEM files")
        if _is_loopback(self.host):
            return
        if not (self.secure or self.unsafe_without_tls):
            raise ConfigurationError(
                "others could reach the server without TLS",
                expected="a loopback address, or TLS",
                got=self.host,
                remedy="pass --tls-cert and --tls-key, or --dangerously-without-tls",
            )
        if ip_address(self.host).is_unspecified and not self.names:
            raise ConfigurationError(
                "nobody says by which name the server is reached", expected="--name HOST", got=self.host
            )

    def listen(self) -> socket.socket:
        """Begin to listen.

        Returns:
            The socket.

        Raises:
            ConfigurationError: If that is not possible.
        """
        self.check()
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        made = socket.socket(family, socket.SOCK_STREAM)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(("127.0.0.1" if self.host == "localhost" else self.host, self.port))
            made.listen()  # who is told the address at once is kept waiting rather than refused
        except (OSError, OverflowError) as error:
            made.close()
            raise ConfigurationError(
                f"port {self.port} of {self.host} cannot be listened on", got=type(error).__name__, remedy="pass --port"
            ) from None
        return made

    def hosts(self, port: int) -> frozenset[str]:
        """Name the values of the ``Host`` header that count.

        Args:
            port: The port that is listened on.

        Returns:
            The values, in lower case.
        """
        own = [] if _is_unspecified(self.host) else [f"[{self.host}]" if ":" in self.host else self.host]
        names = {*(name.lower() for name in self.names), *own, *(_LOCAL_NAMES if _is_local(self.host) else ())}
        usual = 443 if self.secure else 80
        return frozenset({f"{name}:{port}" for name in names} | (names if port == usual else set()))

    def address(self, port: int) -> str:
        """Say where a browser goes.

        Args:
            port: The port that is listened on.
        """
        host = self.names[0] if self.names else f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{port}"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        raise ConfigurationError(
            "the address to listen on is none", expected="an IP address or localhost", got=host[:60]
        ) from None


def _is_unspecified(host: str) -> bool:
    return host != "localhost" and ip_address(host).is_unspecified


def _is_local(host: str) -> bool:
    """Whether this machine reaches the server by the names of itself."""
    return _is_loopback(host) or _is_unspecified(host)
