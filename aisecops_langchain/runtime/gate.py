"""The gate: policy decides on every step, and only its answer makes a permit.

Invariant: a permit is issued for exactly the call that was decided on, after the decision was recorded, at most once
per step of a plan; an approval-bound call gets one only by using its approval up in the same transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from aisecops_langchain.canonical import JsonValue, digest_texts
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
from aisecops_langchain.domain.labels import Label
from aisecops_langchain.domain.permit import ApprovalState, Binding, EffectState, Permit
from aisecops_langchain.domain.plan import PlanStep
from aisecops_langchain.domain.scope import Scope
from aisecops_langchain.policy import Policy
from aisecops_langchain.runtime.approvals import Approvals
from aisecops_langchain.runtime.execution import Execution
from aisecops_langchain.runtime.permits import is_genuine, mint
from aisecops_langchain.runtime.ports import Change, Clock, Ledger, Table
from aisecops_langchain.runtime.recorder import PreparedEvent, Recorder, at
from aisecops_langchain.runtime.records import ApprovalRecord, Briefing, EffectRecord, close_row, open_row
from aisecops_langchain.sealing import Sealer


@dataclass(frozen=True, slots=True)
class Permitted:
    """The call may run once, under this permit."""

    permit: Permit


@dataclass(frozen=True, slots=True)
class NeedsApproval:
    """A person must be asked first, about exactly this."""

    binding: Binding
    briefing: Briefing
    event: str
    """Id of the decision's event."""


@dataclass(frozen=True, slots=True)
class Denied:
    """The call must not run."""

    code: str
    message: str
    """Neutral, safe to show to a model: no argument values, no advice on how to get round it."""


_REFUSED: Final = {
    ApprovalState.EXPIRED: Denied("approval_expired", "Nobody approved this call in time."),
    ApprovalState.REJECTED: Denied("rejected", "A person rejected this call."),
}

Verdict = Permitted | NeedsApproval | Denied


@dataclass(frozen=True, slots=True)
class Proposal:
    """A step as it stands before the gate."""

    step: PlanStep
    plan: str
    context: Label
    planned_call: str
    """Digest of the call as planned; differs from the step's where a person edited it."""
    parents: tuple[str, ...] = ()


