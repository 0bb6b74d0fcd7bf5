"""The shared vocabulary: frozen, closed, and read back only as what it was written as."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
import pytest
from pydantic import ValidationError

from aisecops_langchain.domain.decision import Decision, Effect, Reason, Stage
from aisecops_langchain.domain.events import ExecutionStarted, RunStarted, parse_event
from aisecops_langchain.domain.labels import NEUTRAL, Integrity, Label
from aisecops_langchain.domain.permit import NEXT_STATES, EffectState
from aisecops_langchain.domain.plan import ArgumentProvenance, CanonicalCall, ExecutionPlan, PlanStep
from aisecops_langchain.domain.principal import Approver, Principal
from aisecops_langchain.errors import AuditFormatError, CanonicalizationError

CLERK = Principal(agent="clerk")


def step(call_id="a", **arguments):
    return PlanStep(call_id=call_id, call=CanonicalCall.of("look", arguments), tool_definition="sha256:def")


def test_a_call_does_not_follow_the_arguments_it_was_made_from():
    """What the caller does with his dictionary afterwards changes nothing."""
    arguments = {"list": [1]}
    call = CanonicalCall.of("look", arguments)
    arguments["list"].append(2)
    assert call.arguments() == {"list": [1]}
    call.arguments()["list"].append(3)
    assert call.arguments() == {"list": [1]}


def test_tool_and_arguments_do_not_run_together_in_a_digest():
    """The border between the name and the arguments is part of it."""
    assert CanonicalCall.of("look", {}).digest != CanonicalCall.of('look"{', {}).digest
    assert CanonicalCall.of("a", {"b": 1}).digest != CanonicalCall.of("b", {"a": 1}).digest


@pytest.mark.parametrize("arguments", [{"x": float("nan")}, {"x": (1,)}, {1: 2}, {"x": "\ud800"}, [1], None])
def test_a_call_without_canonical_arguments_is_none(arguments):
    """It cannot be made at all, or is not an object."""
    if isinstance(arguments, dict):
        with pytest.raises(CanonicalizationError):
            CanonicalCall.of("look", arguments)
    else:
        assert CanonicalCall.of("look", arguments).digest != CanonicalCall.of("look", {}).digest


def test_a_plan_digest_binds_steps_order_and_definitions():
    """Any other call, order, id, or tool definition is another plan; provenance is bound by the plan's events."""

    def plan(*steps, plan_id="p"):
        return ExecutionPlan.of(plan_id=plan_id, steps=steps, rejected=(), context=NEUTRAL).digest

    first, second = step("a", x=1), step("b", x=2)
    plans = [
        plan(first, second),
        plan(second, first),
        plan(first),
        plan(first, step("b", x=3)),
        plan(first, step("c", x=2)),
        plan(first, second.model_copy(update={"tool_definition": "sha256:other"})),
        plan(first, second, plan_id="q"),
    ]
    assert len(set(plans)) == len(plans)
    assert plan(first, second) == plans[0]


def test_a_plan_digest_changes_with_provenance():
    """The module promises that changing any call, argument or provenance gives another digest."""
    trusted = ArgumentProvenance(argument="x", label=NEUTRAL, method="verbatim")
    tainted = trusted.model_copy(update={"label": NEUTRAL.model_copy(update={"integrity": Integrity.UNTRUSTED})})
    digests = {
        ExecutionPlan.of(
            plan_id="p", steps=(step(x=1).model_copy(update={"provenance": (item,)}),), rejected=(), context=NEUTRAL
        ).digest
        for item in (trusted, tainted)
    }
    assert len(digests) == 2


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (step(), "tool_definition"),
        (CanonicalCall.of("look", {}), "digest"),
        (CLERK, "agent"),
        (NEUTRAL, "integrity"),
        (Reason(code="c", message="m"), "code"),
    ],
    ids=lambda item: type(item).__name__,
)
def test_domain_data_is_frozen(value, field):
    """Nothing can be changed in place."""
    with pytest.raises(ValidationError):
        setattr(value, field, "changed")


@pytest.mark.parametrize("kind", [Principal, Approver])
def test_nobody_has_no_name(kind):
    """An empty name is refused."""
    with pytest.raises(ValidationError):
        kind(**{"agent" if kind is Principal else "id": ""})


def test_effects_only_move_forward():
    """No state leads back to reserved or started, and ended is ended."""
    reachable = {state: set(following) for state, following in NEXT_STATES.items()}
    assert set(reachable) == set(EffectState)
    assert reachable[EffectState.RESERVED] == {EffectState.STARTED}
    assert reachable[EffectState.COMPLETED] == reachable[EffectState.FAILED] == set()
    assert all(EffectState.RESERVED not in following for following in reachable.values())
    assert all(EffectState.STARTED not in reachable[state] for state in set(EffectState) - {EffectState.RESERVED})


