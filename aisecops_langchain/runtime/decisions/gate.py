"""The gate: policy decides on every step, and only its answer makes a permit.

Invariant: a permit is issued for exactly the call that was decided on, at most once per step of a plan, and leaves the
gate only when the decision and the permit are recorded; an approval-bound call gets one only by using its approval up
in the same transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from aisecops_langchain.canonical import JsonValue
from aisecops_langchain.domain.decision import Decision, DecisionRequest, Effect
from aisecops_langchain.domain.permit import ApprovalState, Binding, EffectState, Permit
from aisecops_langchain.domain.scope import Scope
from aisecops_langchain.domain.task import NO_TASK
from aisecops_langchain.domain.usage import Usage
from aisecops_langchain.errors import LedgerError
from aisecops_langchain.runtime.approvals.briefing import Briefings
from aisecops_langchain.runtime.approvals.service import Approvals
from aisecops_langchain.runtime.decisions.authority import Authority
from aisecops_langchain.runtime.decisions.budgets import Budgets, Demand, kept
from aisecops_langchain.runtime.decisions.case import Case, Proposal, is_named_by_user
from aisecops_langchain.runtime.decisions.events import describe, describe_permit
from aisecops_langchain.runtime.decisions.permits import is_genuine, mint
from aisecops_langchain.runtime.decisions.verdicts import Denied, NeedsApproval, Permitted, Verdict
from aisecops_langchain.runtime.effects.claims import Claims
from aisecops_langchain.runtime.effects.rows import Effects, KnownEffect
from aisecops_langchain.runtime.grants.events import used_event
from aisecops_langchain.runtime.grants.service import GrantUse, StandingGrants
from aisecops_langchain.runtime.ledger.records import ApprovalRecord, EffectRecord
from aisecops_langchain.runtime.policies.in_force import PolicyInForce
from aisecops_langchain.runtime.ports import Change, Charge, Clock, Table
from aisecops_langchain.runtime.recorder import PreparedEvent, Recorder
from aisecops_langchain.sealing import Sealer

_REFUSED: Final = {
    ApprovalState.EXPIRED: Denied("approval_expired", "Nobody approved this call in time."),
    ApprovalState.REJECTED: Denied("rejected", "A person rejected this call."),
    ApprovalState.RESPONDED: Denied("answered", "A person answered instead of approving this call."),
}

Basis = ApprovalRecord | GrantUse | None
"""What a permit rests on beside policy: a person's yes to this call, or a standing one."""

_CONFLICT: Final = Denied("conflict", "Another worker is carrying out this step of the plan.")
_ATTEMPTS: Final = 3
"""How often a call is decided on anew when somebody else draws on the same budget at the same moment."""


