"""History decided again: as recorded under its own policy, and honestly under others."""

from __future__ import annotations

import orjson
import pytest
from drift_kit import HIDDEN, bundle, event, replay, request

from aisecops_langchain.domain.decision import Decision, Effect, Reason, Stage
from aisecops_langchain.domain.effects import ToolEffect, ToolProfile
from aisecops_langchain.domain.principal import Delegator, Principal
from aisecops_langchain.domain.task import TaskStanding
from aisecops_langchain.domain.usage import Ceiling, Usage
from aisecops_langchain.forensics.drift import Change, TimeMachine, Unknown
from aisecops_langchain.policy.delegated import delegator_denied, meet, narrowed

OFFICE = bundle()
DENY_TAINTED = {
    "id": "tainted",
    "effect": "deny",
    "tools": ["pay"],
    "when": {"context.integrity": {"at_most": "untrusted"}},
}
BUDGETS = {"budgets": {"calls": {"measure": "calls", "limit": 3}}}


def delegated(**arguments):
    """A request of the clerk in the boss's place."""
    principal = Principal(agent="clerk", user="alice", delegators=(Delegator(agent="boss", warrant="w"),))
    return request(**arguments).model_copy(update={"principal": principal})


def bosses(capabilities: list[str]):
    """The office, where the boss holds other capabilities."""
    return bundle(agents={"clerk": {"capabilities": ["read", "pay"]}, "boss": {"capabilities": capabilities}})


def test_history_comes_out_as_recorded_under_its_own_policy():
    events = [event(request(amount=amount), OFFICE) for amount in (1, 99, 100, 5000)]
    events += [event(request("read", path="a"), OFFICE), event(request("wipe"), OFFICE)]
    report = replay(events, OFFICE, recorded=(OFFICE,))
    assert report.determinism.reproduced == report.decisions == 6
    assert not report.faults
    (found,) = report.bundles
    assert found.same == 6
    assert not found.flips


def test_another_policy_shows_each_kind_of_change_with_its_trace_and_runs():
    after = bundle(
        drop=("read", "large"),
        add=(
            {"id": "no-reading", "effect": "deny", "tools": ["read"]},
            {"id": "any", "effect": "allow", "tools": ["pay"], "when": {"args.amount": {"ge": 100}}},
            {"id": "ask", "effect": "require_approval", "tools": ["pay"], "when": {"args.amount": {"lt": 100}}},
        ),
    )
    events = [
        event(request("read", path="a"), OFFICE, trace="r1"),
        event(request("read", path="a"), OFFICE, trace="r2"),
        event(request(amount=5), OFFICE, trace="p1"),
        event(request(amount=500), OFFICE, trace="p2"),
    ]
    (found,) = replay(events, after, recorded=(OFFICE,)).bundles
    assert found.changed == {
        Change.NEWLY_ALLOWED: 1,
        Change.NEWLY_DENIED: 2,
        Change.NEWLY_ASKED: 1,
        Change.TERMS: 0,
    }
    denied = next(flip for flip in found.flips if flip.change is Change.NEWLY_DENIED)
    assert (denied.count, denied.runs, denied.new_rules) == (2, ("r1", "r2"), ("no-reading",))
    assert denied.explanation is not None
    assert [rule.id for rule in denied.explanation.rules] == ["no-reading"]
    by_rule = {item.rule: item for item in found.rules}
    assert (by_rule["read"].before, by_rule["read"].after, by_rule["read"].flips) == (2, 0, 2)
    assert (by_rule["any"].before, by_rule["any"].after, by_rule["any"].flips) == (0, 1, 1)


def test_coverage_names_what_no_request_exercises():
    (found,) = replay([event(request("read", path="a"), OFFICE)], OFFICE).bundles
    assert found.coverage.matched == {"read": 1}
    assert found.coverage.never_matched == ("large", "small")
    assert found.coverage.unused_capabilities == ("pay",)
    assert found.coverage.unused_tools == ("pay",)
    assert found.coverage.unseen_agents == ("boss",)


