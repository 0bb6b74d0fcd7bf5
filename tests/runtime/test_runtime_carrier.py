"""Deadlines, retries and cancellation: whatever happens to a tool, its effect is accounted for once."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runtime_kit import LAW, World

from aisecops_langchain.domain.permit import EffectState
from aisecops_langchain.errors import AisecopsError, AuditWriteError, PermitError
from aisecops_langchain.policy import parse_policy
from aisecops_langchain.runtime.effects.carrier import Carrier, NotReturned, Returned
from aisecops_langchain.runtime.effects.idempotency import idempotency_key
from aisecops_langchain.runtime.effects.terms import Terms
from aisecops_langchain.sealing import Sealer
from aisecops_langchain.testing import MemorySink

SOON = Terms(timeout_seconds=0.05)
THRICE = Terms(timeout_seconds=30, attempts=3)
WAIT = 20


class PausingError(Exception):
    """What a host raises to interrupt its graph."""


class Tool:
    """A tool that counts its calls, and does what it was told for each of them."""

    def __init__(self, *acts):
        self.acts = list(acts)
        self.calls = 0
        self.entered = threading.Event()
        self.go = threading.Event()

    def __call__(self):
        act = self.acts[min(self.calls, len(self.acts) - 1)]
        self.calls += 1
        self.entered.set()
        if act == "wait":
            assert self.go.wait(WAIT)
            return "late"
        if isinstance(act, BaseException):
            raise act
        return act

    async def arun(self):
        if self.acts[min(self.calls, len(self.acts) - 1)] == "wait":
            self.calls += 1
            self.entered.set()
            await asyncio.sleep(WAIT)
        return self()


def carry(world, tool, terms, *, name="sync", form="sync", proposal=None):
    """Begin an effect and carry a tool through it."""
    running = world.begin(proposal or world.propose(name))
    carrier = Carrier(world.governor.execution, pauses=(PausingError,))
    if form == "sync":
        return carrier.run(running, terms, tool)
    blocking = tool if form == "thread" else None
    return asyncio.run(carrier.arun(running, terms, tool.arun, blocking=blocking))


def until(condition):
    """Wait for another thread."""
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


FORMS = pytest.mark.parametrize("form", ["sync", "async", "thread"])


@FORMS
def test_a_tool_that_returns_is_left_to_be_completed(form):
    world = World()
    ended = carry(world, Tool("done"), Terms(timeout_seconds=WAIT), form=form)
    assert isinstance(ended, Returned)
    assert ended.value == "done"
    assert world.kinds()[-1] == "execution_started"


@FORMS
def test_past_its_deadline_an_effect_is_unknown(form):
    world, tool = World(), Tool("wait")
    proposal = world.propose("look")
    ended = carry(world, tool, SOON, form=form, proposal=proposal)
    assert isinstance(ended, NotReturned)
    assert ended.outcome == "unknown"
    assert world.effect(proposal).state is EffectState.UNKNOWN
    with pytest.raises(PermitError):
        world.governor.execution.begin(world.effect(proposal).permit.id, world.binding(proposal))
    tool.go.set()
    assert tool.calls == 1


@pytest.mark.parametrize("form", ["sync", "thread"])
@pytest.mark.parametrize(("act", "outcome"), [("wait", "completed"), ("raise", "failed")])
def test_what_comes_late_is_evidence_and_settles_nothing(form, act, outcome):
    world, tool = World(), Tool("wait")
    proposal = world.propose("look")

    def work():
        tool()
        if act == "raise":
            raise ValueError
        return "late"

    work.arun = None
    running = world.begin(proposal)
    carrier = Carrier(world.governor.execution)
    if form == "sync":
        ended = carrier.run(running, SOON, work)
    else:
        ended = asyncio.run(carrier.arun(running, SOON, tool.arun, blocking=work))
    assert isinstance(ended, NotReturned)
    tool.go.set()
    until(lambda: world.effect(proposal).late)
    assert world.effect(proposal).late == outcome
    assert world.effect(proposal).state is EffectState.UNKNOWN
    assert world.only("execution_late").outcome == outcome
    (facts,) = world.governor.effects.find(EffectState.UNKNOWN)
    assert facts.late == outcome


def test_a_late_result_does_not_touch_what_was_settled_meanwhile():
    world, tool = World(), Tool("wait")
    proposal = world.propose("look")
    carry(world, tool, SOON, proposal=proposal)
    key = world.binding(proposal).effect_key()
    world.governor.effects.resolve(key, "failed", by="alice")
    tool.go.set()
    until(lambda: "execution_late" in world.kinds())
    assert world.effect(proposal).state is EffectState.FAILED
    assert world.effect(proposal).late == ""


def test_an_async_tool_is_cancelled_at_its_deadline():
    seen = []

    async def work():
        try:
            await asyncio.sleep(WAIT)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async def main():
        world = World()
        ended = await Carrier(world.governor.execution).arun(world.begin(world.propose("look")), SOON, work)
        await asyncio.sleep(0)
        return ended

    assert asyncio.run(main()).outcome == "unknown"
    assert seen == ["cancelled"]


@FORMS
def test_an_idempotent_tool_is_tried_again_under_the_same_permit(form):
    world, tool = World(), Tool(ValueError(), OSError(), "done")
    ended = carry(world, tool, THRICE, form=form)
    assert isinstance(ended, Returned)
    assert (ended.value, tool.calls, ended.running.record.attempt) == ("done", 3, 3)
    world.governor.execution.complete(ended.running, result="x", label=world.propose().context)
    starts = [event for event in world.sink.events if event.kind == "execution_started"]
    assert [event.attempt for event in starts] == [1, 2, 3]
    assert len({event.permit for event in starts}) == len({event.idempotency_key for event in starts}) == 1
    retried = [(event.attempt, event.error) for event in world.sink.events if event.kind == "execution_retried"]
    assert retried == [(1, "ValueError"), (2, "OSError")]


@FORMS
def test_attempts_are_bounded(form):
    world, tool = World(), Tool(ValueError())
    proposal = world.propose("sync")
    ended = carry(world, tool, THRICE, form=form, proposal=proposal)
    assert (ended.outcome, tool.calls) == ("failed", 3)
    assert world.effect(proposal).state is EffectState.FAILED


@FORMS
def test_a_tool_that_is_not_idempotent_is_never_tried_again_whatever_the_terms_say(form):
    world, tool = World(), Tool(ValueError())
    ended = carry(world, tool, THRICE, name="look", form=form)
    assert (ended.outcome, tool.calls) == ("failed", 1)


@FORMS
def test_our_own_errors_are_not_tried_again(form):
    world, tool = World(), Tool(AisecopsError("refused"))
    assert (carry(world, tool, THRICE, form=form).outcome, tool.calls) == ("failed", 1)


@FORMS
def test_a_tool_that_pauses_the_graph_is_unknown_and_not_tried_again(form):
    world, tool = World(), Tool(PausingError())
    assert (carry(world, tool, THRICE, form=form).outcome, tool.calls) == ("unknown", 1)


def test_no_attempt_follows_a_permit_that_expired():
    world = World()
    tool = Tool(ValueError())

    def work():
        world.clock.advance(61)
        return tool()

    ended = Carrier(world.governor.execution).run(world.begin(world.propose("sync")), THRICE, work)
    assert (ended.outcome, tool.calls) == ("failed", 1)


def test_no_attempt_follows_a_stop():
    world, tool = World(), Tool(ValueError())

    def work():
        world.governor.stops.order("agent", "clerk", reason="enough", by="alice")
        return tool()

    ended = Carrier(world.governor.execution).run(world.begin(world.propose("sync")), THRICE, work)
    assert (ended.outcome, tool.calls) == ("failed", 1)


def test_no_attempt_runs_whose_intent_could_not_be_recorded():
    class Sink(MemorySink):
        full = False

        def append_lines(self, events, /):
            if self.full:
                raise AuditWriteError("full")
            super().append_lines(events)

    sink = Sink()
    world, tool = World(sink=sink), Tool(ValueError())

    def work():
        sink.full = True
        return tool()

    ended = Carrier(world.governor.execution).run(world.begin(world.propose("sync")), THRICE, work)
    assert (ended.outcome, tool.calls) == ("unknown", 1)


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_leaves_the_effect_unknown(interrupt):
    world, tool = World(), Tool(interrupt())
    proposal = world.propose("sync")
    with pytest.raises(interrupt):
        carry(world, tool, Terms(attempts=3), proposal=proposal)
    assert world.effect(proposal).state is EffectState.UNKNOWN
    assert tool.calls == 1


@pytest.mark.parametrize("terms", [Terms(), Terms(timeout_seconds=WAIT)])
@pytest.mark.parametrize("times", [1, 3])
def test_a_cancelled_task_leaves_the_effect_unknown_once(terms, times):
    world, tool = World(), Tool("wait")
    proposal = world.propose("look")

    async def main():
        carrier = Carrier(world.governor.execution)
        running = world.begin(proposal)
        task = asyncio.create_task(carrier.arun(running, terms, tool.arun))
        while not tool.entered.is_set():  # noqa: ASYNC110 - another thread may set it
            await asyncio.sleep(0)
        for _ in range(times):
            task.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert world.effect(proposal).state is EffectState.UNKNOWN
    world.only("execution_unknown")


def test_a_task_cancelled_between_attempts_failed_with_the_last_one():
    world, tool = World(), Tool(ValueError())
    proposal = world.propose("sync")

    async def main():
        terms = Terms(attempts=3, backoff_seconds=WAIT)
        task = asyncio.create_task(Carrier(world.governor.execution).arun(world.begin(proposal), terms, tool.arun))
        while not tool.entered.is_set():  # noqa: ASYNC110
            await asyncio.sleep(0)
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert world.effect(proposal).state is EffectState.FAILED
    assert tool.calls == 1


ACTS = st.lists(st.sampled_from(["raise", "return", "interrupt", "slow", "crash"]), min_size=1, max_size=4)


@LAW
@given(acts=ACTS, name=st.sampled_from(["look", "sync"]), attempts=st.integers(1, 3), forms=st.booleans())
def test_whatever_happens_nothing_but_an_idempotent_tool_starts_twice(acts, name, attempts, forms):
    """After each way to end, a new process tries to go on with the same permit."""
    world = World()
    proposal = world.propose(name)
    permit = world.permit(proposal).id
    started = 0
    gate = threading.Event()
    for act in acts:
        governor = world.new_governor()

        def work(act=act):
            nonlocal started
            started += 1
            if act == "raise":
                raise ValueError
            if act == "interrupt":
                raise KeyboardInterrupt
            if act == "slow":
                gate.wait(WAIT)
            return act

        async def awork(work=work):
            return work()

        terms = Terms(timeout_seconds=0.01 if act == "slow" else None, attempts=attempts)
        try:
            running = governor.execution.begin(permit, world.binding(proposal))
            if act == "crash":
                started += 1
                continue
            carrier = Carrier(governor.execution)
            if forms and act != "interrupt":
                asyncio.run(carrier.arun(running, terms, awork, blocking=work))
            else:
                carrier.run(running, terms, work)
        except (AisecopsError, KeyboardInterrupt):
            pass
    gate.set()
    assert started >= 1
    if name == "look":
        assert started == 1
    starts = [event for event in world.sink.events if event.kind == "execution_started"]
    assert len(starts) == started


def test_an_idempotency_key_is_a_keyed_function_of_the_effect():
    mine, other = Sealer(bytes(range(32))), Sealer(bytes(range(1, 33)))
    assert idempotency_key(mine, "a") == idempotency_key(mine, "a")
    assert len({idempotency_key(mine, "a"), idempotency_key(mine, "b"), idempotency_key(other, "a")}) == 3
    assert len(idempotency_key(mine, "a")) == 36


def test_the_key_is_the_same_after_a_crash_and_for_the_reconciler():
    world = World()
    proposal = world.propose("sync")
    permit = world.permit(proposal).id
    first = world.governor.execution.begin(permit, world.binding(proposal))
    again = world.new_governor().execution.begin(permit, world.binding(proposal))
    assert again.record.attempt == 2
    assert first.idempotency_key == again.idempotency_key
    (facts,) = world.governor.effects.find()
    assert facts.idempotency_key == first.idempotency_key


def policy_with(profile: str, limits: str = "") -> str:
    return f"""
