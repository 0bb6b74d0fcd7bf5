"""A real governed graph on disk, and a world that does what it likes with it, in any order.

The model proposes anything; people answer anything, in time or late; an attacker edits state, replays answers, returns
to old checkpoints and sends his own orders; operators stop and revoke; the clock moves; the process dies anywhere. What
the tools did is then compared with the ledger, the log, and what this machine knows to have been proposed and allowed.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from langgraph.types import Command, Send
from machine_kit import (
    ANSWERS,
    ATTACKS,
    EVIL,
    LAWFUL_EDIT,
    MEANWHILE,
    THREADS,
    forgeries,
    lawful,
    orders_in,
    proposals,
    require_sound_log,
    says_yes,
    threads,
)
from mortal_kit import APPROVAL_SECONDS, ASKING, CLERK, PERMIT_SECONDS, STRICT, Act, Place, mortal, turn_of

from aisecops_langchain.domain.permit import ApprovalState
from aisecops_langchain.domain.plan import CanonicalCall
from aisecops_langchain.errors import AisecopsError
from aisecops_langchain.runtime.decisions.permits import is_genuine
from aisecops_langchain.testing import call

POLICIES = {"asking": ASKING, "strict": STRICT}


class GovernedGraph(RuleBasedStateMachine):
    """Two threads of one home: a clerk's, and a helper's who acts under the clerk's warrant."""

    def __init__(self):
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="machine-"))
        self.turns: dict[str, list[Any]] = {}
        self.proposed: dict[str, set[str]] = {thread: set() for thread in THREADS}
        """Digests of what the model really proposed on a thread."""
        self.allowed: dict[str, set[str]] = {}
        """Digests of what a person allowed in time, by approval."""
        self.refused: set[str] = set()
        """Approvals that were surely answered with a no first."""
        self.old: list[tuple[str, str]] = []
        """Interrupts that were once shown: thread and id."""
        self.place = Place(self.root, self.speak)
        self.warrant = ""
        self.checked = 0

    @initialize()
    def delegate(self):
        self.new_warrant()

    def teardown(self):
        self.place.close()
        require_sound_log(self.root / "audit")
        shutil.rmtree(self.root)

    # --- the model ---

    def speak(self, messages):
        """Say what this turn of the script is, in whatever process and however often it is asked."""
        turn, said = turn_of(messages)
        return self.turns[turn] if said == 0 and turn in self.turns else "done"

    # --- driving the graph ---

    def config(self, thread, **more):
        return {"configurable": {"thread_id": thread, "aisecops_warrant": self.warrant, **more}, "recursion_limit": 60}

    def graph(self, thread):
        return self.place.graphs[THREADS[thread]]

    def drive(self, thread, given, config=None, **kw):
        """Drive the graph; what a person or an attacker gets to see of errors does not matter, what ran does."""
        with mortal(self.place), suppress(Exception):
            self.graph(thread).invoke(given, config or self.config(thread), **kw)
        with suppress(AisecopsError):
            self.old += [(thread, item.id) for item in self.state(thread).interrupts]

    def state(self, thread):
        return self.graph(thread).get_state(self.config(thread))

    def pause(self, paused):
        return {"interrupt_before": ["execute"]} if paused else {}

    # --- what may happen ---

    @rule(thread=threads, wanted=proposals, same=st.booleans(), paused=st.booleans())
    def user_turn(self, thread, wanted, same, paused):
        """A user says something, and the model proposes calls, some with an id that was used before."""
        turn = f"turn {len(self.turns)}"
        number = 0 if same else len(self.turns) * 10
        calls = [call(name, f"c{number + step // (1 + same)}", **given) for step, (name, given) in enumerate(wanted)]
        self.turns[turn] = calls
        for name, given in wanted:
            with suppress(AisecopsError):
                self.proposed[thread].add(CanonicalCall.of(name, given).digest)
        self.drive(thread, {"messages": [("user", turn)]}, **self.pause(paused))

    @rule(thread=threads, wanted=lawful, meanwhile=st.sampled_from(MEANWHILE), then=st.booleans())
    def to_the_brink(self, thread, wanted, meanwhile, then):
        """Take a call as far as it goes without running, let something happen, and go on or leave it there."""
        self.user_turn(thread, [wanted], same=False, paused=True)
        if meanwhile == "late answer":
            self.time_passes(APPROVAL_SECONDS)
        self.answer(thread, "approve", first_only=False, paused=True)
        {
            "time": lambda: self.time_passes(PERMIT_SECONDS),
            "stop": lambda: self.stop_for_a_while(("run", thread)),
            "policy": lambda: self.change_what_is_allowed("strict"),
            "warrant": lambda: self.change_what_is_allowed("the helper's warrant"),
            "crash": lambda: self.crash(-1),
            "crash in the tool": lambda: self.crash(-2),
            "forgery": lambda: self.tamper_with_orders(thread, EVIL[0]),
            "twice": lambda: self.drive(thread, None),
            "late answer": lambda: None,
        }[meanwhile]()
        if then:
            self.drive(thread, None)
        if then and meanwhile == "twice":
            self.tamper_with_orders(thread, None)

    @rule(thread=threads, steps=st.integers(1, 3))
    def as_usual(self, thread, steps):
        """What an undisturbed host would do next."""
        for _ in range(steps):
            state = self.state(thread)
            if state.interrupts:
                self.answer(thread, "approve", first_only=False, paused=False)
            elif state.next:
                self.drive(thread, None)

    @rule(
        thread=threads,
        kind=st.sampled_from(["approve"] * 4 + list(ANSWERS)),
        first_only=st.booleans(),
        paused=st.booleans(),
    )
    def answer(self, thread, kind, first_only, paused):
        """A person answers what is asked, or only the first of it."""
        asked = self.state(thread).interrupts
        if not asked:
            return
        asked = asked[:1] if first_only else asked
        self.give(thread, kind, asked, Command(resume={item.id: ANSWERS[kind] for item in asked}), paused=paused)

    def give(self, thread, kind, asked, command, *, config=None, paused=False):
        """Answer, and know what was answered: a yes may count from now on, a no that was heard stands for ever."""
        process = self.place.process
        questions = [item.value["aisecops"] for item in asked]
        before = self.place.approvals()
        for question in questions:
            key = question["approval"]
            in_time = key in before and self.place.clock.now() < before[key].expires_at
            if says_yes(kind) and in_time and key not in self.refused:
                self.allowed.setdefault(key, set()).add(question["call"] if kind == "approve" else LAWFUL_EDIT)
        self.drive(thread, command, config, **self.pause(paused))
        if says_yes(kind) or self.place.process != process:
            return
        after = self.place.approvals()
        for question in questions:
            key = question["approval"]
            if key in after and after[key].state in (ApprovalState.REJECTED, ApprovalState.EXPIRED):
                self.refused.add(key)

    @precondition(lambda self: self.old)
    @rule(data=st.data(), kind=st.sampled_from(["approve", "edit", "reject"]))
    def replay_an_old_answer(self, data, kind):
        """An answer to a question that was shown once; where the same id is asked again, it answers that."""
        thread, identity = data.draw(st.sampled_from(self.old))
        asked = [item for item in self.state(thread).interrupts if item.id == identity]
        self.give(thread, kind, asked, Command(resume={identity: ANSWERS[kind]}))

    @rule(data=st.data(), thread=threads, kind=st.sampled_from(["approve", "edit", None]))
    def resume_at_an_old_checkpoint(self, data, thread, kind):
        history = list(self.graph(thread).get_state_history(self.config(thread)))
        if not history:
            return
        snapshot = data.draw(st.sampled_from(history[:12]))
        config = self.config(thread, checkpoint_id=snapshot.config["configurable"]["checkpoint_id"])
        if kind is None or not snapshot.interrupts:
            self.drive(thread, None, config)
            return
        command = Command(resume={item.id: ANSWERS[kind] for item in snapshot.interrupts})
        self.give(thread, kind, snapshot.interrupts, command, config=config)

    # --- the attacker ---

    @rule(thread=threads, evil=st.sampled_from([None, *EVIL]), which=st.integers(0, 5))
    def tamper_with_orders(self, thread, evil, which=0):
        """Send an order of the guard's once more, or for another call; its permit may be fresh, used, or old."""
        history = self.graph(thread).get_state_history(self.config(thread))
        orders = [order for snapshot in history for order in orders_in(snapshot)]
        if not orders:
            return
        order = orders[min(which, len(orders) - 1)]
        if evil is not None:
            order = {**order, "call": call(evil[0], order["call"]["id"], **evil[1])}
        self.drive(thread, Command(goto=Send("execute", order)))

    @rule(
        thread=threads,
        attack=st.sampled_from(ATTACKS),
        node=st.sampled_from([None, "plan", "guard", "approve"]),
        evil=st.sampled_from(EVIL),
    )
    def tamper(self, thread, attack, node, evil):
        """State is no trust boundary: write into it, or send an order of one's own, and let the graph go on."""
        forged = forgeries(self.state(thread).values, evil).get(attack)
        if forged is None:
            return
        if isinstance(forged, Command):
            self.drive(thread, forged)
            return
        with mortal(self.place), suppress(Exception):
            self.graph(thread).update_state(self.config(thread), forged, node)
        self.drive(thread, None)

    # --- operators, time and death ---

    @rule(what=st.sampled_from([("run", "t-clerk"), ("run", "t-helper"), ("agent", "helper")]))
    def stop_for_a_while(self, what):
        """Stop something, let the threads try to go on, and lift the stop again."""
        self.stop(what, lift=False)
        for thread in THREADS:
            self.drive(thread, None)
        self.stop(what, lift=True)

    def stop(self, what, *, lift):
        process, stops = self.place.process, self.place.governor.stops
        with mortal(self.place):
            stops.lift(*what) if lift else stops.order(*what)
        self.place.stops = self.place.standing()
        assert self.place.process != process or (what in self.place.stops) is not lift

    @rule(policy=st.sampled_from(["asking", "strict", "the helper's warrant"]))
    def change_what_is_allowed(self, policy):
        """Reload a policy or revoke the warrant, let both threads try to go on, and put it right again."""
        for change in (policy, "asking"):
            with mortal(self.place):
                if change in POLICIES:
                    self.place.governor.reload(POLICIES[change])
                    self.place.policy = POLICIES[change]
                else:
                    self.place.governor.delegations.revoke(self.warrant)
                    self.place.revoked.add(self.warrant)
            for thread in THREADS:
                self.drive(thread, None)
        if self.warrant in self.place.revoked:
            self.new_warrant()

    def new_warrant(self):
        tools = ["search", "sync", "pay"]
        with mortal(self.place):
            granted = self.place.governor.delegate(CLERK, agent="helper", tools=tools, expires_in=86_400)
            self.warrant = granted.model_dump_json()

    @rule(seconds=st.sampled_from([1, PERMIT_SECONDS, APPROVAL_SECONDS]))
    def time_passes(self, seconds):
        self.place.clock.advance(seconds)

    @rule(left=st.one_of(st.just(-1), st.just(-2), st.integers(0, 40)))
    def crash(self, left):
        """The process dies now, in the next tool, or at one of the next operations of ledger, log or checkpointer."""
        if left == -1:
            self.place.die()
            self.place.open()
        elif left == -2:
            self.place.life.in_tool = True
        else:
            self.place.life.left = left

    # --- what must hold ---

    @invariant()
    def every_act_was_lawful(self):
        acts = self.place.acts
        if len(acts) == self.checked:
            return
        effects = self.place.effects()
        for act in acts[self.checked :]:
            self.require_lawful(act, effects)
        self.checked = len(acts)
        self.require_single(acts)

    def require_lawful(self, act: Act, effects):
        assert act.intended, "ran before its intent was in the log"
        record = effects[act.recipient]
        permit, binding = record.permit, record.permit.binding
        assert is_genuine(self.place.sealer, permit)
        assert act.at < permit.expires_at, "ran under an expired permit"
        assert binding.claims() == {**binding.claims(), **self.claims_of(act)}, "ran under a permit for something else"
        assert not act.stopped, "ran in spite of a stop or under a revoked warrant"
        edited = {call for calls in self.allowed.values() for call in calls} & {LAWFUL_EDIT}
        assert act.call in self.proposed[act.scope.thread] | edited, "ran what nobody proposed"
        if act.tool != "pay":
            assert act.tool in ("search", "sync")
            return
        assert act.policy == ASKING.digest, "paid under a policy that forbids it"
        assert record.approval is not None
        assert record.approval not in self.refused, "paid although a person said no"
        assert act.call in self.allowed.get(record.approval, ()), "paid without a person's word"

    def claims_of(self, act: Act):
        return {
            "call": act.call,
            "tool": act.tool,
            "thread": act.scope.thread,
            "agent": THREADS[act.scope.thread],
            "user": act.scope.principal.user,
            "policy": act.policy,
        }

    def require_single(self, acts):
        ran = Counter(act.recipient for act in acts)
        for recipient, count in ran.items():
            mine = [act for act in acts if act.recipient == recipient]
            assert count == 1 or mine[0].tool == "sync", "ran twice"
            assert count == len({act.process for act in mine}), "ran twice in one process"
        yes = Counter(self.place.effects()[act.recipient].approval for act in acts if act.tool == "pay")
        assert set(yes.values()) <= {1}, "an approval was used twice"


LONG = os.environ.get("CHAOS") == "long"

TestGovernedGraph = GovernedGraph.TestCase
TestGovernedGraph.settings = settings(
    max_examples=400 if LONG else 30,
    stateful_step_count=30 if LONG else 12,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