class Gate:
    """Decides on steps and issues permits.

    Args:
        policy: The bundle in force.
        effects: Where permits are reserved.
        approvals: Looks answers up.
        claims: Tells whether an effect that was begun may be begun again.
        recorder: Writes decisions before they count.
        sealer: Seals permits and rows.
        clock: Tells when permits expire.
        environment: Facts from configuration that rules may ask for.
        authority: Narrows each decision by stops and by the chain of delegators.
        budgets: Counts what calls use.
        grants: Finds what people let run without being asked again.
        briefings: Says what approvers are told.
    """

    def __init__(
        self,
        *,
        policy: PolicyInForce,
        effects: Effects,
        approvals: Approvals,
        claims: Claims,
        recorder: Recorder,
        sealer: Sealer,
        clock: Clock,
        environment: Mapping[str, JsonValue],
        authority: Authority,
        budgets: Budgets,
        grants: StandingGrants,
        briefings: Briefings,
    ) -> None:
        self._grants = grants
        self._briefings = briefings
        self._budgets = budgets
        self._authority = authority
        self._policy = policy
        self._effects = effects
        self._approvals = approvals
        self._claims = claims
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
            usage=self._usage(case),
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
        for _ in range(_ATTEMPTS):
            verdict = self._decide_once(case)
            if verdict is not _CONFLICT or not self._policy.bounds:
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
        """Permit a call that policy allows, unless a person said no to it or it was permitted before.

        The permit is reserved first, so that decision and permit go to the log in one write; until that is done
        nobody knows the permit, so it is worth nothing.
        """
        effect = self._reserved(case, decision)
        unanswered = (Table.APPROVALS, case.asked.approval_key())
        try:
            charges = self._charges(case, decision, approved=False)
            if charges:
                effect = replace(effect, charges=kept(charges))
            new = self._effects.write(
                case.key, effect, replaces=None, durable=False, unless=unanswered, charges=charges
            )
        except LedgerError:
            self._recorder.write(events)
            raise
        if new is not None:
            self._recorder.write([*events, describe_permit(self._recorder, case, effect, events[-1][0])])
            return Permitted(effect.permit)
        self._recorder.write(events)
        record = self._approvals.find(case.asked.approval_key())
        refused = None if record is None else _REFUSED.get(record.state)  # a no stands even if policy asks no more
        return refused or self._issue(case, decision, events[-1][0])

    def _by_approval(self, case: Case, decision: Decision, event: str) -> Verdict:
        record = self._approvals.look(case.asked.approval_key())
        if record is None:
            if self._approvals.was_rejected(case.asked):
                return Denied("rejected", "A person already rejected this call in this run.")
            return self._by_grant(case, decision, event) or self._needs_approval(case, decision, event)
        if record.state in _REFUSED:
            return _REFUSED[record.state]
        if record.binding.claims() != case.asked.claims():
            return Denied("approval_void", "The approval was asked for in another context.")
        if record.state is ApprovalState.PENDING:
            return NeedsApproval(case.asked, record.briefing, record.requires, event)
        return self._approved(case, decision, record)

    def _needs_approval(self, case: Case, decision: Decision, event: str) -> NeedsApproval:
        return NeedsApproval(case.asked, self._briefings.brief(case, decision), decision.approvals, event)

    def _by_grant(self, case: Case, decision: Decision, event: str) -> Verdict | None:
        """Permit a call that a standing grant covers; where others use it up at the same moment, see what is left."""
        for _ in range(_ATTEMPTS):
            known = self._effects.read(case.key)
            before = known.record if known else None
            if before is not None and before.grant and before.state is not EffectState.RESERVED:
                return self._issue(case, decision, event)  # it was begun: nobody is asked about it now
            use = self._grants.find(case.binding, case.proposal.step.call, decision, before)
            if use is None:
                return None
            verdict = self._issue(case, decision, event, use)
            if verdict is not _CONFLICT:
                return verdict
        return _CONFLICT

    def _approved(self, case: Case, decision: Decision, record: ApprovalRecord) -> Verdict:
        approved_call = record.edited_call or record.binding.call
        if case.proposal.step.call.digest != approved_call:
            return Denied("approval_mismatch", "The approval is for another call than this one.")
        if record.state is ApprovalState.GRANTED and self._clock.now() >= record.expires_at:
            return _REFUSED[ApprovalState.EXPIRED]
        if not self._approvals.suffices(record, decision.approvals):
            return Denied("approval_insufficient", "The approval is not what policy asks for now.")
        answered = self._approvals.record_answer(record)  # before the permit, even if a crash lost it the first time
        return self._issue(case, decision, answered or "", record)

    def _issue(self, case: Case, decision: Decision, event: str, basis: Basis = None) -> Verdict:
        """Permit a call once: under the permit that it has already, or under a new one."""
        approval = basis if isinstance(basis, ApprovalRecord) else None
        use = basis if isinstance(basis, GrantUse) else None
        grant = use.grant.id if use else None
        before = self._effects.read(case.key)
        if before is not None:
            if before.record.state is EffectState.STARTED and self._begins_again(case.binding, before):
                return self._permit(case, before.record, event, use if before.record.grant == grant else None)
            if before.record.state is not EffectState.RESERVED:
                return Denied("already_used", "This step of the plan was already carried out or given up.")
            if before.record.grant == grant and self._still_good(before.record.permit, case.binding):
                return self._permit(case, before.record, event, use)  # as after an approval or a crash
        effect = self._reserved(case, decision, basis)
        charges: tuple[Charge, ...] = ()
        if before is None:
            charges = self._charges(case, decision, approved=approval is not None)
        if use is not None and (before is None or before.record.grant != grant):
            charges += use.charges
        carried = before.record.charges if before else ()
        effect = replace(effect, charges=(*carried, *kept(charges)))
        used: list[Change] = []
        if approval is not None:
            change = self._approvals.consuming(approval)
            if change is None:
                return Denied("approval_void", "The approval was already used, or changed while it was being used.")
            used = [change]
        version = before.version if before else None
        new = self._effects.write(case.key, effect, replaces=version, durable=False, beside=used, charges=charges)
        if new is None:
            return _CONFLICT
        return self._permit(case, effect, event, use)

    def _permit(self, case: Case, effect: EffectRecord, event: str, use: GrantUse | None = None) -> Permitted:
        basis = [] if use is None else [used_event(self._recorder, use, effect.permit, event)]
        self._recorder.write([*basis, describe_permit(self._recorder, case, effect, basis[0][0] if basis else event)])
        return Permitted(effect.permit)

    def _reserved(self, case: Case, decision: Decision, basis: Basis = None) -> EffectRecord:
        grant = basis.grant if isinstance(basis, GrantUse) else None
        lifetime, until = self._policy.limits.permit_ttl_seconds, grant.expires_at if grant else None
        permit = mint(self._sealer, case.binding, now=self._clock.now(), lifetime_seconds=lifetime, until=until)
        obligations, step = tuple(sorted(decision.obligations)), case.proposal.step
        return EffectRecord(
            permit=permit,
            state=EffectState.RESERVED,
            approval=basis.binding.approval_key() if isinstance(basis, ApprovalRecord) else None,
            grant=grant.id if grant else None,
            obligations=obligations,
            named_by_user=is_named_by_user(step, self._policy.profile(step.call.tool)),
        )

    def _charges(self, case: Case, decision: Decision, *, approved: bool) -> tuple[Charge, ...]:
        bounds = self._policy.bounds
        if not bounds:
            return ()
        return self._budgets.charges(bounds, self._demand(case), decision, approved=approved)

    def _usage(self, case: Case) -> Usage | None:
        """Read what was used so far, without what this very step was charged with when it was first permitted."""
        bounds = self._policy.bounds
        if not bounds:
            return None
        known = self._effects.reserved_here(case.key) or self._effects.read(case.key)
        own = known.record.charges if known else ()
        return self._budgets.usage(bounds, self._demand(case), own)

    def _demand(self, case: Case) -> Demand:
        proposal, scope = case.proposal, case.scope
        call = proposal.step.call
        profile = self._policy.profile(call.tool, proposal.step.profile)
        ceilings = self._authority.ceilings(scope.principal)
        return Demand(tool=call.tool, arguments=call.arguments(), profile=profile, scope=scope, ceilings=ceilings)

    def _begins_again(self, binding: Binding, before: KnownEffect) -> bool:
        """Whether a step that a crash cut off may go on under its old permit; if not, its effect is accounted for."""
        if self._claims.is_running_here(before.record):
            return False
        return self._claims.may_begin_again(binding, before) and self._still_good(before.record.permit, binding)

    def _still_good(self, permit: Permit, binding: Binding) -> bool:
        return (
            permit.binding.claims() == binding.claims()
            and self._clock.now() < permit.expires_at
            and is_genuine(self._sealer, permit)
        )
