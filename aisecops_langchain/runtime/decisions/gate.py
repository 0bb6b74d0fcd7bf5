"""The gate: policy decides on every step, and only its answer makes a permit.

Invariant: a permit is issued for exactly the call that was decided on, at most once per step of a plan, and leaves the
gate only when the decision and the permit are recorded; an approval-bound call gets one only by using its approval up
in the same transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aisecops_langchain.canonical import JsonValue
from aisecops_langchain.domain.decision import Decision, DecisionRequest, Effect
from aisecops_langchain.domain.permit import ApprovalState, EffectState
from aisecops_langchain.domain.scope import Scope
from aisecops_langchain.domain.task import NO_TASK
from aisecops_langchain.runtime.approvals.briefing import Briefings
from aisecops_langchain.runtime.approvals.service import Approvals
from aisecops_langchain.runtime.decisions.authority import Authority
from aisecops_langchain.runtime.decisions.case import Case, Proposal
from aisecops_langchain.runtime.decisions.events import describe
from aisecops_langchain.runtime.decisions.issuing import ATTEMPTS, CONFLICT, Issuing
from aisecops_langchain.runtime.decisions.spending import Spending
from aisecops_langchain.runtime.decisions.verdicts import Denied, NeedsApproval, Verdict, void
from aisecops_langchain.runtime.effects.rows import Effects
from aisecops_langchain.runtime.grants.service import StandingGrants
from aisecops_langchain.runtime.ledger.records import ApprovalRecord
from aisecops_langchain.runtime.policies.in_force import PolicyInForce
from aisecops_langchain.runtime.ports import Clock
from aisecops_langchain.runtime.recorder import PreparedEvent, Recorder

_REFUSED: Final = {
    ApprovalState.EXPIRED: Denied("approval_expired", "Nobody approved this call in time."),
    ApprovalState.REJECTED: Denied("rejected", "A person rejected this call."),
    ApprovalState.RESPONDED: Denied("answered", "A person answered instead of approving this call."),
}


class Gate:
    """Decides on steps and issues permits.

    Args:
        policy: The bundle in force.
        effects: Tells what was permitted before.
        approvals: Looks answers up.
        recorder: Writes decisions before they count.
        clock: Tells when approvals expire.
        environment: Facts from configuration that rules may ask for.
        authority: Narrows each decision by stops and by the chain of delegators.
        spending: Tells what calls used.
        issuing: Issues permits.
        grants: Finds what people let run without being asked again.
        briefings: Says what approvers are told.
    """

    def __init__(
        self,
        *,
        policy: PolicyInForce,
        effects: Effects,
        approvals: Approvals,
        recorder: Recorder,
        clock: Clock,
        environment: Mapping[str, JsonValue],
        authority: Authority,
        spending: Spending,
        issuing: Issuing,
        grants: StandingGrants,
        briefings: Briefings,
    ) -> None:
        self._grants = grants
        self._briefings = briefings
        self._spending = spending
        self._issuing = issuing
        self._authority = authority
        self._policy = policy
        self._effects = effects
        self._approvals = approvals
        self._recorder = recorder
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
        return self._request(Case(proposal, scope))

    def _request(self, case: Case) -> DecisionRequest:
        proposal, step = case.proposal, case.proposal.step
        profile = self._policy.profile(step.call.tool, step.profile)
        task = proposal.task.standing(step.call.tool, profile.effects) if proposal.task else NO_TASK
        return DecisionRequest(
            principal=case.scope.principal,
            call=step.call,
            context=proposal.context,
            arguments=step.argument_labels(),
            methods=step.argument_methods(),
            profile=step.profile,
            task=task,
            environment=self._environment,
            usage=self._spending.usage(case),
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
        case = Case(proposal, scope)
        if proposal.step.call.digest != proposal.planned_call and not self._edited_by_person(case):
            return Denied("changed_after_planning", "The call was changed after it was planned.")
        for _ in range(ATTEMPTS):
            verdict = self._decide_once(case)
            if verdict is not CONFLICT or not self._policy.bounds:
                break  # else another worker may have drawn on the same budget: what is left now is decided on anew
        return verdict

    def _decide_once(self, case: Case) -> Verdict:
        scope, request = case.scope, self._request(case)
        decision = self._authority.narrow(request, self._policy.decide(request), case.binding)
        events = describe(self._recorder, case, request, decision)
        if decision.policy != scope.policy:  # a permit would bind a policy that did not give it
            self._recorder.write(events)
            return Denied("policy_changed", "The policy changed while the call was being decided on.")
        if decision.effect is Effect.ALLOW:
            return self._allow(case, decision, events)
        self._recorder.write(events)
        if decision.effect is Effect.REQUIRE_APPROVAL:
            return self._by_approval(case, decision, events[-1][0])
        return Denied("policy", "Policy does not allow this call.")

    def _edited_by_person(self, case: Case) -> bool:
        record = self._approvals.find(case.asked.approval_key())
        return (
            record is not None
            and record.state in (ApprovalState.GRANTED, ApprovalState.CONSUMED)
            and record.edited_call == case.proposal.step.call.digest
            and record.binding.claims() == case.asked.claims()
        )

    def _allow(self, case: Case, decision: Decision, events: list[PreparedEvent]) -> Verdict:
        """Permit a call that policy allows, unless a person said no to it."""
        permitted = self._issuing.reserve(case, decision, events)
        if permitted is not None:
            return permitted
        record = self._approvals.find(case.asked.approval_key())
        refused = None if record is None else _refused(record)  # a no stands even if policy asks no more
        return refused or self._issuing.issue(case, decision, events[-1][0])

    def _by_approval(self, case: Case, decision: Decision, event: str) -> Verdict:
        record = self._approvals.look(case.asked.approval_key())
        if record is None:
            if self._approvals.was_rejected(case.asked):
                return Denied("rejected", "A person already rejected this call in this run.")
            return self._by_grant(case, decision, event) or self._needs_approval(case, decision, event)
        refused = _refused(record)
        if refused is not None:
            return refused
        void_by = case.asked.void_by(record.binding)
        if void_by is not None:
            return void(void_by)
        if record.state is ApprovalState.PENDING:
            return NeedsApproval(case.asked, record.briefing, record.requires, event)
        return self._approved(case, decision, record)

    def _needs_approval(self, case: Case, decision: Decision, event: str) -> NeedsApproval:
        return NeedsApproval(case.asked, self._briefings.brief(case, decision), decision.approvals, event)

    def _by_grant(self, case: Case, decision: Decision, event: str) -> Verdict | None:
        """Permit a call that a standing grant covers; where others use it up at the same moment, see what is left."""
        for _ in range(ATTEMPTS):
            known = self._effects.read(case.key)
            before = known.record if known else None
            if before is not None and before.grant and before.state is not EffectState.RESERVED:
                return self._issuing.issue(case, decision, event)  # it was begun: nobody is asked about it now
            use = self._grants.find(case.binding, case.proposal.step.call, decision, before)
            if use is None:
                return None
            verdict = self._issuing.issue(case, decision, event, use)
            if verdict is not CONFLICT:
                return verdict
        return CONFLICT

    def _approved(self, case: Case, decision: Decision, record: ApprovalRecord) -> Verdict:
        approved_call = record.edited_call or record.binding.call
        if case.proposal.step.call.digest != approved_call:
            return Denied("approval_mismatch", "The approval is for another call than this one.")
        if record.state is ApprovalState.GRANTED and self._clock.now() >= record.expires_at:
            return _REFUSED[ApprovalState.EXPIRED]
        if not self._approvals.suffices(record, decision.approvals):
            return Denied("approval_insufficient", "The approval is not what policy asks for now.")
        answered = self._approvals.record_answer(record)  # before the permit, even if a crash lost it the first time
        return self._issuing.issue(case, decision, answered or "", record)


def _refused(record: ApprovalRecord) -> Denied | None:
    """Say why a request that took its last answer permits nothing, or ``None`` if it may."""
    return _REFUSED.get(record.state) if record.void_by is None else void(record.void_by)
