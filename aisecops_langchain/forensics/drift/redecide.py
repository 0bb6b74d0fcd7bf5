"""Deciding one recorded request again: under the policy of that time, and under another.

Invariant: no model is asked, no tool is run, nothing is guessed. What stopped a call beside policy (a stop, a pinned
definition, a warrant) stops it under every policy; where an answer rests on something that the log does not hold, there
is no answer. An answer that does not need what is missing is given.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from aisecops_langchain.domain.decision import Decision, DecisionRequest, Effect, Reason, Stage
from aisecops_langchain.forensics.drift.comparable import task_answers, usage_answers
from aisecops_langchain.forensics.drift.reads import reads_of
from aisecops_langchain.forensics.drift.recorded import Recorded, Unknown
from aisecops_langchain.policy import Policy
from aisecops_langchain.policy.delegated import delegator, delegator_denied, meet, narrowed

HELD: Final = frozenset({Stage.STOP, Stage.DEFINITION})
"""Stages that deny whatever policy says."""

_BY_POLICY: Final = frozenset({"delegator_denied", "ceiling_unknown"})
"""Reasons of the delegation stage that another policy may not have."""

Answer = Decision | Unknown


def as_recorded(made: Decision, recorded: Recorded | Unknown, policy: Policy) -> bool | Unknown:
    """Tell whether a decision comes out as recorded under the policy that made it.

    Args:
        made: The decision.
        recorded: What it was made from, as far as the log tells.
        policy: The policy of that digest.

    Returns:
        Whether it is the same in every part; or why that cannot be told.
    """
    if isinstance(recorded, Unknown):
        return recorded
    own = _own(policy, policy, recorded)
    if isinstance(own, Unknown):
        return own
    reason = made.reasons[0] if made.reasons else None
    if reason is not None and made.stage in HELD:
        return narrowed(own, made.stage, reason) == made
    if own.effect is Effect.DENY or not recorded.request.principal.delegators:
        return own == made
    if reason is not None and made.stage is Stage.DELEGATION and reason.code != "delegator_denied":
        return _denied_on_the_way(policy, recorded, own, narrowed_to=made)
    met = _met(policy, policy, recorded, own)
    return met if isinstance(met, Unknown) else met == made


def under(made: Decision, recorded: Recorded | Unknown, policy: Policy, before: Policy | None) -> Answer:
    """Decide a recorded request under another policy.

    Args:
        made: The recorded decision.
        recorded: What it was made from, as far as the log tells.
        policy: The other policy.
        before: The policy that made it, where that is at hand; what was counted is comparable only then.

    Returns:
        What the answer would have been, all else being equal; or why that cannot be told.
    """
    if made.stage in HELD:
        return made
    if isinstance(recorded, Unknown):
        return recorded
    own = _own(policy, before, recorded)
    if isinstance(own, Decision) and own.effect is Effect.DENY:
        return own
    if not recorded.request.principal.delegators:
        return own
    return _delegated(made, policy, before, recorded, own)


def _delegated(made: Decision, policy: Policy, before: Policy | None, recorded: Recorded, own: Answer) -> Answer:
    """Hold the agent's own answer against its delegators, as far as the log tells what stood above it."""
    code = made.reasons[0].code if made.reasons else ""
    if made.stage is Stage.DELEGATION and code not in _BY_POLICY:
        return made
    if isinstance(own, Unknown):
        denying = [item for item in _delegators(policy, before, recorded) if _denies(item[1])]
        return _refused_by(policy, made, *denying[0]) if denying else own
    met = _met(policy, before, recorded, own)
    if isinstance(met, Unknown) or met.effect is Effect.DENY:
        return met
    if _passed(made) or (code == "delegator_denied" and len(recorded.request.principal.delegators) == 1):
        return met if _ceilings_counted(policy, recorded.request) else _uncounted(own)
    return Unknown.WARRANT


def _passed(made: Decision) -> bool:
    """Whether the warrant was judged, stood, and covered the call."""
    return made.effect is not Effect.DENY


def _own(policy: Policy, before: Policy | None, recorded: Recorded) -> Answer:
    """Ask a policy about the agent itself; every question that it would ask must have an answer in the log."""
    request = recorded.request
    reads = reads_of(policy, request.principal.agent, request.call.tool, request.profile)
    if reads.any_of(recorded.withheld):
        return Unknown.WITHHELD
    same = before is not None and before.digest == policy.digest
    if reads.task and not same and not task_answers(policy, before, request):
        return Unknown.TASK
    if same or usage_answers(policy, before, request):
        return policy.decide(request)
    uncounted = policy.decide(request.model_copy(update={"usage": None}))
    return Unknown.USAGE if uncounted.stage is Stage.BOUNDS else uncounted


def _delegators(policy: Policy, before: Policy | None, recorded: Recorded) -> Iterator[tuple[str, Answer]]:
    request = recorded.request
    for position in range(len(request.principal.delegators)):
        above = delegator(request.principal, position)
        asked = recorded._replace(request=request.model_copy(update={"principal": above}))
        yield above.agent, _own(policy, before, asked)


def _met(policy: Policy, before: Policy | None, recorded: Recorded, own: Decision) -> Answer:
    """Meet a decision with those of all delegators; one that certainly denies settles it."""
    unknown: Unknown | None = None
    for agent, theirs in _delegators(policy, before, recorded):
        if isinstance(theirs, Unknown):
            unknown = unknown or theirs
        elif theirs.effect is Effect.DENY:
            return narrowed(own, Stage.DELEGATION, delegator_denied(agent, theirs))
        else:
            own = meet(own, theirs, agent)
    return unknown or own


def _denied_on_the_way(policy: Policy, recorded: Recorded, own: Decision, narrowed_to: Decision) -> bool | Unknown:
    """A warrant denied at some link: the decision as met so far, with the recorded reason, must be the recorded one."""
    stage, reason = narrowed_to.stage, narrowed_to.reasons[0]
    if narrowed(own, stage, reason) == narrowed_to:
        return True
    for agent, theirs in _delegators(policy, policy, recorded):
        if isinstance(theirs, Unknown):
            return theirs
        if theirs.effect is Effect.DENY:
            return False
        own = meet(own, theirs, agent)
        if narrowed(own, stage, reason) == narrowed_to:
            return True
    return False


def _denies(answer: Answer) -> bool:
    return isinstance(answer, Decision) and answer.effect is Effect.DENY


def _refused_by(policy: Policy, made: Decision, agent: str, theirs: Answer) -> Decision:
    reasons = (delegator_denied(agent, theirs),) if isinstance(theirs, Decision) else made.reasons
    return Decision(effect=Effect.DENY, stage=Stage.DELEGATION, policy=policy.digest, reasons=reasons)


def _ceilings_counted(policy: Policy, request: DecisionRequest) -> bool:
    return request.usage is None or all(item.budget in policy.bounds.budgets for item in request.usage.ceilings)


def _uncounted(own: Decision) -> Decision:
    reason = Reason(code="ceiling_unknown", message="nobody counts what the warrant puts a ceiling on")
    return narrowed(own, Stage.DELEGATION, reason)
