"""Issues permits: reserved in the ledger, then recorded, then handed out.

Invariant: a step has at most one permit that can be used, whoever asks for it, and an approval or grant that it rests
on is used up in the same transaction.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from aisecops_langchain.domain.decision import Decision
from aisecops_langchain.domain.permit import Binding, EffectState, Permit
from aisecops_langchain.errors import LedgerError
from aisecops_langchain.runtime.approvals.service import Approvals
from aisecops_langchain.runtime.decisions.budgets import kept
from aisecops_langchain.runtime.decisions.case import Case, is_named_by_user
from aisecops_langchain.runtime.decisions.events import describe_permit
from aisecops_langchain.runtime.decisions.permits import is_genuine, mint
from aisecops_langchain.runtime.decisions.spending import Spending
from aisecops_langchain.runtime.decisions.verdicts import USED_UP, Denied, Permitted, used_up
from aisecops_langchain.runtime.effects.claims import Claims
from aisecops_langchain.runtime.effects.rows import Effects, KnownEffect
from aisecops_langchain.runtime.grants.events import used_event
from aisecops_langchain.runtime.grants.service import GrantUse
from aisecops_langchain.runtime.ledger.records import ApprovalRecord, EffectRecord
from aisecops_langchain.runtime.policies.in_force import PolicyInForce
from aisecops_langchain.runtime.ports import Change, Charge, Clock, Table
from aisecops_langchain.runtime.recorder import PreparedEvent, Recorder
from aisecops_langchain.sealing import Sealer

Basis = ApprovalRecord | GrantUse | None
"""What a permit rests on beside policy: a person's yes to this call, or a standing one."""

CONFLICT: Final = Denied("conflict", "Another worker is carrying out this step of the plan.")
ATTEMPTS: Final = 3
"""How often a call is looked at anew when somebody else draws on the same budget, or permits it, at the same moment."""


class Issuing:
    """Issues permits.

    Args:
        policy: The bundle in force.
        effects: Where permits are reserved.
        approvals: Lets an approval be used up.
        claims: Tells whether an effect that was begun may be begun again.
        spending: Tells what a permit is charged with.
        recorder: Writes permits before they are handed out.
        sealer: Seals permits.
        clock: Tells when permits expire.
    """

    def __init__(
        self,
        *,
        policy: PolicyInForce,
        effects: Effects,
        approvals: Approvals,
        claims: Claims,
        spending: Spending,
        recorder: Recorder,
        sealer: Sealer,
        clock: Clock,
    ) -> None:
        self._policy = policy
        self._effects = effects
        self._approvals = approvals
        self._claims = claims
        self._spending = spending
        self._recorder = recorder
        self._sealer = sealer
        self._clock = clock

    def reserve(self, case: Case, decision: Decision, events: list[PreparedEvent]) -> Permitted | None:
        """Permit a call that policy allows, if nothing was permitted or asked about it before, and record both.

        The permit is reserved first, so that decision and permit go to the log in one write; until that is done
        nobody knows the permit, so it is worth nothing.

        Args:
            case: The step.
            decision: What policy answered.
            events: The decision's events, which are written whatever comes of it.

        Returns:
            The permit, or ``None`` if there is a row of it already or the call would overdraw a budget.

        Raises:
            AuditWriteError: If it could not be recorded.
            LedgerError: If the ledger could not be used.
        """
        effect = self._reserved(case, decision)
        unanswered = (Table.APPROVALS, case.asked.approval_key())
        try:
            charges = self._spending.charges(case, decision, approved=False)
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
        return None

    def issue(self, case: Case, decision: Decision, event: str, basis: Basis = None) -> Permitted | Denied:
        """Permit a call once: under the permit that it has already, whoever it was issued to, or under a new one.

        A permit is good for one use, so two workers may hold the same one: the effect's row lets one of them begin.

        Args:
            case: The step.
            decision: What policy answered.
            event: Id of the event that the permit follows from.
            basis: What it rests on beside policy.

        Returns:
            The permit, recorded, or why there is none.

        Raises:
            AuditWriteError: If it could not be recorded.
            LedgerError: If the ledger could not be used.
        """
        before = self._effects.read(case.key)
        for _ in range(ATTEMPTS):
            known = self._under_known(case, event, basis, before) if before else None
            verdict = known or self._issue_new(case, decision, event, basis, before)
            if not isinstance(verdict, Denied) or verdict.code in USED_UP:
                break
            was, before = before, self._effects.read(case.key)
            if was == before:
                break  # else another worker permitted it, or began it, meanwhile
        return verdict

    def _under_known(self, case: Case, event: str, basis: Basis, before: KnownEffect) -> Permitted | Denied | None:
        """Permit a call under the permit that it has; ``None`` if that is no good and was never used."""
        use = basis if isinstance(basis, GrantUse) else None
        grant = use.grant.id if use else None
        record = before.record
        if record.state is EffectState.STARTED and self._begins_again(case.binding, before):
            return self._permit(case, record, event, use if record.grant == grant else None)
        if record.state is not EffectState.RESERVED:
            return self._used_up(case, record)
        if record.grant == grant and self._still_good(record.permit, case.binding):
            return self._permit(case, record, event, use)  # as after an approval, a crash, or in a race
        return None

    def _used_up(self, case: Case, record: EffectRecord) -> Denied:
        """Say what became of a step that was begun."""
        if record.state is EffectState.STARTED:  # it may have been accounted for since it was read
            known = self._effects.read(case.key)
            record = known.record if known else record
        return used_up(record.state)

    def _issue_new(
        self, case: Case, decision: Decision, event: str, basis: Basis, before: KnownEffect | None
    ) -> Permitted | Denied:
        """Permit a call under a new permit, in place of one that is no good any more if there is one."""
        approval = basis if isinstance(basis, ApprovalRecord) else None
        use = basis if isinstance(basis, GrantUse) else None
        effect = self._reserved(case, decision, basis)
        charges: tuple[Charge, ...] = ()
        if before is None:
            charges = self._spending.charges(case, decision, approved=approval is not None)
        if use is not None and (before is None or before.record.grant != use.grant.id):
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
            return CONFLICT
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
