"""A delegated call: the agent's own decision, met with those of everybody that it acts in the place of.

Invariant: nothing here ever widens a decision; the meet of several is at least as strict as each of them.
"""

from __future__ import annotations

from aisecops_langchain.domain.approval import DEFAULT_REQUIREMENT, ApprovalRequirement, joined
from aisecops_langchain.domain.decision import Decision, Effect, Reason, Stage
from aisecops_langchain.domain.grant import tightest
from aisecops_langchain.domain.principal import Principal


def delegator(principal: Principal, position: int) -> Principal:
    """Return who stood at a position of a chain, as policy would have seen it there.

    Args:
        principal: Who acts, with its delegators.
        position: From 0, the first delegator.

    Returns:
        The delegator, with those above it.
    """
    links = principal.delegators
    return principal.model_copy(update={"agent": links[position].agent, "delegators": links[:position]})


def meet(mine: Decision, theirs: Decision, agent: str) -> Decision:
    """Take a decision down to what a delegator would have needed himself.

    Args:
        mine: The decision so far, not a deny.
        theirs: What policy answers for the delegator, not a deny.
        agent: The delegator's name.

    Returns:
        The stricter of the two effects, with what either asks for.
    """
    update: dict[str, object] = {
        "obligations": mine.obligations | theirs.obligations,
        "approvals": joined((*_asked(mine), *_asked(theirs))),
        "grants": tightest(item.grants for item in (mine, theirs) if item.effect is Effect.REQUIRE_APPROVAL),
    }
    if theirs.effect is Effect.REQUIRE_APPROVAL and mine.effect is not Effect.REQUIRE_APPROVAL:
        asks = Reason(code="delegator_requires_approval", message=f"delegator {agent!r} would have to ask a person")
        update |= {"effect": Effect.REQUIRE_APPROVAL, "reasons": (asks, *mine.reasons)}
    return mine.model_copy(update=update)


def delegator_denied(agent: str, theirs: Decision) -> Reason:
    """Say that a delegator may not do this himself.

    Args:
        agent: The delegator's name.
        theirs: What policy answers for him.

    Returns:
        The reason.
    """
    message = f"delegator {agent!r} may not do this: {theirs.reasons[0].code}"
    return Reason(code="delegator_denied", message=message)


def narrowed(decision: Decision, stage: Stage, reason: Reason) -> Decision:
    """Deny what policy itself may have let pass, and keep what policy said.

    Args:
        decision: What policy said.
        stage: What denies.
        reason: Why; it comes first.

    Returns:
        The deny.
    """
    return decision.model_copy(
        update={
            "effect": Effect.DENY,
            "stage": stage,
            "reasons": (reason, *decision.reasons),
            "obligations": frozenset(),
            "grants": None,
            "approvals": (),
        }
    )


def _asked(decision: Decision) -> tuple[ApprovalRequirement, ...]:
    """What a decision takes from a person, with the default spelled out so that joining loses nothing of it."""
    if decision.effect is not Effect.REQUIRE_APPROVAL:
        return ()
    return decision.approvals or (DEFAULT_REQUIREMENT,)