@pytest.mark.parametrize(
    "forged",
    [{"effect": "allow"}, {"rules": []}, {"reasons": [{"code": "rule", "message": "x"}]}, {"capability": "read"}],
)
def test_a_decision_that_policy_never_made_is_a_determinism_fault(forged):
    asked = request(amount=500)
    made = Decision.model_validate({**OFFICE.decide(asked).model_dump(), **forged})
    report = replay([event(asked, made, trace="forged")], recorded=(OFFICE,))
    (fault,) = report.determinism.faults
    assert report.faults == 1
    assert fault.runs == ("forged",)
    assert fault.again is Effect.REQUIRE_APPROVAL


def test_decisions_of_a_policy_that_is_not_at_hand_are_told():
    other = bundle(id="other")
    report = replay([event(request(amount=1), other)], OFFICE, recorded=(OFFICE,))
    assert report.determinism.unchecked == {other.digest: 1}
    assert report.determinism.reproduced == 0
    assert report.bundles[0].same == 1  # what the office would say of it can be told all the same


def test_a_withheld_argument_that_policy_reads_is_not_reproducible_and_never_an_allow():
    widest = bundle(drop=("large",), add=({"id": "all", "effect": "allow", "tools": ["pay"]},))
    report = replay([event(request(amount=500), OFFICE, hide=("amount",))], widest, recorded=(OFFICE,))
    (found,) = report.bundles
    assert found.not_reproducible == {Unknown.WITHHELD: 1}
    assert found.same == 0
    assert not found.flips
    assert report.determinism.not_reproducible == {Unknown.WITHHELD: 1}


def test_a_withheld_argument_that_policy_does_not_read_leaves_the_answer_known():
    after = bundle(add=(DENY_TAINTED,))
    events = [event(request(amount=5, iban="DE1", integrity="untrusted"), OFFICE, hide=("iban",))]
    report = replay(events, after, recorded=(OFFICE,))
    assert report.determinism.reproduced == 1
    assert report.bundles[0].changed[Change.NEWLY_DENIED] == 1


def test_a_condition_in_cel_reads_every_argument():
    pytest.importorskip("cel_expr_python")
    after = bundle(add=({"id": "cel", "effect": "deny", "tools": ["pay"], "when": {"cel": "has(args.iban)"}},))
    (found,) = replay([event(request(amount=5, iban="DE1"), OFFICE, hide=("iban",))], after).bundles
    assert found.not_reproducible == {Unknown.WITHHELD: 1}


@pytest.mark.parametrize("value", [1, "", None, HIDDEN])
def test_an_erased_or_forged_argument_is_not_reproducible_even_if_the_event_says_it_is_complete(value):
    made = event(request(amount=500), OFFICE)
    call = made.call.model_copy(update={"arguments": {"amount": value}})
    report = replay([made.model_copy(update={"call": call})], OFFICE, recorded=(OFFICE,))
    assert report.bundles[0].not_reproducible == {Unknown.ALTERED: 1}
    assert report.determinism.not_reproducible == {Unknown.ALTERED: 1}


def test_a_call_that_hides_something_unsaid_is_believed_in_nothing():
    made = event(request(amount=500), OFFICE)
    call = made.call.model_copy(update={"complete": False, "arguments": {"amount": 1}})
    (found,) = replay([made.model_copy(update={"call": call})], OFFICE).bundles
    assert found.not_reproducible == {Unknown.WITHHELD: 1}


@pytest.mark.parametrize("stage", [Stage.STOP, Stage.DEFINITION])
def test_what_a_stop_or_a_pin_denied_stays_denied_under_every_policy(stage):
    asked = request(amount=500)
    made = narrowed(OFFICE.decide(asked), stage, Reason(code="stopped", message="a person stopped it"))
    widest = bundle(drop=("large",), add=({"id": "all", "effect": "allow", "tools": ["pay"]},))
    report = replay([event(asked, made)], widest, recorded=(OFFICE,))
    assert report.determinism.reproduced == 1
    assert (report.bundles[0].same, report.bundles[0].held) == (1, 1)


