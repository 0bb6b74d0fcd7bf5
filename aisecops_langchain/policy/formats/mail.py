"""``email_domain``: one plain e-mail address at an allowed domain.

Invariant: an accepted address is one dot-atom, one '@' and one ASCII host name, so that no mail library can find
another address, a display name, a comment, a quoted part or a route in it (RFC 5321, RFC 5322).
"""

from __future__ import annotations

import re
from typing import Final

from pydantic import JsonValue

from aisecops_langchain.policy.formats.base import Accepts, each, texts_of
from aisecops_langchain.policy.formats.hosts import is_address, is_name, is_pattern, listed
from aisecops_langchain.policy.values import OperandError

_LONGEST: Final = 254
_LOCAL: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_+-]|\.(?=[A-Za-z0-9_+-])){0,63}")


def email_domain(operand: JsonValue) -> Accepts:
    """Build the constraint.

    Args:
        operand: A domain or a list of them; ``*.`` before one stands for all below it.

    Returns:
        The test.

    Raises:
        OperandError: If a domain is not a lower-case ASCII name.
    """
    domains = texts_of("email_domain", operand)
    if not all(is_pattern(domain) and not is_address(domain) and "." in domain for domain in domains):
        raise OperandError("email_domain takes lower-case ASCII domains, such as example.com or *.example.com")
    return each(lambda value: _allowed(value, domains), longest=_LONGEST)


def _allowed(value: str, domains: tuple[str, ...]) -> bool:
    local, _, domain = value.partition("@")
    host = domain.lower()
    return _LOCAL.fullmatch(local) is not None and domain.isascii() and is_name(host) and listed(host, domains)
