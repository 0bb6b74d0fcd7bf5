"""Host names and addresses, as policy may list them and as a call may name them.

Invariant: an accepted host is spelled the one way that all parsers share: lower-case ASCII labels, a canonical dotted
quad, or a canonical IPv6 address. Addresses are public unless policy says otherwise.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final

_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_LOCAL: Final = frozenset(
    {
        *("localhost", "localdomain", "local", "internal", "intranet", "intra", "private", "lan", "home", "corp"),
        *("arpa", "onion", "alt", "test"),
        *("svc", "cluster", "default", "consul", "docker"),  # what clusters name their own services by
    }
)
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_COMPATIBLE: Final = ipaddress.IPv6Network("::/96")
_NOT_PUBLIC: Final = tuple(map(ipaddress.IPv6Network, ("64:ff9b:1::/48", "3fff::/20", "5f00::/16", "fec0::/10")))
"""What releases of Python take for public, or not, as their tables grow: local NAT64, documentation, SRv6, sites."""
_ISATAP: Final = frozenset({0x00005EFE, 0x02005EFE})
"""What stands before an IPv4 address in an interface's number (RFC 5214)."""


def is_name(host: str) -> bool:
    """Tell whether text is a host name that no parser takes for an address.

    Args:
        host: The text, in lower case.

    Returns:
        Whether it is. A name whose last label is a number is an address to some (WHATWG URL, section 3.5).
    """
    labels = host.split(".")
    return len(host) <= 253 and all(map(_LABEL.fullmatch, labels)) and not _NUMBER.fullmatch(labels[-1])


def is_internal_name(host: str) -> bool:
    """Tell whether a host name points into a private network by its form.

    Args:
        host: A host name.

    Returns:
        Whether it is a single label or ends in a label that public DNS does not serve.
    """
    labels = host.split(".")
    return len(labels) == 1 or labels[-1] in _LOCAL


def is_address(host: str) -> bool:
    """Tell whether text is an IP address in its canonical spelling; IPv6 without brackets.

    Args:
        host: The text.

    Returns:
        Whether it is; octal, hexadecimal, decimal and abbreviated spellings, and zones, are not.
    """
    try:
        return str(ipaddress.ip_address(host)) == host
    except ValueError:
        return False


def is_public_address(host: str) -> bool:
    """Tell whether an address is reachable from everywhere and stands for no other address.

    Args:
        host: A canonical address.

    Returns:
        Whether it is; IPv6 forms that carry an IPv4 address are not.
    """
    address = ipaddress.ip_address(host)
    if isinstance(address, ipaddress.IPv6Address) and (
        _carries_ipv4(address) or any(address in network for network in _NOT_PUBLIC)
    ):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _carries_ipv4(address: ipaddress.IPv6Address) -> bool:
    if address.ipv4_mapped or address.sixtofour or address.teredo or address in _NAT64 or address in _COMPATIBLE:
        return True
    return (int(address) >> 32) & 0xFFFFFFFF in _ISATAP


def listed(host: str, patterns: tuple[str, ...]) -> bool:
    """Tell whether a list of hosts covers a host.

    Args:
        host: The host, in lower case.
        patterns: Exact hosts, and ``*.`` before a name for everything below it.

    Returns:
        Whether it does.
    """
    return any(host == pattern or (pattern[:2] == "*." and host.endswith(pattern[1:])) for pattern in patterns)


def is_pattern(pattern: str) -> bool:
    """Tell whether text may stand in a list of hosts.

    Args:
        pattern: The text.

    Returns:
        Whether it is a host name, an address, or ``*.`` before a name of two labels or more.
    """
    if pattern.startswith("*."):
        return is_name(pattern[2:]) and "." in pattern[2:]
    return is_name(pattern) or is_address(pattern)
