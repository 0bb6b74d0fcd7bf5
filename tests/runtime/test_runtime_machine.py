"""Any order of events, crashes and forgeries: what runs was permitted, recorded first, and runs once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule
from runtime_kit import ALICE, APPROVAL_SECONDS, MALLORY, PERMIT_SECONDS, World, edited

from aisecops_langchain.errors import LedgerError, PermitError
from aisecops_langchain.runtime.approvals import Approve, Edit, Reject
from aisecops_langchain.runtime.execution import Running
from aisecops_langchain.runtime.gate import Denied, NeedsApproval, Permitted, Proposal
from aisecops_langchain.runtime.ports import Table

RESULT = "sha256:" + "0" * 64
TAMPERED = ["call", "tool", "tool_definition", "plan", "call_id", "thread", "user", "agent", "tenant", "policy", "permit"]


@dataclass
class Begun:
    """What the model of the machine knows of an effect that was begun."""

    tool: str
    process: int
    times: int = 1


@dataclass
class Asked:
    """What the model knows of a question to a person."""

    expires_at: int
    granted: set[str] = field(default_factory=set)
    """Digests of the calls that a person allowed in time."""
    answered: bool = False


class Governance(RuleBasedStateMachine):
    """One ledger and one log, one governor after another, and a world that does what it likes."""

    proposals = Bundle("proposals")
    permitted = Bundle("permitted")
    questions = Bundle("questions")
    running = Bundle("running")

    def __init__(self):
        super().__init__()
        self.world = World()
        self.turn = 0
        self.process = 0
        self.asked: dict[str, Asked] = {}
        self.begun: dict[str, Begun] = {}
        self.started_events = 0

    # --- the model proposes, the gate decides ---

    @rule(
        target=proposals,
        tool=st.sampled_from(["look", "sync", "pay", "pay", "wipe"]),
        amount=st.sampled_from([1, 5, 5000]),
    )
    def propose(self, tool, amount):
        self.turn += 1
        return self.world.propose(tool, call_id=f"call-{self.turn}", turn=f"turn-{self.turn}", amount=amount)

    @rule(target=permitted, proposal=proposals)
    def decide(self, proposal):
        return self._decide(proposal, consider=proposal)

    @rule(target=permitted, proposal=proposals, amount=st.sampled_from([1, 7, 5000]))
    def decide_on_a_changed_call(self, proposal, amount):
        """State was edited, or a person edited the call; the gate must tell which."""
        changed = edited(proposal, amount=amount)
        return self._decide(changed, consider=changed)

    def _decide(self, proposal: Proposal, consider: Proposal):
        verdict = self.world.decide(proposal)
        tool = proposal.step.call.tool
        if isinstance(verdict, Permitted):
            assert tool != "wipe"
            assert verdict.permit.binding == self.world.binding(consider)
            if tool == "pay":
                assert consider.step.call.digest in self._question(consider).granted
            elif consider.planned_call != consider.step.call.digest:
                assert consider.step.call.digest in self._question(consider).granted
        elif isinstance(verdict, NeedsApproval):
            assert tool == "pay"
        else:
            assert isinstance(verdict, Denied)
        return (consider, verdict)

    def _question(self, proposal: Proposal) -> Asked:
        binding = self.world.binding(proposal).model_copy(update={"call": proposal.planned_call})
        return self.asked.get(binding.approval_key(), Asked(0))

    # --- people answer ---

    @rule(target=questions, decided=permitted)
    def ask(self, decided):
        proposal, verdict = decided
        if not isinstance(verdict, NeedsApproval):
            return (proposal, None)
        record = self.world.governor.approvals.request(verdict.binding, parents=(verdict.event,))
        self.asked.setdefault(verdict.binding.approval_key(), Asked(record.expires_at))
        return (proposal, verdict.binding)

    @rule(question=questions, who=st.sampled_from([ALICE, MALLORY]))
    def approve(self, question, who):
        self._answer(question, Approve(), who)

    @rule(question=questions)
    def reject(self, question):
        self._answer(question, Reject("no"), ALICE)

    @rule(question=questions, amount=st.sampled_from([1, 7, 5000]), tool=st.sampled_from(["pay", "pay", "look"]))
    def edit(self, question, amount, tool):
        proposal, binding = question
        call = edited(proposal, amount=amount).step.call if tool == "pay" else self.world.propose(tool).step.call
        self._answer((proposal, binding), Edit(call), ALICE)

    @rule(question=questions, field=st.sampled_from(["user", "agent", "policy", "checkpoint_ns"]))
    def approve_from_elsewhere(self, question, field):
        proposal, binding = question
        if binding is not None:
            self._answer((proposal, tampered(binding, field)), Approve(), MALLORY, honest=False)

    def _answer(self, question, answer, who, *, honest=True):
        _, binding = question
        if binding is None:
            return
        known = self.asked[binding.approval_key()]
        self.world.governor.approvals.answer(binding, answer, who)
        in_time = self.world.clock.now() < known.expires_at
        if known.answered:
            return
        known.answered = True
        if not (honest and in_time):
            return
        if isinstance(answer, Approve):
            known.granted.add(binding.call)
        elif isinstance(answer, Edit) and answer.call.tool == binding.tool:
            known.granted.add(answer.call.digest)

    # --- effects ---

    @rule(target=running, decided=permitted)
    def begin(self, decided):
        proposal, verdict = decided
        if not isinstance(verdict, Permitted):
            return None
        binding = self.world.binding(proposal)
        try:
            running = self.world.governor.execution.begin(verdict.permit.id, binding)
        except PermitError:
            return None
        self._require_lawful(proposal, verdict, running)
        return (self.process, running, proposal)

    @rule(decided=permitted, field=st.sampled_from(TAMPERED))
    def begin_with_something_else(self, decided, field):
        proposal, verdict = decided
        permit = verdict.permit.id if isinstance(verdict, Permitted) else "0" * 32
        binding = self.world.binding(proposal)
        if field == "permit":
            permit = "1" * 32
        else:
            binding = tampered(binding, field)
        try:
            self.world.governor.execution.begin(permit, binding)
        except PermitError:
            return
        raise AssertionError(f"begun with another {field}")

    @rule(proposal=proposals)
    def begin_without_a_permit(self, proposal):
        try:
            self.world.governor.execution.begin("", self.world.binding(proposal))
        except PermitError:
            return
        raise AssertionError("begun without a permit")

    def _require_lawful(self, proposal: Proposal, verdict: Permitted, running: Running):
        now, tool, call = self.world.clock.now(), proposal.step.call.tool, proposal.step.call.digest
        assert running.permit == verdict.permit
        assert now < running.permit.expires_at
        assert tool != "wipe"
        assert tool != "pay" or call in self._question(proposal).granted
        self._require_recorded(running, proposal)
        key = running.binding.effect_key()
        before = self.begun.get(key)
        if before is None:
            self.begun[key] = Begun(tool, self.process)
            return
        assert before.tool == "sync", "a tool that is not idempotent was begun twice"
        assert before.process < self.process, "begun twice without a crash between"
        self.begun[key] = replace(before, process=self.process, times=before.times + 1)

    def _require_recorded(self, running: Running, proposal: Proposal):
        events = self.world.sink.events
        started = [i for i, event in enumerate(events) if event.kind == "execution_started"]
        self.started_events += 1
        assert len(started) == self.started_events
        last = events[started[-1]]
        assert (last.permit, last.call) == (running.permit.id, running.binding.call)
        before = events[: started[-1]]
        call = proposal.step.call.digest
        issued = [e for e in before if e.kind == "permit_issued" and e.permit == running.permit.id and e.call == call]
        assert len(issued) == 1
        effects = {e.decision.effect.value for e in before if e.kind == "decision_made" and e.call.digest == call}
        assert effects & {"allow", "require_approval"}
        if proposal.step.call.tool == "pay":
            granted = [e for e in before if e.kind == "approval_granted" and call in (e.call, e.edited)]
            assert granted

    @rule(run=consumes(running), how=st.sampled_from(["complete", "fail", "lose"]))
    def end(self, run, how):
        if run is None:
            return
        process, effect, proposal = run
        execution = self.world.governor.execution
        try:
            if how == "complete":
                execution.complete(effect, result=RESULT, label=proposal.context)
            elif how == "fail":
                execution.fail(effect, error="ValueError")
            else:
                execution.lose(effect, reason="cancelled")
        except LedgerError:
            # Only somebody who was taken for dead may find that the effect is not his any more.
            assert process < self.process

    # --- the world goes on ---

    @rule()
    def crash(self):
        self.process += 1
        self.world.ledger.owner = f"process-{self.process}"
        self.world.governor = self.world.new_governor()

    @rule(seconds=st.sampled_from([1, PERMIT_SECONDS // 2, PERMIT_SECONDS, APPROVAL_SECONDS]))
    def time_passes(self, seconds):
        self.world.clock.advance(seconds)

    @invariant()
    def the_log_agrees_with_what_was_begun(self):
        kinds = self.world.kinds()
        assert kinds.count("execution_started") == self.started_events == sum(b.times for b in self.begun.values())
        done = [e.permit for e in self.world.sink.events if e.kind in ("execution_completed", "execution_failed")]
        assert len(done) == len(set(done)), "an effect ended twice"

    @invariant()
    def nothing_denied_lies_in_the_ledger(self):
        for table in Table:
            for row in self.world.ledger.scan(table):
                assert b'"wipe"' not in row.body


def tampered(binding, field):
    """The binding with one claim changed."""
    scope, principal = binding.scope, binding.scope.principal
    if field in ("user", "agent", "tenant"):
        scope = scope.model_copy(update={"principal": principal.model_copy(update={field: "mallory"})})
        return binding.model_copy(update={"scope": scope})
    if field in ("thread", "policy", "checkpoint_ns"):
        return binding.model_copy(update={"scope": scope.model_copy(update={field: "other"})})
    return binding.model_copy(update={field: "other"})


TestGovernance = Governance.TestCase
TestGovernance.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
