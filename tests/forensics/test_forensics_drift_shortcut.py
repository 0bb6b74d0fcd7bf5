"""What is remembered of decisions never changes what is said of them."""

from __future__ import annotations

import pickle

import orjson
from drift_kit import HIDDEN, bundle, event, request
from hypothesis import given, settings
from hypothesis import strategies as st
from test_forensics_drift_laws import BUDGETS, LOG, RULE, build

from aisecops_langchain.audit.lines import GENESIS, hash_line, join_line
from aisecops_langchain.domain.events import DecisionMade
from aisecops_langchain.domain.labels import Integrity, Label, Source, SourceKind
from aisecops_langchain.forensics.drift import DriftReport, TimeMachine
from aisecops_langchain.policy import Policy

OFFICE = bundle()
AFTER = bundle(add=({"id": "none", "effect": "deny", "tools": ["pay"], "when": {"args.amount": {"gt": 90}}},))
SOURCE_SHAPED = {"a": "memory", "digest": "sha256:" + "a" * 64}


def lines_of(events: list[DecisionMade]) -> list[bytes]:
    """Events as they stand in a log."""
    previous, lines = GENESIS, []
    for number, item in enumerate(events):
        lines.append(join_line(number, previous, item.model_dump_json().encode()))
        previous = hash_line(lines[-1])
    return lines


def together(lines: list[bytes], policies: tuple[Policy, ...], recorded: tuple[Policy, ...]) -> DriftReport:
    machine = TimeMachine(policies, recorded, gather_uses=False)
    for line in lines:
        machine.add_line(line)
    return machine.report()


def apart(lines: list[bytes], policies: tuple[Policy, ...], recorded: tuple[Policy, ...]) -> DriftReport:
    """Each line by a machine that has seen no other, added up in the opposite order."""
    whole = TimeMachine(policies, recorded)
    for line in reversed(lines):
        machine = TimeMachine(policies, recorded)
        machine.add(orjson.loads(line))
        courses = pickle.loads(pickle.dumps(machine.courses))
        whole.absorb(courses, distinct=machine.distinct, malformed=machine.malformed)
    return whole.report()


def assert_same(lines: list[bytes], *policies: Policy, recorded: tuple[Policy, ...] = ()) -> DriftReport:
    found = together(lines, policies, recorded)
    assert found == apart(lines, policies, recorded).model_copy(update={"distinct": found.distinct})
    return found


@st.composite
def lines(draw: st.DrawFn, log, policy: Policy) -> list[bytes]:
    """A log in which requests come again in other runs, with other sources of the same kinds or of others."""
    events = []
    for number, (item, hidden) in enumerate(draw(st.permutations(log * 3))):
        kinds = draw(st.lists(st.sampled_from([SourceKind.MEMORY, SourceKind.USER_PROMPT]), max_size=2))
        sources = [
            Source(kind=kind, name=draw(st.sampled_from(["a", 'b"'])), digest=f"sha256:{draw(st.integers(0, 9)):064x}")
            for kind in kinds
        ]
        asked = item.model_copy(update={"context": item.context.model_copy(update={"sources": frozenset(sources)})})
        hide = tuple(sorted(hidden & item.call.arguments().keys()))
        events.append(event(asked, policy, hide=hide, trace=draw(st.sampled_from(["t1", "t2", f"run-{number}"]))))
    return lines_of(events)


@settings(max_examples=100, deadline=None)
@given(
    rules=st.lists(RULE, min_size=1, max_size=4),
    other=st.lists(RULE, min_size=1, max_size=4),
    log=LOG,
    sections=BUDGETS,
    data=st.data(),
    known=st.booleans(),
)
def test_remembering_changes_no_answer(rules, other, log, sections, data, known):
    before, after = build(rules, sections=sections), build(other)
    if before is None or after is None:
        return
    assert_same(data.draw(lines(log, before)), before, after, recorded=(before,) if known else ())


