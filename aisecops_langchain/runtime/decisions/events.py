"""What the log is told of a decision.

Invariant: the same decision, made again on the same grounds, is the same event; its digest covers every label that it
rests on, so that one made on other grounds is another.
"""

from __future__ import annotations

from typing import Any, Final

from aisecops_langchain.canonical import digest_texts
from aisecops_langchain.domain.decision import Decision, DecisionRequest, Effect, Stage
from aisecops_langchain.domain.events import (
    CapabilityAllowed,
    CapabilityBlocked,
    DecisionMade,
    Event,
    PermitIssued,
    PolicyAllowed,
    PolicyBlocked,
)
from aisecops_langchain.runtime.decisions.case import Case
from aisecops_langchain.runtime.ledger.records import EffectRecord
from aisecops_langchain.runtime.recorder import PreparedEvent, Recorder, at, event_identity

_AFTER_CAPABILITY: Final = frozenset({Stage.RULES, Stage.BOUNDS})


def describe(recorder: Recorder, case: Case, request: DecisionRequest, decision: Decision) -> list[PreparedEvent]:
    """Prepare the events that tell how a call was decided on.

    Args:
        recorder: Prepares them.
        case: The step.
        request: What policy was asked.
        decision: What it answered.

    Returns:
        The events in order; the last one is the decision's.

    Raises:
        AuditWriteError: If one of them has no JSON form.
        ClockError: If there is no time to give them.
    """
    proposal, scope, about = case.proposal, case.scope, case.about
    identity = (proposal.plan, about["call_id"], about["call"], _grounds(request, decision))
    events: list[PreparedEvent] = []

    def follow(kind: type[Event], **facts: Any) -> None:
        parents = (events[-1][0],) if events else (*proposal.parents, *_edit(case))
        events.append(recorder.prepare(kind, scope, *identity, parents=parents, **facts))

    if decision.stage not in _AFTER_CAPABILITY or decision.capability is None:
        follow(CapabilityBlocked, reasons=decision.reasons, **about)
    else:
        follow(CapabilityAllowed, capability=decision.capability, **about)
        if decision.effect is Effect.ALLOW:
            follow(PolicyAllowed, rules=decision.rules, **about)
        elif decision.effect is Effect.DENY:
            follow(PolicyBlocked, rules=decision.rules, reasons=decision.reasons, **about)
    follow(
        DecisionMade,
        plan=proposal.plan,
        call=recorder.call(proposal.step.call_id, proposal.step.call),
        decision=decision,
        context=request.context,
        argument_labels=request.arguments,
        environment=request.environment,
        argument_methods=request.methods,
        tool_profile=request.profile,
        task=request.task,
        usage=request.usage,
    )
    return events


def _edit(case: Case) -> tuple[str, ...]:
    """Name the answer that an edited call rests on, so that clocks of two hosts cannot turn their order round."""
    if case.asked is case.binding:
        return ()
    return (event_identity("approval_granted", case.scope.trace, case.asked.approval_key()),)


def describe_permit(recorder: Recorder, case: Case, effect: EffectRecord, event: str) -> PreparedEvent:
    """Prepare the event of a permit.

    Args:
        recorder: Prepares it.
        case: The step.
        effect: The effect with its permit.
        event: Id of the event that it follows from.

    Returns:
        The event.

    Raises:
        AuditWriteError: If it has no JSON form.
        ClockError: If there is no time to give it.
    """
    permit = effect.permit
    return recorder.prepare(
        PermitIssued,
        case.scope,
        permit.id,
        parents=(event,),
        permit=permit.id,
        tool_definition=case.proposal.step.tool_definition,
        expires_at=at(permit.expires_at),
        approval=effect.approval,
        grant=effect.grant,
        **case.about,
    )


def _grounds(request: DecisionRequest, decision: Decision) -> str:
    """Name a decision by its answer and what it was made from, so that only the very same one is recorded once."""
    labels = sorted(f"{name}:{label.integrity}:{label.confidentiality}" for name, label in request.arguments.items())
    context = request.context
    sources = sorted(source.digest for source in context.sources)
    codes = (reason.code for reason in decision.reasons)
    methods = sorted(f"{name}:{method}" for name, method in request.methods.items())
    task = (request.task.scope, str(request.task.in_scope))
    about = (context.integrity, context.confidentiality, *sources, *labels, *methods, *task)
    return digest_texts("decision", decision.effect, decision.policy, *decision.rules, *codes, *about)
