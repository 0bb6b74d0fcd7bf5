"""Warrants: what one agent lets another do in its place; each link may only narrow the one before it.

Invariant: in a sound chain every link is for the same tenant and user, was given by the holder of the link before it,
and grants nothing that the link before it does not grant; no agent stands in it twice. Signatures and time are not
judged here.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final, Literal

from pydantic import Field, JsonValue, PositiveInt

from aisecops_langchain.canonical import canonical_bytes, digest_bytes
from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.domain.plan import CanonicalCall
from aisecops_langchain.domain.principal import Delegator, Principal

MAX_LINKS: Final = 8
"""A longer chain is refused: nobody can oversee it, and each link costs a signature and a decision."""

AllowedValues = dict[str, dict[str, tuple[JsonValue, ...]]]
"""By tool and argument, the only values that the argument may have."""


class WarrantClaims(Frozen):
    """What one link says."""

    v: Literal[1] = 1
    id: str = Field(min_length=1)
    """A nonce, so that no two warrants are the same."""
    parent: str = ""
    """Digest of the link that this one narrows; empty for the first."""
    tenant: str = Field(min_length=1)
    user: str = Field(min_length=1)
    issuer: str = ""
    """Who vouched for the user."""
    delegator: str = Field(min_length=1)
    """The agent that gives."""
    agent: str = Field(min_length=1)
    """The agent that receives; the warrant is good for no other."""
    tools: tuple[str, ...] = Field(min_length=1)
    """Names of the only tools that it covers."""
    values: AllowedValues = Field(default_factory=dict)
    """Arguments that may have only some values; an argument that stands here may not be left out."""
    budget: dict[str, PositiveInt] = Field(default_factory=dict)
    """Ceilings by name; the ledger of budgets gives them their meaning."""
    depth: int = Field(default=0, ge=0, le=MAX_LINKS)
    """How many further links may follow."""
    run: str = ""
    """Thread of the run in which it was given."""
    issued_at: int = Field(gt=0)
    """Nanoseconds since the Unix epoch."""
    expires_at: int = Field(gt=0)
    """Nanoseconds since the Unix epoch; from then on the warrant is void."""

    def signed_bytes(self) -> bytes:
        """Return the canonical bytes that signature and digest cover."""
        return canonical_bytes(self.model_dump(mode="json"))

    def digest(self) -> str:
        """Return the identity of this link."""
        return digest_bytes("warrant", self.signed_bytes())

    def covers(self, call: CanonicalCall) -> bool:
        """Tell whether this link lets a call through.

        Args:
            call: The canonical call.

        Returns:
            Whether its tool is listed and every limited argument has one of its values.
        """
        if call.tool not in self.tools:
            return False
        arguments = call.arguments()
        limited = self.values.get(call.tool, {})
        return all(name in arguments and _among(arguments[name], allowed) for name, allowed in limited.items())


class WarrantLink(Frozen):
    """One signed link."""

    claims: WarrantClaims
    signature: str = Field(min_length=128, max_length=128)
    """Ed25519 over the claims, in hexadecimal digits."""


class Warrant(Frozen):
    """A whole chain, the first link first; a secret to nobody, and good only for the agent that it names."""

    links: tuple[WarrantLink, ...] = Field(min_length=1, max_length=MAX_LINKS)

    @property
    def claims(self) -> WarrantClaims:
        """What the last link says; in a sound chain that is the whole grant."""
        return self.links[-1].claims

    def principal(self) -> Principal:
        """Return who acts under this warrant."""
        last = self.claims
        chain = tuple(
            Delegator(agent=link.claims.delegator, warrant=link.claims.digest(), run=link.claims.run)
            for link in self.links
        )
        return Principal(agent=last.agent, user=last.user, tenant=last.tenant, issuer=last.issuer, delegators=chain)


def chain_fault(chain: tuple[WarrantClaims, ...]) -> tuple[str, str] | None:
    """Find what is wrong with a chain.

    Args:
        chain: Its links, the first first.

    Returns:
        A code and a sentence, or ``None`` for a sound chain.
    """
    agents = [chain[0].delegator, *(link.agent for link in chain)]
    if len(set(agents)) != len(agents):
        return "cyclic", "an agent stands in the chain twice"
    if chain[0].parent:
        return "incomplete", "the first link narrows another one that is not here"
    for before, link in pairwise(chain):
        fault = _link_fault(before, link)
        if fault is not None:
            return fault
    return None


def _link_fault(before: WarrantClaims, link: WarrantClaims) -> tuple[str, str] | None:
    if link.parent != before.digest() or link.delegator != before.agent:
        return "broken_chain", "a link does not follow from the one before it"
    if (link.tenant, link.user, link.issuer) != (before.tenant, before.user, before.issuer):
        return "other_user", "a link is for another user or tenant than the one before it"
    if before.depth <= link.depth:
        return "too_deep", "the holder may not delegate any further"
    if not narrows(link, before):
        return "widened", "a link grants more than the one before it"
    return None


def narrows(link: WarrantClaims, before: WarrantClaims) -> bool:
    """Tell whether a link grants nothing beyond another.

    Args:
        link: The later link.
        before: The link before it.

    Returns:
        Whether tools, values, ceilings and expiry all stay within those of the link before.
    """
    within = link.expires_at <= before.expires_at and link.issued_at >= before.issued_at
    fewer = set(link.tools) <= set(before.tools)
    cheaper = all(name in link.budget and link.budget[name] <= most for name, most in before.budget.items())
    return within and fewer and cheaper and all(_values_narrow(link, before, tool) for tool in link.tools)


def _values_narrow(link: WarrantClaims, before: WarrantClaims, tool: str) -> bool:
    mine, theirs = link.values.get(tool, {}), before.values.get(tool, {})
    return all(name in mine and all(_among(value, allowed) for value in mine[name]) for name, allowed in theirs.items())


def _among(value: JsonValue, allowed: tuple[JsonValue, ...]) -> bool:
    """Compare as canonical JSON: ``1``, ``1.0`` and ``True`` are three values."""
    wanted = canonical_bytes(value)
    return any(canonical_bytes(item) == wanted for item in allowed)
