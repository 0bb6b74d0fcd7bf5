"""The measures of governance are sums over runs, and what cannot be told is said."""

from __future__ import annotations

from collections.abc import Iterable

import orjson
import pytest
from trace_factory import POLICY, Story, allowed_story, asked, governed_story, recorded

from aisecops_langchain.domain.events import (
    AnyEvent,
    ApprovalExpired,
    ApprovalGranted,
    ContentAdmitted,
    FindingRecord,
    RunFinished,
    RunStarted,
    ToolStarted,
)
from aisecops_langchain.domain.labels import UNLABELLED, Source, SourceKind
from aisecops_langchain.domain.principal import Approver
from aisecops_langchain.forensics.measures import Measures, measure
from aisecops_langchain.forensics.roster.gathering import Gathering
from aisecops_langchain.forensics.roster.takes import take
from aisecops_langchain.forensics.roster.telling import figures_of, row_of
from aisecops_langchain.policy import Policy, parse_policy

BUNDLE = """
version: 1
id: office
agents: {procurement: {capabilities: [all]}}
capabilities: {all: {tools: [export_data, pay_invoice, lookup]}}
rules: [{id: reading, effect: allow, tools: [lookup]}]
tools:
  export_data: {effects: [send]}
  pay_invoice: {effects: [spend]}
  lookup: {effects: [read]}
"""


def measured(runs: Iterable[list[AnyEvent]], policies: dict[str, Policy] | None = None) -> Measures:
    gathered = []
    for number, events in enumerate(runs):
        run = Gathering(f"trace-{number}")
        for event in events:
            take(run, orjson.loads(event.model_dump_json()))
        gathered.append(run)
    return measure([(row_of(run), figures_of(run)) for run in gathered], policies or {})


def test_decisions_outcomes_and_findings_are_added_up() -> None:
    found = measured([governed_story().events, allowed_story().events, allowed_story().events])
    assert (found.runs, found.executed) == (3, 3)
    assert found.decisions == {"deny": 1, "require_approval": 1, "allow": 2}
    assert found.outcomes == {"completed": 3}
    assert found.denied_tools == {"export_data": 1}
    assert found.findings == {"prompt_injection": 1}


def test_injections_are_all_findings_but_private_values_and_what_nobody_could_read() -> None:
    story = Story()
    story.add(RunStarted)
    found = [
        FindingRecord(rule="r", category=category, severity="high", start=0, end=1)
        for category in ("override", "hidden", "yara", "secret", "personal", "structure")
    ]
    source = Source(kind=SourceKind.TOOL_RESULT, name="letter", digest="sha256:l")
    story.add(ContentAdmitted, source=source, label=UNLABELLED, size=9, findings=tuple(found))
    assert measured([story.events]).injections == 3


def test_egress_is_told_by_the_bundle_that_decided_and_unknown_without_it() -> None:
    bundle = parse_policy(BUNDLE)
    known = measured([governed_story().events], {POLICY: bundle})
    assert (known.egress.attempts, known.egress.denied, known.egress.untold) == (1, 1, 0)
    unknown = measured([governed_story().events])
    assert (unknown.egress.attempts, unknown.egress.untold) == (0, 2)
    assert any("pass the bundles" in note for note in unknown.notes)


def test_people_who_say_yes_at_once_are_counted() -> None:
    story = Story()
    story.add(RunStarted)
    for number, (person, seconds) in enumerate((("bob", 1.5), ("bob", 2.5), ("ann", 60.0))):
        call = recorded("pay_invoice", f"call-{number}", {})
        asked(story, call, f"approval-{number}")
        facts = {"approver": Approver(id=person), "waited_seconds": seconds, "approval": f"approval-{number}"}
        story.add(ApprovalGranted, plan="plan-1", call_id=call.call_id, tool=call.tool, call=call.digest, **facts)
    late = recorded("pay_invoice", "call-9", {})
    asked(story, late, "approval-9")
    story.add(ApprovalExpired, plan="plan-1", call_id="call-9", tool=late.tool, call=late.digest, approval="approval-9")
    people = measured([story.events]).approvals
    assert (people.answers, people.approved, people.expired, people.fast) == (3, 3, 1, 2)
    assert [(item.approver, item.answered, item.median_seconds) for item in people.approvers] == [
        ("bob", 2, 2.0),
        ("ann", 1, 60.0),
    ]


def test_a_tool_that_ran_outside_of_governance_lowers_the_coverage() -> None:
    story = allowed_story()
    story.add(ToolStarted, run="t1", name="lookup", input_digest="sha256:a")
    story.add(ToolStarted, run="t2", parent_run="t1", name="inner", input_digest="sha256:a")
    assert measured([story.events]).coverage.share == 1.0
    story.add(ToolStarted, run="t3", name="shell", input_digest="sha256:a")
    covered = measured([story.events]).coverage
    assert (covered.witnessed, covered.outside, covered.share) == (2, 1, 0.5)
    assert measured([allowed_story().events]).coverage.share is None


@pytest.mark.parametrize("denied", [True, False])
def test_containment_is_the_time_from_a_finding_to_what_was_kept_from_happening(denied: bool) -> None:
    story = Story(step_ms=1000)
    story.add(RunStarted)
    finding = FindingRecord(rule="r", category="override", severity="high", start=0, end=1)
    source = Source(kind=SourceKind.TOOL_RESULT, name="letter", digest="sha256:l")
    story.add(ContentAdmitted, source=source, label=UNLABELLED, size=9, findings=(finding,))
    if denied:
        story.wait(seconds=2)
        asked(story, recorded("pay_invoice", "call-1", {}))
        story.add(
            ApprovalExpired, plan="plan-1", call_id="call-1", tool="pay_invoice", call="sha256:c", approval="approval-1"
        )
    story.add(RunFinished, outcome="completed")
    held = measured([story.events, allowed_story().events]).containment
    assert (held.runs, held.contained, held.open) == (1, int(denied), int(not denied))
    assert held.median_seconds == (4.0 if denied else None)


def test_of_no_runs_nothing_is_told() -> None:
    found = measured([])
    assert (found.runs, found.approvals.median_seconds, found.coverage.share) == (0, None, None)
