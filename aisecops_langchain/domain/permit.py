"""Permits and effects: the right to run one exact call once, and what became of it.

Invariant: a permit names everything it is good for; whoever holds it can run nothing else. The effect's states only
move forward: reserved, started, then completed, failed or unknown.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from aisecops_langchain.canonical import digest_texts
from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.domain.scope import Scope


class EffectState(StrEnum):
    """The life of one effect in the ledger."""

    RESERVED = "reserved"
    STARTED = "started"
    COMPLETED = "completed"
    FAILED = "failed"
    UNKNOWN = "unknown"


NEXT_STATES: Final[dict[EffectState, frozenset[EffectState]]] = {
    EffectState.RESERVED: frozenset({EffectState.STARTED}),
    EffectState.STARTED: frozenset({EffectState.COMPLETED, EffectState.FAILED, EffectState.UNKNOWN}),
    EffectState.COMPLETED: frozenset(),
    EffectState.FAILED: frozenset(),
    EffectState.UNKNOWN: frozenset({EffectState.COMPLETED, EffectState.FAILED}),
}
"""Lawful transitions; leaving ``unknown`` takes a person or a reconciler."""


class Resolver(StrEnum):
    """Whose word settled an unknown effect."""

    PERSON = "person"
    RECONCILER = "reconciler"


def effect_key(tenant: str, thread: str, plan: str, call_id: str) -> str:
    """Name an effect, as bindings and events do that name these four."""
    return digest_texts("effect", tenant, thread, plan, call_id)


class VoidBy(StrEnum):
    """Why a request for approval is void: what is not as it was when the request was made."""

    POLICY = "policy"
    PLACE = "place"
    PERSON = "person"


class Binding(Frozen):
    """Exactly what an approval or a permit is good for."""

    call_id: str
    call: str
    """Digest of the canonical call."""
    tool: str
    tool_definition: str
    plan: str
    """Identity of the plan that proposed it."""
    scope: Scope

    def effect_key(self) -> str:
        """Identity of the effect: one call of one plan on one thread runs at most once, whatever its arguments."""
        return effect_key(self.scope.principal.tenant, self.scope.thread, self.plan, self.call_id)

    def approval_key(self) -> str:
        """Identity of the approval request for exactly this call in exactly this place."""
        return digest_texts("approval", self.effect_key(), self.call, self.tool_definition)

    def same_but_person(self, other: Binding) -> bool:
        """Whether two bindings differ at most in who acts for whom; such a one was only resumed by somebody else."""
        mine, theirs = self.claims(), other.claims()
        return all(mine[name] == theirs[name] for name in mine.keys() - _PERSONAL)

    def void_by(self, asked: Binding) -> VoidBy | None:
        """Tell why a request that was made under another binding is void under this one, or ``None`` if it is not."""
        mine, theirs = self.claims(), asked.claims()
        differing = {name for name, claim in mine.items() if claim != theirs[name]}
        if "policy" in differing:
            return VoidBy.POLICY
        if differing - _PERSONAL:
            return VoidBy.PLACE
        return VoidBy.PERSON if differing else None

    def claims(self) -> dict[str, str]:
        """Return the binding as plain JSON, for sealing.

        The trace is left out: it correlates, it does not authorise. Of a delegation the agents are named and not the
        warrants, which are judged anew each time: an answer may outlive the warrant under which it was asked for.
        """
        principal = self.scope.principal
        return {
            "agent": principal.agent,
            "call": self.call,
            "call_id": self.call_id,
            "checkpoint_ns": self.scope.checkpoint_ns,
            "delegators": principal.chain(),
            "issuer": principal.issuer,
            "plan": self.plan,
            "policy": self.scope.policy,
            "tenant": principal.tenant,
            "thread": self.scope.thread,
            "tool": self.tool,
            "tool_definition": self.tool_definition,
            "user": principal.user,
        }


_PERSONAL: Final = frozenset({"agent", "delegators", "issuer", "user"})
"""Claims that tell who acts and for whom; the tenant is part of an approval's key."""


class Permit(Frozen):
    """The right to start one effect once before it expires."""

    id: str
    binding: Binding
    issued_at: int
    """Nanoseconds since the Unix epoch."""
    expires_at: int
    """Nanoseconds since the Unix epoch; from then on the permit is void."""
    seal: str
    """MAC over binding, id and times, with a key that neither state nor ledger holds."""


class ApprovalState(StrEnum):
    """The life of one approval request."""

    PENDING = "pending"
    GRANTED = "granted"
    REJECTED = "rejected"
    RESPONDED = "responded"
    """Answered with words for the model in place of a yes; the call does not run."""
    EXPIRED = "expired"
    VOID = "void"
    """The run went on where no answer could count any more, such as under another policy; nobody said no."""
    CONSUMED = "consumed"