def test_a_stop_does_not_hide_a_decision_that_policy_never_made():
    asked = request(amount=500)
    reason = Reason(code="stopped", message="a person stopped it")
    forged = narrowed(OFFICE.decide(request(amount=5)), Stage.STOP, reason)
    assert replay([event(asked, forged)], recorded=(OFFICE,)).faults == 1


def test_a_delegated_call_is_decided_for_every_delegator():
    asked = delegated(amount=5)
    passed = meet(OFFICE.decide(asked), OFFICE.decide(request(agent="boss", amount=5)), "boss")
    report = replay([event(asked, passed)], OFFICE, bosses(["read"]), recorded=(OFFICE,))
    same, less = report.bundles
    assert report.determinism.reproduced == 1
    assert same.same == 1
    assert less.changed[Change.NEWLY_DENIED] == 1
    assert less.flips[0].new_reason == "delegator 'boss' may not do this: no_capability"


def test_what_a_delegator_may_do_now_is_allowed_where_his_was_the_only_no():
    before = bosses(["read"])
    asked = delegated(amount=5)
    theirs = before.decide(request(agent="boss", amount=5))
    made = narrowed(before.decide(asked), Stage.DELEGATION, delegator_denied("boss", theirs))
    report = replay([event(asked, made)], OFFICE, recorded=(before,))
    assert report.determinism.reproduced == 1
    assert report.bundles[0].changed[Change.NEWLY_ALLOWED] == 1


def test_a_delegated_call_whose_warrant_nobody_judged_is_not_reproducible():
    before = bundle(drop=("small",))
    report = replay([event(delegated(amount=5), before)], OFFICE, bosses(["read"]), recorded=(before,))
    assert report.determinism.reproduced == 1
    unknown, denied = report.bundles
    assert unknown.not_reproducible == {Unknown.WARRANT: 1}
    assert denied.same == 1  # the delegator denies it in any case


def test_what_a_warrant_does_not_cover_stays_denied():
    asked = delegated(amount=5)
    reason = Reason(code="warrant_narrower", message="the warrant does not cover this call")
    made = narrowed(OFFICE.decide(asked), Stage.DELEGATION, reason)
    report = replay([event(asked, made)], OFFICE, recorded=(OFFICE,))
    assert report.determinism.reproduced == 1
    assert (report.bundles[0].same, report.bundles[0].held) == (1, 1)


def test_a_ceiling_that_nobody_would_count_denies():
    before = bundle(**BUDGETS)
    usage = Usage(used={"calls": 0}, ceilings=(Ceiling(warrant="w", budget="calls", limit=2),))
    asked = delegated(amount=5).model_copy(update={"usage": usage})
    theirs = before.decide(request(agent="boss", amount=5).model_copy(update={"usage": usage}))
    report = replay([event(asked, meet(before.decide(asked), theirs, "boss"))], OFFICE, recorded=(before,))
    assert report.determinism.reproduced == 1
    assert report.bundles[0].changed[Change.NEWLY_DENIED] == 1


def test_budgets_are_held_against_what_was_counted_then():
    before = bundle(**BUDGETS)
    asked = request(amount=5).model_copy(update={"usage": Usage(used={"calls": 2})})
    tighter = bundle(budgets={"calls": {"measure": "calls", "limit": 2}})
    report = replay([event(asked, before)], tighter, recorded=(before,))
    assert report.determinism.reproduced == 1
    assert report.bundles[0].changed[Change.NEWLY_DENIED] == 1


@pytest.mark.parametrize(
    "budgets",
    [
        {"calls": {"measure": "calls", "limit": 9, "per": "tenant"}},
        {"calls": {"measure": "calls", "limit": 9}, "other": {"measure": "calls", "limit": 9}},
        {"calls": {"measure": "writes", "limit": 9}},
    ],
)
def test_a_budget_that_nobody_counted_is_not_taken_for_empty(budgets):
    before, after = bundle(**BUDGETS), bundle(budgets=budgets)
    used = Usage(used={"calls": 2})
    events = [event(request(amount=a).model_copy(update={"usage": used}), before) for a in (5, 5000)]
    (found,) = replay(events, after, recorded=(before,)).bundles
    assert found.not_reproducible == {Unknown.USAGE: 1}
    assert found.same == 1  # beyond the capability's constraint: denied whatever was used


