"""Text from a log is attacker-controlled; what is shown of it is one printable line that forges nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trace_factory import Story, about, allowed_story, governed_story, planned, recorded

from aisecops_langchain.domain.events import AnyEvent, ApprovalGranted, RunStarted
from aisecops_langchain.domain.principal import Approver
from aisecops_langchain.domain.warrant import WarrantClaims
from aisecops_langchain.forensics import summarize, timeline, traces_of, visible
from aisecops_langchain.forensics.calls import Calls
from aisecops_langchain.forensics.stages import RANK_OF, STAGE_OF
from aisecops_langchain.forensics.text import call_text, clip, name, said, short
from aisecops_langchain.forensics.wording import LiveNarrator, Narrator

HOSTILE = ["\x1b[31mred\x1b[0m", "\x9b2J", "a\nb\r\tc", "\u202egnp.exe", "\u200b\ufeff", "\U000e0041", "\x00\x07\x7f"]


@given(st.text())
def test_visible_text_is_printable_and_changes_only_what_is_not(text: str) -> None:
    assert visible(text).isprintable()
    assert visible(visible(text)) == visible(text)
    assert (visible(text) == text) == text.isprintable()


@pytest.mark.parametrize("text", HOSTILE)
def test_terminal_controls_are_written_out(text: str) -> None:
    for shown in (visible(text), name(text), said(text), short(text), call_text(text, {text: text})):
        assert shown.isprintable()
        assert "\\" in shown


def test_a_name_that_looks_like_our_words_is_quoted() -> None:
    assert name("pay") == "pay"
    assert name('pay" was allowed') == '"pay\\" was allowed"'
    assert name("") == '""'


def test_long_text_is_shortened_and_says_so() -> None:
    assert clip("x" * 500, 10) == "xxxxxxxxxx… (+490 characters)"
    assert "(+" in call_text("pay", {"note": "x" * 5000})


def test_withheld_values_are_shown_as_withheld() -> None:
    withheld = {"$withheld": "email", "commitment": "deadbeef"}
    assert call_text("mail", {"to": withheld}) == "mail(to=<withheld: email>)"


def test_every_kind_of_event_has_a_stage() -> None:
    kinds = {kind.model_fields["kind"].default for kind in get_args(get_args(AnyEvent)[0])}
    assert kinds == set(STAGE_OF) == set(RANK_OF)


def test_a_timeline_tells_every_event_with_its_time() -> None:
    story = governed_story()
    (trace,) = traces_of(story.events)
    entries = timeline(trace)
    assert [entry.event for entry in entries] == [event.id for event in story.events]
    assert entries[0].offset_ms == 0.0
    granted = next(entry for entry in entries if entry.kind == "approval_granted")
    assert granted.duration_ms == 120_020.0
    assert granted.text == 'bob approved pay_invoice(amount=950, supplier="ACME")'
    assert all(entry.text.isprintable() for entry in entries)


def test_an_edit_shows_the_call_that_was_put_in_place() -> None:
    call, other = recorded("pay", "call-1", {"amount": 5}), recorded("pay", "call-1", {"amount": 4})
    story = Story()
    planned(story, call, other)
    answer = {"approval": "a", "approver": Approver(id="bob"), "edited": other.digest}
    story.add(ApprovalGranted, **about(call), **answer)
    (trace,) = traces_of(story.events)
    assert timeline(trace)[-1].text == "bob (identity not verified) changed pay(amount=5) into pay(amount=4)"


def test_arguments_that_the_log_does_not_hold_are_not_invented() -> None:
    events = [event for event in allowed_story().events if event.kind not in {"plan_created", "decision_made"}]
    (trace,) = traces_of(events)
    shown = [entry.text for entry in timeline(trace) if entry.kind == "execution_started"]
    assert shown == ["lookup(arguments not recorded) was started under permit permit-1"]


def test_events_that_come_one_by_one_show_the_arguments_that_were_heard() -> None:
    events = list(allowed_story().events)
    (started,) = [event for event in events if event.kind == "execution_started"]
    unprepared, prepared = LiveNarrator(), LiveNarrator()
    for event in events:
        prepared.hear(event)
    assert unprepared.tell(started).startswith("lookup(arguments recorded earlier) was started")
    (trace,) = traces_of(events)
    assert prepared.tell(started) == Narrator(trace).tell(started)


def test_no_more_calls_are_remembered_than_asked_for() -> None:
    calls = [recorded("pay", f"call-{number}", {"amount": number}) for number in range(3)]
    story = Story()
    planned(story, *calls)
    known = Calls(story.events, most=2)
    texts = [known.show(SimpleNamespace(id="e", **about(call))) for call in calls]
    assert texts == ["pay(arguments not recorded)", "pay(amount=1)", "pay(amount=2)"]


def _poisoned(value: object, text: str) -> object:
    """Replace every free text in an event's data, keeping what the schema fixes."""
    fixed = {"kind", "v", "time", "expires_at", "effect", "stage", "integrity", "confidentiality", "outcome", "trace"}
    fixed |= {"stop", "resolver", "why", "access"}
    if isinstance(value, dict):
        return {key: item if key in fixed else _poisoned(item, text) for key, item in value.items()}
    if isinstance(value, list):
        return [_poisoned(item, text) for item in value]
    return text if isinstance(value, str) else value