@pytest.mark.parametrize("effect", [Effect.DENY, Effect.REQUIRE_APPROVAL])
def test_only_an_allow_is_allowed(effect):
    """A careless ``if decision.allowed`` fails closed."""
    facts = {"stage": Stage.RULES, "policy": "sha256:0", "reasons": ()}
    assert not Decision(effect=effect, **facts).allowed
    assert Decision(effect=Effect.ALLOW, **facts).allowed


def test_a_decision_has_an_effect():
    """There is no default answer."""
    with pytest.raises(ValidationError):
        Decision(stage=Stage.RULES, policy="sha256:0", reasons=())


def started(**more):
    facts = {"id": "1", "time": datetime(2030, 1, 1, tzinfo=UTC), "trace": "t", "thread": "t", "policy": "p"}
    return RunStarted(principal=CLERK, **facts, **more)


def test_an_event_reads_back_as_what_it_was():
    """Of its own type, with every field."""
    event = started(tools=("look",))
    assert parse_event(event.model_dump_json()) == event
    assert type(parse_event(event.model_dump_json())) is RunStarted


def test_unknown_fields_of_a_known_kind_are_kept():
    """An old reader loses nothing of a newer log."""
    text = started().model_dump_json()[:-1] + ',"later":{"a":1}}'
    assert '"later":{"a":1}' in parse_event(text).model_dump_json()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        "not json",
        '{"kind":"no_such_kind"}',
        '{"kind":null}',
        '{"kind":["run_started"]}',
        '{"kind":"run_started"}',
        "\ud800",
        b"\xff",
    ],
    ids=ascii,
)
def test_what_is_no_event_is_refused_with_our_error(text):
    """A parser never leaks another library's error."""
    with pytest.raises(AuditFormatError):
        parse_event(text)


@pytest.mark.parametrize("change", [('"v":1', '"v":2'), ('"agent":"clerk"', '"agent":""'), ('"id":"1"', '"id":null')])
def test_an_event_of_another_version_or_shape_is_refused(change):
    """Neither a later schema nor a broken field is guessed at."""
    text = started().model_dump_json()
    assert change[0] in text
    with pytest.raises(AuditFormatError):
        parse_event(text.replace(*change))


def test_a_parse_error_shows_nothing_of_the_line():
    """A tampered log may hold anything."""
    with pytest.raises(AuditFormatError) as caught:
        parse_event('{"kind":"run_started","id":"secret-4711","time":"secret-4711"}')
    assert "4711" not in str(caught.value)


def test_an_event_needs_a_time_with_a_zone():
    """A naive time would be read differently on another machine."""
    text = started().model_dump_json().replace("2030-01-01T00:00:00Z", "2030-01-01T00:00:00")
    with pytest.raises(AuditFormatError):
        parse_event(text)


def test_a_label_in_an_event_keeps_its_order_out_of_equality():
    """Sources are a set, however they were written."""
    one = '{"integrity":"user","confidentiality":"public","sources":[%s]}'
    a, b = (f'{{"kind":"memory","name":"{name}","digest":"d"}}' for name in "ab")
    assert Label.model_validate_json(one % f"{a},{b}") == Label.model_validate_json(one % f"{b},{a}")


def test_execution_events_name_their_permit():
    """Without it, an intent could not be matched with what allowed it."""
    assert ExecutionStarted.model_fields["permit"].is_required()


@pytest.mark.parametrize(
    ("kind", "facts"),
    [
        ("approval_requested", {"expires_at": "2026-01-01T00:00:00Z"}),
        ("approval_granted", {"approver": {"id": "bob", "verified": True}, "edited": None}),
        ("approval_rejected", {"approver": {"id": "bob"}, "reason": "no"}),
        ("approval_expired", {}),
    ],
)
def test_approvals_of_logs_before_there_were_votes_are_read(kind, facts):
    """What was added since has a value that says nothing more than the log does."""
    event = {"v": 1, "kind": kind, "id": "1", "time": "2026-01-01T00:00:00Z", "trace": "t", "thread": "t"}
    about = {"plan": "p", "call_id": "c", "tool": "pay", "call": "sha256:x", "approval": "a", "policy": "sha256:p"}
    read = parse_event(orjson.dumps({**event, **about, "principal": {"agent": "clerk"}, **facts}))
    assert getattr(read, "requires", ()) == getattr(read, "voted", ()) == ()
    assert getattr(read, "waited_seconds", None) is None
    if "approver" in facts:
        assert (read.approver.id, read.approver.tenant, read.approver.roles) == ("bob", "", ())