def paid(number: int, **arguments):
    """A payment in a run of its own that read a document of its own."""
    sources = frozenset({Source(kind=SourceKind.MEMORY, name="notes", digest=f"sha256:{number:064x}")})
    asked = request(**{"amount": 5, **arguments})
    context = Label(integrity=Integrity.UNTRUSTED, confidentiality="internal", sources=sources)
    made = event(asked.model_copy(update={"context": context}), OFFICE, trace=f"run-{number:03}")
    return made.model_copy(update={"plan": f"plan-{number}"})


def test_lines_that_differ_in_ids_and_sources_alone_are_one_request():
    found = assert_same(lines_of([paid(number) for number in range(20)]), AFTER, recorded=(OFFICE,))
    assert (found.decisions, found.distinct) == (20, 1)


def test_what_no_policy_looks_at_makes_no_other_request_and_what_one_looks_at_does():
    texts = [paid(number, text=f"dear number {number}") for number in range(20)]
    assert assert_same(lines_of(texts), AFTER, recorded=(OFFICE,)).distinct == 1
    amounts = [paid(number, amount=number) for number in range(20)]
    assert assert_same(lines_of(amounts), AFTER, recorded=(OFFICE,)).distinct == 20


def test_a_call_that_was_altered_is_never_taken_for_one_that_was_not():
    events = [paid(number, text="word") for number in range(6)]
    call = events[4].call
    altered = call.model_copy(update={"arguments": {**call.arguments, "text": "wort"}})
    events[4] = events[4].model_copy(update={"call": altered})
    found = assert_same(lines_of(events), AFTER, recorded=(OFFICE,))
    assert found.determinism.not_reproducible == {"altered": 1}
    assert found.determinism.reproduced == 5


def test_arguments_that_look_like_sources_are_read_as_arguments():
    rule = {
        "id": "a",
        "effect": "deny",
        "tools": ["read"],
        "when": {"args.path.digest": {"eq": SOURCE_SHAPED["digest"]}},
    }
    after = bundle(add=(rule,))
    others = [{**SOURCE_SHAPED, "digest": f"sha256:{number % 2:064x}"} for number in range(8)]
    events = [event(request("read", path=path), OFFICE) for path in (*others, SOURCE_SHAPED, *others)]
    found = assert_same(lines_of(events), after, recorded=(OFFICE,))
    assert sum(flip.count for flip in found.bundles[0].flips) == 1


def test_a_call_altered_where_it_looks_like_a_source_is_seen():
    events = [event(request("read", path=SOURCE_SHAPED), OFFICE) for _ in range(6)]
    call = events[5].call
    altered = call.model_copy(update={"arguments": {"path": {**SOURCE_SHAPED, "digest": f"sha256:{1:064x}"}}})
    events[5] = events[5].model_copy(update={"call": altered})
    assert assert_same(lines_of(events), AFTER).bundles[0].not_reproducible == {"altered": 1}


def test_a_withheld_value_is_never_taken_for_one_that_is_shown():
    events = [paid(number) for number in range(4)]
    events += [event(request(amount=5), OFFICE, hide=("amount",)), event(request(amount=HIDDEN), OFFICE)]
    found = assert_same(lines_of(events), AFTER, recorded=(OFFICE,))
    assert found.determinism.not_reproducible == {"withheld": 1}


def test_a_line_that_cannot_be_read_is_not_taken_for_one_like_it():
    sound = lines_of([paid(number) for number in range(4)])
    torn = sound[3].replace(b'"plan":"plan-3"', b'"plan":"plan\\"')
    machine = TimeMachine([AFTER], gather_uses=False)
    for line in (*sound, torn, b"[]", sound[2][:-1]):
        machine.add_line(line)
    report = machine.report()
    assert (report.decisions, report.malformed) == (4, 3)


def test_places_are_the_earliest_whatever_the_order():
    read = lines_of([paid(number) for number in range(30)])
    (found,) = together([*read[10:], *read[:10]], (bundle(drop=("small",)),), ()).bundles
    assert found.flips[0].runs == tuple(f"run-{number:03}" for number in range(5))
