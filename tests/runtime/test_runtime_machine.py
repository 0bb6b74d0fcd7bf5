"""Any order of events, crashes and forgeries: what runs was permitted, recorded first, and runs once."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule
from runtime_kit import ALICE, APPROVAL_SECONDS, MALLORY, PERMIT_SECONDS, POLICY, World, edited

from aisecops_langchain.errors import LedgerError, PermitError
from aisecops_langchain.policy import parse_policy
from aisecops_langchain.runtime.approvals.service import Approve, Edit, Reject
from aisecops_langchain.runtime.decisions.case import Proposal
from aisecops_langchain.runtime.decisions.verdicts import Denied, NeedsApproval, Permitted
from aisecops_langchain.runtime.effects.running import Running
from aisecops_langchain.runtime.ports import Table

WITHOUT_PAYING = parse_policy("""
version: 1
id: without-paying
agents: {clerk: {capabilities: [reading, syncing, paying]}}
capabilities:
  reading: {tools: [look], risk: low}
  syncing: {tools: [sync], risk: low, idempotent: true}
  paying: {tools: [pay], risk: high}
rules:
  - {id: look, effect: allow, tools: [look, sync]}
  - {id: pay, effect: deny, tools: [pay]}
""")
RESULT = "sha256:" + "0" * 64
CLAIMS = ["call", "tool", "tool_definition", "plan", "call_id", "thread", "user", "agent", "tenant", "policy"]
MOST_STEPS = 4
"""Few steps, so that much happens to each of them."""


@dataclass(eq=False)
class Step:
    """One call of one plan, and all that the model of this machine knows of it."""

    proposal: Proposal
    now: Proposal
    """As it stands in the message; may have been edited since it was planned."""
    asked: object = None
    """The binding that a person was asked about."""
    expires_at: int = 0
    """When the question expires."""
    answered: bool = False
    granted: set[str] = field(default_factory=set)
    """Digests of the calls that a person allowed in time and in place."""
    permit: object = None
    consumed: bool = False
    """Whether an approval gave a permit already."""
    running: Running | None = None
    begun: list[int] = field(default_factory=list)
    """In which process it was begun, each time."""

    @property
    def tool(self) -> str:
        return self.proposal.step.call.tool


class Governance(RuleBasedStateMachine):
    """One ledger and one log, one governor after another, and a world that does what it likes."""

    steps = Bundle("steps")

    def __init__(self):
        super().__init__()
        self.world = World()
        self.all: list[Step] = []
        self.process = 0
        self.stopped: set[tuple[str, str]] = set()

    # --- the model proposes, the gate decides ---

    @initialize(target=steps)
    def begin_with_an_approval(self):
        return self._propose("pay")

    @precondition(lambda self: len(self.all) < MOST_STEPS)
    @rule(target=steps, tool=st.sampled_from(["look", "sync", "pay", "wipe"]))
    def propose(self, tool):
        return self._propose(tool)

    def _propose(self, tool):
        number = len(self.all)
        proposal = self.world.propose(tool, call_id=f"call-{number}", turn=f"turn-{number}", amount=5 + number)
        step = Step(proposal, proposal)
        self.all.append(step)
        return step

    @rule(step=steps, count=st.integers(1, 2), answer=st.sampled_from(["yes", "yes", "edit", "no"]))
    def go_on(self, step, count, answer):
        """What an undisturbed graph would do next with this step, so that much gets as far as running."""
        for _ in range(count):
            if step.running is not None:
                self._end(step, "complete")
            elif step.permit is not None:
                self._begin(step)
            elif step.asked is not None and not step.answered:
                self._say(step, answer, 7)
            else:
                self._decide(step)

    @rule(step=steps)
    def decide_again(self, step):
        self._decide(step)

    @rule(step=steps, amount=st.sampled_from([5, 7, 5000]))
    def decide_on_a_forged_message(self, step, amount):
        """State is no trust boundary: for one pass of the gate, the call in the message is another."""
        kept, step.now = step.now, edited(step.proposal, amount=amount)
        self._decide(step)
        step.now = kept

    def _decide(self, step):
        call = step.now.step.call.digest
        changed = call != step.proposal.step.call.digest
        verdict = self.world.decide(step.now)
        if isinstance(verdict, Permitted):
            assert not self.stopped
            self._require_allowed(step)
            assert verdict.permit.binding == self.world.binding(step.now)
            assert self.world.clock.now() < verdict.permit.expires_at
            assert not (step.tool == "pay" or changed) or call in step.granted
            fresh = step.permit is None or verdict.permit.id != step.permit.id
            assert not (fresh and step.tool == "pay" and step.consumed), "an approval gave two permits"
            step.permit, step.consumed = verdict.permit, True
        elif isinstance(verdict, NeedsApproval):
            assert (step.tool, step.answered, changed) == ("pay", False, False)
            record = self.world.governor.approvals.request(verdict.binding, parents=(verdict.event,))
            step.asked, step.expires_at = verdict.binding, record.expires_at
        else:
            assert isinstance(verdict, Denied)

    # --- people answer ---

    @rule(
        step=steps,
        answer=st.sampled_from(["yes", "no", "edit", "other tool", "elsewhere"]),
        amount=st.sampled_from([7, 5000]),
        claim=st.sampled_from(["user", "agent", "policy", "checkpoint_ns"]),
    )
    def answer(self, step, answer, amount, claim):
        self._say(step, answer, amount, claim)

    def _say(self, step, answer, amount, claim="user"):
        if step.asked is None:
            return
        if answer == "yes":
            self._answer(step, Approve(), ALICE)
        elif answer == "no":
            self._answer(step, Reject("no"), ALICE)
        elif answer == "edit":
            call = edited(step.proposal, amount=amount)
            self._answer(step, Edit(call.step.call), ALICE)
            if call.step.call.digest in step.granted:  # as the approval node puts it into the message
                step.now = call
        elif answer == "other tool":
            self._answer(step, Edit(self.world.propose("look").step.call), MALLORY)
        else:
            self._answer(step, Approve(), MALLORY, binding=tampered(step.asked, claim))

    def _answer(self, step, answer, who, binding=None):
        self.world.governor.approvals.answer(binding or step.asked, answer, who)
        in_time = self.world.clock.now() < step.expires_at
        stays = binding is not None and binding.same_but_person(step.asked)  # a stranger cannot settle a question
        if step.answered or (stays and in_time):
            return
        step.answered = True
        if not in_time or binding is not None:
            return
        if isinstance(answer, Approve):
            step.granted.add(step.asked.call)
        elif isinstance(answer, Edit) and answer.call.tool == step.tool:
            step.granted.add(answer.call.digest)

    # --- effects ---

    @rule(step=steps)
    def begin_again(self, step):
        self._begin(step)

    def _begin(self, step):
        permit = step.permit.id if step.permit else ""
        try:
            running = self.world.governor.execution.begin(permit, self.world.binding(step.now))
        except PermitError:
            return
        self._require_lawful(step, running)
        step.running = running
        step.begun.append(self.process)

    @rule(step=steps, claim=st.sampled_from([*CLAIMS, "permit"]))
    def begin_something_else(self, step, claim):
        """Whatever the state of the step, another call, place or permit never begins."""
        binding = step.permit.binding if step.permit else self.world.binding(step.proposal)
        permit = step.permit.id if step.permit else "0" * 32
        if claim == "permit":
            permit = "1" * 32
        else:
            binding = tampered(binding, claim)
        try:
            self.world.governor.execution.begin(permit, binding)
        except PermitError:
            return
        raise AssertionError(f"begun with another {claim}")

    def _require_lawful(self, step, running):
        call = step.now.step.call.digest
        assert step.permit is not None
        assert running.permit == step.permit
        assert running.permit.binding == self.world.binding(step.now)
        assert self.world.clock.now() < running.permit.expires_at
        assert not self.stopped, "begun in spite of a stop"
        self._require_allowed(step)
        assert step.tool != "pay" or call in step.granted
        if step.begun:
            assert step.tool == "sync", "a tool that is not idempotent was begun twice"
            assert step.begun[-1] < self.process, "begun twice without a crash between"
        self._require_recorded(step, running, call)

    def _require_allowed(self, step):
        assert step.tool != "wipe"
        assert step.tool != "pay" or self.world.policy is POLICY

    def _require_recorded(self, step, running, call):
        *before, intent = self.world.sink.events
        assert (intent.kind, intent.permit, intent.call) == ("execution_started", running.permit.id, call)
        issued = [e for e in before if e.kind == "permit_issued" and e.permit == running.permit.id]
        assert [event.call for event in issued] == [call]
        decided = [e.decision.effect.value for e in before if e.kind == "decision_made" and e.call.digest == call]
        assert set(decided) & {"allow", "require_approval"}
        if step.tool == "pay":
            assert [e for e in before if e.kind == "approval_granted" and call in (e.call, e.edited)]

    @rule(step=steps, how=st.sampled_from(["complete", "fail", "lose"]))
    def end(self, step, how):
        self._end(step, how)

    def _end(self, step, how):
        running, step.running = step.running, None
        if running is None:
            return
        execution = self.world.governor.execution
        try:
            if how == "complete":
                execution.complete(running, result=RESULT, label=step.now.context)
            elif how == "fail":
                execution.fail(running, error="ValueError")
            else:
                execution.lose(running, reason="cancelled")
        except LedgerError:
            # Only who was taken for dead may find that the effect is not his any more.
            assert step.begun[-1] < self.process

    # --- operators ---

    @rule(what=st.sampled_from([("run", "thread-1"), ("agent", "clerk"), ("agent", "other")]), lift=st.booleans())
    def stop(self, what, lift):
        stops = self.world.governor.stops
        stops.lift(*what) if lift else stops.order(*what)
        self.stopped = {order.key for order in stops.orders()} - {("agent", "other")}

    @precondition(lambda self: self.stopped)
    @rule()
    def lift_all(self):
        for what in list(self.stopped):
            self.stop(what, lift=True)

    @rule(policy=st.sampled_from([POLICY, POLICY, WITHOUT_PAYING]))
    def reload(self, policy):
        """Another policy comes into force, and whatever is proposed or begun from now on is under that one."""
        self.world.governor.reload(policy)
        self.world.policy = policy
        self.world.scope = self.world.scope.model_copy(update={"policy": policy.digest})

    # --- the world goes on ---

    @rule(what=st.sampled_from(["crash", "crash", 1, PERMIT_SECONDS, APPROVAL_SECONDS]))
    def the_world_goes_on(self, what):
        """Time passes, or the process dies; what it had begun may still come to an end on its own."""
        if what != "crash":
            self.world.clock.advance(what)
            return
        self.process += 1
        self.world.ledger.owner = f"process-{self.process}"
        self.world.governor = self.world.new_governor()

    @invariant()
    def the_log_agrees_with_what_was_begun(self):
        events = self.world.sink.events
        started = [event.call_id for event in events if event.kind == "execution_started"]
        assert sorted(started) == sorted(step.proposal.step.call_id for step in self.all for _ in step.begun)

    @invariant()
    def nothing_denied_lies_in_the_ledger(self):
        for table in Table:
            assert not [row for row in self.world.ledger.scan(table) if b'"wipe"' in row.body]


def tampered(binding, claim):
    """The binding with one claim changed."""
    scope, principal = binding.scope, binding.scope.principal
    if claim in ("user", "agent", "tenant"):
        scope = scope.model_copy(update={"principal": principal.model_copy(update={claim: "mallory"})})
        return binding.model_copy(update={"scope": scope})
    if claim in ("thread", "policy", "checkpoint_ns"):
        return binding.model_copy(update={"scope": scope.model_copy(update={claim: "other"})})
    return binding.model_copy(update={claim: "other"})


TestGovernance = Governance.TestCase
TestGovernance.settings = settings(
    max_examples=5000 if os.environ.get("CHAOS") == "long" else 250,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
