"""From what a delegator asks for to the claims of a warrant, narrowed by what the delegator itself holds.

Invariant: bounds that are not named are inherited, the end is never later than the delegator's own, and what would
widen is refused and not cut down in silence.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue, ValidationError

from aisecops_langchain.domain.principal import Principal
from aisecops_langchain.domain.warrant import MAX_LINKS, Warrant, WarrantClaims, chain_fault
from aisecops_langchain.errors import CanonicalizationError, WarrantError

MAX_SECONDS: Final = 86_400
"""A warrant lives at most a day; a longer task asks for another one."""

_SECOND: Final = 1_000_000_000

Limits = Mapping[str, Mapping[str, Sequence[JsonValue]]]
"""By tool and argument, the only values that the argument may have."""


@dataclass(frozen=True, slots=True)
class WarrantWish:
    """What a delegator asks for."""

    agent: str
    tools: Collection[str]
    expires_in: int
    """Seconds."""
    values: Limits
    budget: Mapping[str, int]
    depth: int
    run: str


def claims_for(wish: WarrantWish, giver: Principal, above: Warrant | None, *, now: int) -> WarrantClaims:
    """Make the claims of the next link.

    Args:
        wish: What is asked for.
        giver: Who delegates.
        above: The warrant that the giver itself acts under, if it does.
        now: Nanoseconds since the Unix epoch.

    Returns:
        The claims; together with the links above they are a sound chain.

    Raises:
        WarrantError: If the giver may not pass that on.
    """
    if type(wish.expires_in) is not int or not 0 < wish.expires_in <= MAX_SECONDS:
        raise WarrantError("lifetime", "a warrant needs an end", expected=f"1 to {MAX_SECONDS} seconds")
    if above is not None and len(above.links) >= MAX_LINKS:
        raise WarrantError("too_deep", "the chain is too long", expected=f"at most {MAX_LINKS} links")
    claims = _claims(wish, giver, above, now)
    before = tuple(link.claims for link in above.links) if above else ()
    fault = chain_fault((*before, claims))
    if fault is not None:
        raise WarrantError(*fault, expected="less than what the delegator holds")
    return claims


def _claims(wish: WarrantWish, giver: Principal, above: Warrant | None, now: int) -> WarrantClaims:
    held = above.claims if above else None
    ends = now + wish.expires_in * _SECOND
    stated = {
        "id": secrets.token_hex(16),
        "parent": held.digest() if held else "",
        "tenant": giver.tenant,
        "user": giver.user,
        "issuer": giver.issuer,
        "delegator": giver.agent,
        "agent": wish.agent,
        "tools": tuple(sorted(set(wish.tools))),
        "values": _bounds(wish, held),
        "budget": {**(held.budget if held else {}), **wish.budget},
        "depth": wish.depth,
        "run": wish.run,
        "issued_at": now,
        "expires_at": min(ends, held.expires_at) if held else ends,
    }
    try:
        claims = WarrantClaims.model_validate(stated)
        claims.signed_bytes()
    except (ValidationError, CanonicalizationError) as error:
        raise WarrantError("malformed", "no warrant can say this", got=type(error).__name__) from None
    return claims


def _bounds(wish: WarrantWish, held: WarrantClaims | None) -> dict[str, dict[str, tuple[JsonValue, ...]]]:
    bounds: dict[str, dict[str, tuple[JsonValue, ...]]] = {}
    for tool in wish.tools:
        inherited = held.values.get(tool, {}) if held else {}
        own = {name: tuple(allowed) for name, allowed in wish.values.get(tool, {}).items()}
        if inherited or own:
            bounds[tool] = {**inherited, **own}
    return bounds