class Gate:
    """Decides on steps and issues permits.

    Args:
        policy: The bundle in force.
        ledger: Where permits are reserved.
        approvals: Looks answers up.
        execution: Accounts for steps that were begun before.
        recorder: Writes decisions before they count.
        sealer: Seals permits and rows.
        clock: Tells when permits expire.
        environment: Facts from configuration that rules may ask for.
    """

    def __init__(
        self,
        *,
        policy: Policy,
        ledger: Ledger,
        approvals: Approvals,
        execution: Execution,
        recorder: Recorder,
        sealer: Sealer,
        clock: Clock,
        environment: Mapping[str, JsonValue],
    ) -> None:
        self._policy = policy
        self._ledger = ledger
        self._approvals = approvals
        self._execution = execution
        self._recorder = recorder
        self._sealer = sealer
        self._clock = clock
        self._environment = dict(environment)

    def request_for(self, proposal: Proposal, scope: Scope) -> DecisionRequest:
        """Build what policy is asked about a step; nothing is decided or written.

        Args:
            proposal: The step.
            scope: Where it was proposed.

        Returns:
            The request.
        """
        return DecisionRequest(
            principal=scope.principal,
            call=proposal.step.call,
            context=proposal.context,
            arguments=proposal.step.argument_labels(),
            environment=self._environment,
        )

    def decide(self, proposal: Proposal, scope: Scope) -> Verdict:
        """Decide on one step and, where that is the answer, issue its permit.

        Args:
            proposal: The step.
            scope: Where it was proposed.

        Returns:
            The verdict; deciding again on the same step gives the same permit as long as it is unused.

        Raises:
            AuditWriteError: If the decision could not be recorded; no permit was issued.
            LedgerError: If the ledger could not be used or was edited; no permit was issued.
            ClockError: If there is no time to give a permit; none was issued.
        """
        if proposal.step.call.digest != proposal.planned_call and not self._edited_by_person(proposal, scope):
            return Denied("changed_after_planning", "The call was changed after it was planned.")
        request = self.request_for(proposal, scope)
        decision = self._policy.decide(request)
        event = self._record(proposal, request, decision, scope)
        refused = self._refused_before(proposal, scope)
        if refused is not None and decision.effect is not Effect.DENY:
            return refused
        if decision.effect is Effect.ALLOW:
            return self._issue(proposal, scope, decision, event, approval=None)
        if decision.effect is Effect.REQUIRE_APPROVAL:
            return self._by_approval(proposal, scope, decision, event)
        return Denied("policy", "Policy does not allow this call.")

    def _refused_before(self, proposal: Proposal, scope: Scope) -> Denied | None:
        """Find a person's no; it stands even if policy would not ask any more."""
        record = self._approvals.find(_bind(proposal, scope, proposal.planned_call).approval_key())
        return None if record is None else _REFUSED.get(record.state)

    def _edited_by_person(self, proposal: Proposal, scope: Scope) -> bool:
        asked = _bind(proposal, scope, proposal.planned_call)
        record = self._approvals.find(asked.approval_key())
        return (
            record is not None
            and record.state in (ApprovalState.GRANTED, ApprovalState.CONSUMED)
            and record.edited_call == proposal.step.call.digest
            and record.binding.claims() == asked.claims()
        )

    def _by_approval(self, proposal: Proposal, scope: Scope, decision: Decision, event: str) -> Verdict:
        asked = _bind(proposal, scope, proposal.planned_call)
        record = self._approvals.find(asked.approval_key())
        if record is None:
            if self._approvals.was_rejected(asked):
                return Denied("rejected", "A person already rejected this call in this run.")
            return NeedsApproval(asked, _brief(proposal, decision), event)
        if record.binding.claims() != asked.claims():
            return Denied("approval_void", "The approval was asked for in another context.")
        if record.state is ApprovalState.PENDING:
            return NeedsApproval(asked, _brief(proposal, decision), event)
        return self._approved(proposal, scope, decision, record)

    def _approved(self, proposal: Proposal, scope: Scope, decision: Decision, record: ApprovalRecord) -> Verdict:
        approved_call = record.edited_call or record.binding.call
        if proposal.step.call.digest != approved_call:
            return Denied("approval_mismatch", "The approval is for another call than this one.")
        if record.state is ApprovalState.GRANTED and self._clock.now() >= record.expires_at:
            return _REFUSED[ApprovalState.EXPIRED]
        answered = self._approvals.record_answer(record)  # before the permit, even if a crash lost it the first time
        return self._issue(proposal, scope, decision, answered or "", approval=record)

    def _issue(
        self, proposal: Proposal, scope: Scope, decision: Decision, event: str, *, approval: ApprovalRecord | None
    ) -> Verdict:
        binding = _bind(proposal, scope, proposal.step.call.digest)
        approval_key = approval.binding.approval_key() if approval else None
        key = binding.effect_key()
        row = self._ledger.get(Table.EFFECTS, key)
        if row is not None:
            before = open_row(self._sealer, row, EffectRecord)
            if before.state is EffectState.STARTED and self._begins_again(binding, before, row.seal):
                self._record_permit(before.permit, proposal, scope, event, approval_key)
                return Permitted(before.permit)
            if before.state is not EffectState.RESERVED:
                return Denied("already_used", "This step of the plan was already carried out or given up.")
            if self._still_good(before.permit, binding):  # the gate is passed again, as after an approval or a crash
                self._record_permit(before.permit, proposal, scope, event, approval_key)
                return Permitted(before.permit)
        permit = mint(
            self._sealer, binding, now=self._clock.now(), lifetime_seconds=self._policy.limits.permit_ttl_seconds
        )
        effect = EffectRecord(
            permit=permit,
            state=EffectState.RESERVED,
            approval=approval_key,
            obligations=tuple(sorted(decision.obligations)),
        )
        changes = [Change(close_row(self._sealer, Table.EFFECTS, key, effect), replaces=row.seal if row else None)]
        if approval is not None:
            used = self._approvals.consuming(approval)
            if used is None:
                return Denied("approval_void", "The approval was already used, or changed while it was being used.")
            changes.append(used)
        if not self._ledger.apply(changes, durable=False):
            return Denied("conflict", "Another worker is carrying out this step of the plan.")
        self._record_permit(permit, proposal, scope, event, approval_key)
        return Permitted(permit)

    def _begins_again(self, binding: Binding, before: EffectRecord, version: str) -> bool:
        """Whether a step that a crash cut off may go on under its old permit; if not, its effect is accounted for."""
        if self._execution.is_running_here(before):
            return False
        return self._execution.may_begin_again(binding, before, version) and self._still_good(before.permit, binding)

    def _still_good(self, permit: Permit, binding: Binding) -> bool:
        return (
            permit.binding.claims() == binding.claims()
            and self._clock.now() < permit.expires_at
            and is_genuine(self._sealer, permit)
        )

    def _record(self, proposal: Proposal, request: DecisionRequest, decision: Decision, scope: Scope) -> str:
        step = proposal.step
        identity = (proposal.plan, step.call_id, step.call.digest, _grounds(request, decision))
        about = {"plan": proposal.plan, "call_id": step.call_id, "tool": step.call.tool, "call": step.call.digest}
        events: list[PreparedEvent] = []

        def follow(kind: type[Event], **facts: Any) -> str:
            parents = (events[-1][0],) if events else proposal.parents
            events.append(self._recorder.prepare(kind, scope, *identity, parents=parents, **facts))
            return events[-1][0]

        if decision.stage is not Stage.RULES or decision.capability is None:
            follow(CapabilityBlocked, reasons=decision.reasons, **about)
        else:
            follow(CapabilityAllowed, capability=decision.capability, **about)
            if decision.effect is Effect.ALLOW:
                follow(PolicyAllowed, rules=decision.rules, **about)
            elif decision.effect is Effect.DENY:
                follow(PolicyBlocked, rules=decision.rules, reasons=decision.reasons, **about)
        made = follow(
            DecisionMade,
            plan=proposal.plan,
            call=self._recorder.call(step.call_id, step.call),
            decision=decision,
            context=request.context,
            argument_labels=request.arguments,
            environment=request.environment,
        )
        self._recorder.write(events)
        return made

    def _record_permit(
        self, permit: Permit, proposal: Proposal, scope: Scope, event: str, approval_key: str | None
    ) -> None:
        step = proposal.step
        self._recorder.record(
            PermitIssued,
            scope,
            permit.id,
            parents=(event,),
            plan=proposal.plan,
            call_id=step.call_id,
            tool=step.call.tool,
            call=step.call.digest,
            permit=permit.id,
            tool_definition=step.tool_definition,
            expires_at=at(permit.expires_at),
            approval=approval_key,
        )


def _grounds(request: DecisionRequest, decision: Decision) -> str:
    """Name a decision by its answer and what it was made from, so that only the very same one is recorded once."""
    labels = sorted(f"{name}:{label.integrity}:{label.confidentiality}" for name, label in request.arguments.items())
    context = request.context
    sources = sorted(source.digest for source in context.sources)
    about = (context.integrity, context.confidentiality, *sources, *labels)
    return digest_texts("decision", decision.effect, decision.policy, *decision.rules, *about)


def _bind(proposal: Proposal, scope: Scope, call: str) -> Binding:
    step = proposal.step
    return Binding(
        call_id=step.call_id,
        call=call,
        tool=step.call.tool,
        tool_definition=step.tool_definition,
        plan=proposal.plan,
        scope=scope,
    )


def _brief(proposal: Proposal, decision: Decision) -> Briefing:
    return Briefing(
        risk=decision.risk,
        reasons=tuple(reason.message for reason in decision.reasons),
        provenance=tuple(
            {"argument": item.argument, "integrity": item.label.integrity.value, "method": item.method}
            for item in proposal.step.provenance
        ),
    )