@pytest.mark.parametrize("text", HOSTILE)
def test_no_field_of_any_event_reaches_a_sentence_unescaped(text: str) -> None:
    events: list[AnyEvent] = []
    for number, event in enumerate(every_kind()):
        data = _poisoned(event.model_dump(mode="json"), text)
        assert isinstance(data, dict)
        if "source" in data:
            data["source"]["kind"] = "memory"
            data["label"]["sources"] = []
        for label in (data.get("label"), data.get("context")):
            if label is not None:
                label["sources"] = []
        events.append(type(event).model_validate({**data, "id": f"{text}{number}", "parents": [text]}))
    (trace,) = traces_of(events)
    assert all(entry.text.isprintable() for entry in timeline(trace))
    assert all(problem.message.isprintable() for problem in summarize(trace).problems)


CLAIMS = WarrantClaims(
    id="n", tenant="t", user="u", delegator="boss", agent="clerk", tools=("pay",), issued_at=1, expires_at=2
)


def every_kind() -> list[AnyEvent]:
    """One event of every kind, made from the fields that its schema asks for."""
    story = Story()
    made = {event.kind: event for event in governed_story().events}
    shared: dict[str, object] = {**about(recorded("pay", "call-1", {"amount": 5})), "permit": "p", "approval": "a"}
    for event in made.values():
        shared.update(event.model_dump(mode="json", exclude={"id", "time", "kind", "call", "parents", "edited"}))
    shared |= {
        "call": "sha256:x",
        "error": "E",
        "reason": "why",
        "code": "c",
        "checkpoint": "1f",
        "store": "s",
        "reasons": (),
        "rules": ("r",),
    }
    shared |= {"memory": "m", "access": "write"}
    counts = dict.fromkeys(("epoch", "stopped", "running", "unknown", "ran", "failed"), 1)
    shared |= {"claims": CLAIMS, "warrant": "w", "stop": "agent", "target": "clerk", "by": "bob", **counts}
    shared |= {"bundle": "b", "previous": "sha256:p", "fault": "why", "content": "sha256:c"}
    shared |= {"asked": {"request": "sha256:x", "tools": ["pay"]}}
    shared |= {"budgets": ["money"], "outcome": "completed", "resolver": "person"}
    endorsed = {"argument": "to", "label": {"integrity": "user", "confidentiality": "internal"}, "method": "verbatim"}
    shared |= {"endorsed": [endorsed]}
    sums = {"up_to": {"amount": "500"}, "each": {"amount": "9"}, "amounts": {"amount": "5"}}
    grant = {"grant": "g", "fixed": {"to": "bob"}, "any": ["note"], "uses": 3, "any_thread": False, "why": "expired"}
    shared |= {**sums, **grant}
    shared |= {"missing": 1, "answer": "approve", "response": "sha256:x", "rule": "r", "after_seconds": 60}
    shared |= {"roles": ["ciso"], "votes": 1, "waited_seconds": 2.0}
    for kind in get_args(get_args(AnyEvent)[0]):
        tag = kind.model_fields["kind"].default
        known = made.get(tag)
        wanted = {field: shared[field] for field in kind.model_fields if field in shared}
        if known is None:
            story.add(kind, **{**wanted, "id": tag, "parents": ()})
        else:
            story.events.append(known)
    assert {event.kind for event in story.events} == set(STAGE_OF)
    return story.events


def test_every_kind_of_event_has_a_sentence() -> None:
    (trace,) = traces_of(every_kind())
    assert len({entry.kind for entry in timeline(trace)}) == len(STAGE_OF)


def test_a_run_start_says_who_acts_for_whom() -> None:
    story = Story()
    story.add(RunStarted, tools=("pay", "look up"))
    (trace,) = traces_of(story.events)
    assert timeline(trace)[0].text == ('Agent procurement began for user alice of tenant acme; tools: pay, "look up"')