def test_a_task_that_was_read_for_another_meaning_of_the_tool_is_not_reproducible():
    outside = {"task_scope": {"outside": "deny"}}
    profile = {"tools": {"pay": {"effects": ["spend"], "amounts": ["amount"]}}}
    before = bundle(**outside, **profile)
    asked = request(amount=5).model_copy(
        update={"task": TaskStanding(scope="sha256:x", tool_in_scope=True, in_scope=True)}
    )
    again = bundle(**outside, **profile, add=(DENY_TAINTED,))
    other = bundle(**outside, tools={"pay": {"effects": ["spend", "send"], "amounts": ["amount"]}})
    report = replay([event(asked, before)], again, other, recorded=(before,))
    assert report.determinism.reproduced == 1
    assert report.bundles[0].same == 1
    assert report.bundles[1].not_reproducible == {Unknown.TASK: 1}
    (unread,) = replay([event(asked, bundle())], again, recorded=(bundle(),)).bundles
    assert unread.not_reproducible == {Unknown.TASK: 1}


def test_another_approval_for_the_same_answer_is_told_as_other_terms():
    two = bundle(
        drop=("large",),
        add=(
            {
                "id": "large",
                "effect": "require_approval",
                "tools": ["pay"],
                "when": {"args.amount": {"ge": 100}},
                "approval": {"approvers": 2},
            },
        ),
    )
    (found,) = replay([event(request(amount=500), OFFICE)], two).bundles
    assert found.changed[Change.TERMS] == 1


def test_the_tools_own_declaration_counts_only_where_the_bundle_says_nothing():
    profile = ToolProfile(effects=(ToolEffect.READ,))
    rule = {"id": "sends", "effect": "deny", "tools": ["read"], "when": {"tool.effects": {"contains": "send"}}}
    asked = request("read", path="a").model_copy(update={"profile": profile})
    silent = bundle(add=(rule,))
    spoken = bundle(add=(rule,), tools={"read": {"effects": ["send"]}})
    first, second = replay([event(asked, OFFICE)], silent, spoken).bundles
    assert first.same == 1
    assert second.changed[Change.NEWLY_DENIED] == 1


def test_more_requests_than_are_remembered_are_all_counted(monkeypatch):
    monkeypatch.setattr("aisecops_langchain.forensics.drift.history._REMEMBERED", 3)
    report = replay([event(request(amount=n % 7), OFFICE) for n in range(70)], OFFICE, recorded=(OFFICE,))
    assert report.determinism.reproduced == report.bundles[0].same == report.decisions == 70


def test_sources_of_one_kind_are_one_request_and_labels_are_not():
    low, high = request(amount=5, integrity="untrusted"), request(amount=5)
    report = replay([event(item, OFFICE) for item in (low, high, low)], OFFICE)
    assert (report.decisions, report.distinct) == (3, 2)


@pytest.mark.parametrize(
    "damage",
    [
        lambda line: line.pop("decision"),
        lambda line: line.update(call=3),
        lambda line: line.update(trace=None),
        lambda line: line.update(context={"sources": [1]}),
        lambda line: line.update(argument_labels=[]),
        lambda line: line.update(kind="run_paused"),
    ],
)
def test_what_is_no_decision_is_counted_and_hides_nothing(damage):
    line = orjson.loads(event(request(amount=5), OFFICE).model_dump_json())
    damage(line)
    machine = TimeMachine([OFFICE])
    machine.add(line)
    machine.add(orjson.loads(event(request(amount=6), OFFICE).model_dump_json()))
    report = machine.report()
    assert (report.malformed, report.decisions) == (1, 1)