version: 1
id: terms
agents: {{a: {{capabilities: [c]}}}}
capabilities: {{c: {{tools: [pay]}}}}
rules: [{{id: r, effect: allow, tools: [pay]}}]
tools: {{pay: {{effects: [spend], {profile}}}}}
{limits}
"""


@pytest.mark.parametrize(
    ("profile", "limits", "terms"),
    [
        ("reversible: true", "", Terms()),
        ("timeout_seconds: 30", "", Terms(30)),
        ("reversible: true", "limits: {tool_timeout_seconds: 9}", Terms(9)),
        ("timeout_seconds: 30", "limits: {tool_timeout_seconds: 9}", Terms(30)),
        ("idempotent: true, retries: {attempts: 3, backoff_seconds: 0.5}", "", Terms(None, 3, 0.5)),
        ("timeout_seconds: 99", "budgets: {time: {measure: seconds, limit: 40}}", Terms(40)),
        ("timeout_seconds: 99", "budgets: {time: {measure: seconds, limit: 40, beyond: require_approval}}", Terms(99)),
    ],
)
def test_the_terms_are_what_the_bundle_says(profile, limits, terms):
    world = World(policy=parse_policy(policy_with(profile, limits)))
    assert world.governor.terms("pay", world.scope) == terms


@pytest.mark.parametrize(
    "profile",
    [
        "retries: {attempts: 3}",
        "idempotent: true, retries: {attempts: 1}",
        "idempotent: true, retries: {attempts: 99}",
        "idempotent: true, retries: {attempts: 3, backoff_seconds: -1}",
        "timeout_seconds: 0",
        "timeout_seconds: .inf",
        "targets: [key], idempotency_key: key",
    ],
)
def test_a_bundle_with_unlawful_terms_is_refused(profile):
    with pytest.raises(AisecopsError):
        parse_policy(policy_with(profile))


def test_pauses_double():
    terms = Terms(attempts=4, backoff_seconds=0.5)
    assert [terms.pause_after(attempt) for attempt in range(1, 5)] == [0.5, 1.0, 2.0, None]
