"""``url``: an absolute URL to an allowed scheme, host and port.

Invariant: an accepted URL names the same allowed host to RFC 3986 and WHATWG parsers. What they, or older readers,
take differently is refused: user information, or an '@' that looks like it behind a host without a path, backslashes,
escapes or Unicode in the authority, white space, control characters, a trailing dot, numbers that some take for
addresses. Where a name leads is decided by DNS, which policy does not ask.
"""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import Field, JsonValue, field_validator

from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.policy.formats.base import Accepts, each, read_options
from aisecops_langchain.policy.formats.hosts import (
    is_address,
    is_internal_name,
    is_name,
    is_pattern,
    is_public_address,
    listed,
)

_LONGEST: Final = 8192
_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_ANY: Final = "*"
_URL: Final = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9.-]+))"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?(?:(?:/|[?#](?![^/]*@))[!#$%&'()*+,\-./0-9:;=?@A-Z_a-z~\[\]]*)?"
)


class UrlOptions(Frozen):
    """What a ``url`` constraint takes."""

    schemes: Annotated[tuple[str, ...], Field(min_length=1)] = ("https",)
    hosts: Annotated[tuple[str, ...], Field(min_length=1)]
    """Exact hosts, ``*.example.com`` for all below it, or ``*`` alone for every public host."""
    ports: Annotated[tuple[Annotated[int, Field(ge=1, le=65535)], ...], Field(min_length=1)] | None = None
    """Left out, only the scheme's own port."""
    private: bool = False
    """Whether listed hosts may be private, loopback or link-local."""

    @field_validator("schemes")
    @classmethod
    def _known_schemes(cls, schemes: tuple[str, ...]) -> tuple[str, ...]:
        if not set(schemes) <= _PORTS.keys():
            raise ValueError(f"a scheme must be one of {', '.join(_PORTS)}")
        return schemes

    @field_validator("hosts")
    @classmethod
    def _sound_hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        if hosts != (_ANY,) and not all(map(is_pattern, hosts)):
            raise ValueError("a host must be a lower-case ASCII name, a canonical address, *.name, or * alone")
        return hosts


def url(operand: JsonValue) -> Accepts:
    """Build the constraint.

    Args:
        operand: See ``UrlOptions``.

    Returns:
        The test.

    Raises:
        OperandError: If the operand is not that.
    """
    options = read_options("url", UrlOptions, operand)
    return each(lambda value: _allowed(value, options), longest=_LONGEST)


def _allowed(value: str, options: UrlOptions) -> bool:
    parts = _URL.fullmatch(value)
    if parts is None:
        return False
    scheme = parts["scheme"].lower()
    if scheme not in options.schemes:
        return False
    port = int(parts["port"]) if parts["port"] else _PORTS[scheme]
    if port not in (options.ports or (_PORTS[scheme],)):
        return False
    return _allowed_host((parts["v6"] or parts["host"]).lower(), options, bracketed=parts["v6"] is not None)


def _allowed_host(host: str, options: UrlOptions, *, bracketed: bool) -> bool:
    if is_address(host):
        if bracketed is not (":" in host) or not (options.private or is_public_address(host)):
            return False
    elif bracketed or not is_name(host) or (is_internal_name(host) and not options.private):
        return False
    if options.hosts == (_ANY,):
        return not (is_name(host) and "xn--" in host)  # a look-alike must be listed to be trusted
    return listed(host, options.hosts)
