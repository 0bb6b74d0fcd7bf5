"""References to plans, as state keeps them: sealed, and good only where the plan was made.

Invariant: a reference is recognised only if it was sealed here for exactly this scope; anything else is nobody's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aisecops_langchain.canonical import JsonValue, canonical_bytes, digest_texts
from aisecops_langchain.domain.labels import Label
from aisecops_langchain.domain.plan import ExecutionPlan
from aisecops_langchain.domain.scope import Scope
from aisecops_langchain.errors import CanonicalizationError
from aisecops_langchain.sealing import Sealer


@dataclass(frozen=True, slots=True)
class PlanReference:
    """What state remembers of a plan; worthless without its seal."""

    plan: str
    calls: Mapping[str, str]
    """Digest of each planned call, by call id."""
    context: str
    """Names the label of what the model saw, so that nobody can wash it clean before the guard looks."""
    seal: str

    def to_json(self) -> dict[str, JsonValue]:
        """Return the reference as plain JSON, for state."""
        return {"plan": self.plan, "calls": dict(self.calls), "context": self.context, "seal": self.seal}


class PlanReferences:
    """Seals references to plans and recognises them again.

    Args:
        sealer: Holds the key.
    """

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def refer(self, plan: ExecutionPlan, scope: Scope) -> PlanReference:
        """Seal a reference to a plan for keeping in state.

        Args:
            plan: The plan.
            scope: Where it was made; the reference is good nowhere else.

        Returns:
            The reference.
        """
        calls = {step.call_id: step.call.digest for step in plan.steps}
        context = context_name(plan.context)
        seal = self._sealer.seal("plan", _bound(plan.id, calls, context, scope))
        return PlanReference(plan=plan.id, calls=calls, context=context, seal=seal)

    def recognise(self, found: object, scope: Scope) -> PlanReference | None:
        """Open a reference found in state.

        Args:
            found: What state holds; anything at all.
            scope: Where it was found.

        Returns:
            The reference, or ``None`` if we did not seal it for this scope.
        """
        if not isinstance(found, dict):
            return None
        plan, calls, seal = found.get("plan"), found.get("calls"), found.get("seal")
        context = found.get("context")
        if not isinstance(plan, str) or not isinstance(calls, dict) or not isinstance(context, str):
            return None
        if not all(isinstance(item, str) for pair in calls.items() for item in pair):
            return None
        try:
            genuine = self._sealer.verifies("plan", canonical_bytes(_bound(plan, calls, context, scope)), seal)
        except CanonicalizationError:
            return None
        return PlanReference(plan=plan, calls=calls, context=context, seal=str(seal)) if genuine else None


def context_name(label: Label) -> str:
    """Name the label of a context by everything in it.

    Args:
        label: The label.

    Returns:
        A digest.
    """
    sources = sorted(f"{source.kind}:{source.name}:{source.digest}" for source in label.sources)
    return digest_texts("context", label.integrity, label.confidentiality, *sources)


def _bound(plan_id: str, calls: Mapping[str, str], context: str, scope: Scope) -> dict[str, JsonValue]:
    principal = scope.principal
    return {
        "agent": principal.agent,
        "calls": dict(calls),
        "context": context,
        "plan": plan_id,
        "tenant": principal.tenant,
        "thread": scope.thread,
        "user": principal.user,
    }
