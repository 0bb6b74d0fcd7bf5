"""``aisecops drift``: exit codes, files for CI, and what it says of a log that cannot be trusted."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import orjson
import pytest
from cli_logs import Run, segment_of, write_log
from drift_kit import BUNDLE, START, bundle, event, request

from aisecops_langchain import load_policy
from aisecops_langchain.audit import verify_log
from aisecops_langchain.cli.drift_files import sarif_of
from aisecops_langchain.cli.drift_gate import Judged
from aisecops_langchain.domain.decision import Decision, Effect
from aisecops_langchain.domain.events import ModelStarted
from aisecops_langchain.forensics.drift import TimeMachine
from aisecops_langchain.forensics.drift.proposal import Uses
from aisecops_langchain.policy.kept import kept_path
from aisecops_langchain.runtime.policies.keeping import KeptPolicies

OFFICE = bundle()
OPEN_RULE = {"id": "all", "effect": "allow", "tools": ["pay"]}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    events = [event(request(amount=amount), OFFICE, trace=f"run-{amount}") for amount in (5, 6, 500)]
    events.append(event(request("read", path="a"), OFFICE, trace="run-5"))
    return write_log(tmp_path / "home" / "audit", events).parent


def save(path: Path, **changes: Any) -> str:
    path.write_text(json.dumps({**BUNDLE, **changes}))
    return str(path)


@pytest.fixture
def office(tmp_path: Path) -> str:
    return save(tmp_path / "office.yaml")


@pytest.fixture
def wide(tmp_path: Path) -> str:
    rules = [rule for rule in BUNDLE["rules"] if rule["id"] != "large"]
    return save(tmp_path / "wide.yaml", rules=[*rules, OPEN_RULE])


@pytest.fixture
def narrow(tmp_path: Path) -> str:
    when = {"context.integrity": {"at_most": "user"}}
    rule = {"id": "none", "effect": "deny", "tools": ["pay"], "when": when}
    return save(tmp_path / "narrow.yaml", rules=[*BUNDLE["rules"], rule])


def test_the_recorded_bundle_changes_nothing(run: Run, log: Path, office: str) -> None:
    result = run("drift", str(log), "--policy", office, "--recorded", office, "--fail-on", "any")
    assert result.exit_code == 0, result.output
    assert "As recorded: 4; not reproducible: 0." in result.output
    assert "0 newly-allowed" in result.output


def test_what_would_be_newly_allowed_closes_the_gate_and_shows_runs_and_reasons(
    run: Run, log: Path, office: str, wide: str
) -> None:
    result = run("drift", str(log), "--policy", wide, "--recorded", office)
    assert result.exit_code == 1
    assert "FAILED: policy office: 1 newly-allowed" in result.output
    assert "run-500" in result.output
    assert "now: rule all (allow) matched" in result.output
    assert run("drift", str(log), "--policy", wide, "--fail-on", "none").exit_code == 0


@pytest.mark.parametrize(("fail_on", "code"), [("newly-allowed", 0), ("newly-denied", 1), ("terms", 0), ("any", 1)])
def test_the_gate_is_chosen(run: Run, log: Path, narrow: str, fail_on: str, code: int) -> None:
    result = run("drift", str(log), "--policy", narrow, "--fail-on", fail_on)
    assert result.exit_code == code
    assert ("FAILED: policy office: 3 newly-denied" in result.output) is bool(code)


def test_decisions_of_other_policies_are_named_and_gate_if_asked(run: Run, log: Path, wide: str) -> None:
    result = run("drift", str(log), "--recorded", wide)
    assert result.exit_code == 0
    assert "Not checked: 4 decisions" in result.output
    assert run("drift", str(log), "--recorded", wide, "--fail-on", "unchecked").exit_code == 1


def test_a_determinism_fault_always_fails(run: Run, tmp_path: Path, office: str) -> None:
    made = Decision.model_validate({**OFFICE.decide(request(amount=500)).model_dump(), "effect": Effect.ALLOW})
    home = write_log(tmp_path / "audit", [event(request(amount=500), made)])
    result = run("drift", str(home), "--recorded", office, "--fail-on", "none")
    assert result.exit_code == 1
    assert "DETERMINISM FAULT: 1 x pay" in result.output


@pytest.mark.parametrize("over_time", [False, True])
@pytest.mark.parametrize("damage", [lambda raw: raw.replace(b'"amount":500', b'"amount":400'), lambda raw: raw[:-40]])
def test_a_log_that_was_changed_or_cut_is_told_first_and_fails(
    run: Run, log: Path, office: str, tmp_path: Path, damage: Any, *, over_time: bool
) -> None:
    segment = segment_of(log / "audit")
    segment.write_bytes(damage(segment.read_bytes()))
    if over_time:
        result = run("drift", str(log), "--over-time", "--before", (START + timedelta(days=400)).isoformat())
        assert result.exit_code != 0
        return
    junit, sarif = tmp_path / "d.xml", tmp_path / "d.sarif"
    result = run(
        "drift", str(log), "--policy", office, "--junit", str(junit), "--sarif", str(sarif), "--fail-on", "none"
    )
    assert result.exit_code == 1
    assert result.output.startswith("LOG DOES NOT VERIFY")
    assert ET.parse(junit).getroot().find("testsuite").get("failures") != "0"
    (one,) = orjson.loads(sarif.read_bytes())["runs"]
    assert one["invocations"] == [{"executionSuccessful": False}]
    assert "log" in {found["ruleId"] for found in one["results"]}
    found = json.loads(run("drift", str(log), "--policy", office, "--json").output)
    assert not found["ok"]
    assert not found["log"]["verified"]


def test_junit_says_the_same_as_the_exit_code(run: Run, log: Path, wide: str, tmp_path: Path) -> None:
    file = tmp_path / "drift.xml"
    assert run("drift", str(log), "--policy", wide, "--junit", str(file)).exit_code == 1
    root = ET.parse(file).getroot()
    assert root.tag == "testsuites"
    first, second = root.findall("testsuite")
    assert (first.get("name"), first.get("failures")) == ("log", "0")
    assert (second.get("name"), second.get("tests"), second.get("failures")) == ("office", "5", "1")
    (failed,) = [case for case in second.findall("testcase") if case.find("failure") is not None]
    assert failed.get("name") == "newly-allowed"
    assert "require_approval -> allow" in (failed.find("failure").text or "")
    for suite in (first, second):
        assert int(suite.get("tests", "0")) == len(suite.findall("testcase"))


@pytest.mark.parametrize(
    ("place", "uri"),
    [
        ("s3a://audit/exported", "s3a://audit/exported"),
        ("abfss://logs@acme.dfs.core.windows.net/a log", "abfss://logs@acme.dfs.core.windows.net/a%20log"),
        ("governance/a:log", "governance/a%3Alog"),
    ],
)
def test_sarif_names_the_log_as_it_was_named(log: Path, place: str, uri: str) -> None:
    judged = Judged(place, verify_log(log), 1, TimeMachine([]).report(), (), frozenset(), Uses())
    results = orjson.loads(sarif_of(judged))["runs"][0]["results"]
    assert {item["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for item in results} == {uri}
    assert judged.to_json()["log"]["path"] == place  # type: ignore[index]


def test_sarif_has_the_shape_of_the_standard(run: Run, log: Path, wide: str, tmp_path: Path) -> None:
    file = tmp_path / "drift.sarif"
    run("drift", str(log), "--policy", wide, "--sarif", str(file))
    document = orjson.loads(file.read_bytes())
    assert document["version"] == "2.1.0"
    assert document["$schema"].endswith("sarif-schema-2.1.0.json")
    (one,) = document["runs"]
    driver = one["tool"]["driver"]
    assert driver["name"]
    rules = [rule["id"] for rule in driver["rules"]]
    assert len(set(rules)) == len(rules)
    assert one["results"]
    for found in one["results"]:
        assert rules[found["ruleIndex"]] == found["ruleId"]
        assert found["level"] in {"none", "note", "warning", "error"}
        assert found["message"]["text"]
        assert found["occurrenceCount"] >= 1
        assert found["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].endswith("wide.yaml")
    assert {(found["ruleId"], found["level"]) for found in one["results"]} == {("newly-allowed", "error")}


def test_names_from_the_log_can_neither_break_a_file_nor_move_a_terminal(run: Run, tmp_path: Path, office: str) -> None:
    evil = 'x"/><script>]]>\x1b[2J\u202e\x00'
    made = OFFICE.decide(request(amount=5)).model_copy(update={"rules": (evil,)})
    home = write_log(tmp_path / "audit", [event(request(evil), made, trace=evil)])
    junit, sarif = tmp_path / "d.xml", tmp_path / "d.sarif"
    for extra in ((), ("--json",)):
        result = run(
            "drift",
            str(home),
            "--policy",
            office,
            "--fail-on",
            "any",
            "--junit",
            str(junit),
            "--sarif",
            str(sarif),
            *extra,
        )
        assert result.exit_code == 1
        assert not {"\x1b", "\u202e", "\x00"} & set(result.output)
    ET.parse(junit)
    assert "\u202e" not in sarif.read_text() + junit.read_text()


def test_the_proposal_is_a_bundle_that_denies_until_it_is_reviewed(run: Run, tmp_path: Path, office: str) -> None:
    events = [event(request(amount=amount, to="ACME: #1"), OFFICE, trace=f"r{amount}") for amount in (5, 7, 500)]
    events.append(event(request("read", path="secret@example.com"), OFFICE, hide=("path",)))
    events.append(event(request(amount=5000, to="mallory"), OFFICE))
    home = write_log(tmp_path / "audit", events)
    draft = tmp_path / "draft.yaml"
    assert run("drift", str(home), "--recorded", office, "--propose", str(draft)).exit_code == 0
    assert run("policy", "check", str(draft)).exit_code == 0
    assert "mallory" not in draft.read_text()
    assert "example.com" not in draft.read_text()
    policy = load_policy(draft)
    assert policy.agents == {"clerk"}
    assert policy.tools == {"pay", "read"}
    for item in (request(amount=5, to="ACME: #1"), request("read", path="a")):
        decision = policy.decide(item)
        assert (decision.effect, decision.rules) == (Effect.DENY, ("deny-until-reviewed",))
    assert policy.decide(request(amount=501, to="ACME: #1")).stage == "arguments"
    assert policy.decide(request(amount=5, to="mallory")).stage == "arguments"


def test_no_draft_is_made_of_a_log_that_was_changed(run: Run, log: Path, office: str, tmp_path: Path) -> None:
    segment = segment_of(log / "audit")
    segment.write_bytes(segment.read_bytes().replace(b'"path":"a"', b'"path":"b"'))
    draft = tmp_path / "draft.yaml"
    assert run("drift", str(log), "--recorded", office, "--propose", str(draft)).exit_code == 1
    assert not draft.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--over-time",),
        ("--before", "2026-03-01"),
        ("--over-time", "--before", "yesterday"),
        ("--over-time", "--before", "2026-03-02", "--after", "2026-03-01"),
        ("--over-time", "--before", "2020-01-01"),
    ],
)
def test_arguments_that_say_nothing_are_refused(run: Run, log: Path, arguments: tuple[str, ...]) -> None:
    result = run("drift", str(log), *arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_a_log_without_decisions_never_passes(run: Run, tmp_path: Path, office: str) -> None:
    home = write_log(tmp_path / "audit", [])
    result = run("drift", str(home), "--policy", office)
    assert result.exit_code == 2
    assert "no decision" in result.output


def test_drift_over_time_names_what_changed_and_the_runs_behind_it(run: Run, tmp_path: Path, office: str) -> None:
    events: list[Any] = []
    for number in range(80):
        late = number >= 40
        time = START + timedelta(days=late, minutes=number)
        trace = f"run-{number:02}"
        amount = 500 if late else 5
        events.append(event(request(amount=amount), OFFICE, trace=trace, time=time))
        events.append(event(request("read", path="a"), OFFICE, trace=trace, time=time))
        place = {"trace": trace, "thread": "t", "principal": request().principal, "policy": OFFICE.digest}
        model = ModelStarted(
            id=f"m{number:031}",
            time=time,
            run=str(number),
            name="gpt-b" if late else "gpt-a",
            input_digest="d",
            **place,
        )
        events.append(model)
    home = write_log(tmp_path / "audit", events)
    split = (START + timedelta(hours=12)).isoformat()
    result = run("drift", str(home), "--over-time", "--before", split, "--recorded", office)
    assert result.exit_code == 0, result.output
    assert "40 runs before, 40 after." in result.output
    assert "model gpt-a: 40 runs before, 0 after" in result.output
    found = json.loads(run("drift", str(home), "--over-time", "--before", split, "--json").output)
    changed = {(shift["dimension"], shift["value"]): shift for shift in found["shifts"] if not shift["version"]}
    asked = changed["decision", "pay: require_approval"]
    assert (asked["before"], asked["after"]) == (0, 40)
    assert asked["runs"] == [f"run-{number}" for number in range(40, 45)]
    assert asked["q"] < 0.001
    assert ("tool", "read") not in changed
    assert ("trust", "user") not in changed
    within = {shift["version"] for shift in found["shifts"]}
    assert within == {"", f"policy {OFFICE.digest}"}


def keep(home: Path) -> Path:
    """What a governor does before the office decides."""
    KeptPolicies(home / "policies").keep(OFFICE)
    return kept_path(home / "policies", OFFICE.digest)


def test_a_home_that_kept_its_bundle_is_checked_without_naming_it(run: Run, log: Path, wide: str) -> None:
    keep(log)
    for path in (log, log / "audit", segment_of(log / "audit")):
        alone = run("drift", str(path))
        assert alone.exit_code == 0, alone.output
        assert "As recorded: 4; not reproducible: 0." in alone.output
    assert "As recorded: 4" in run("drift", str(log), "--policy", wide).output
    assert run("drift", str(log), "--policy", wide, "--fail-on", "unchecked").exit_code == 0


def test_a_kept_bundle_finds_a_decision_that_it_never_made(run: Run, tmp_path: Path) -> None:
    asked = request(amount=500)
    forged = OFFICE.decide(asked).model_copy(update={"effect": Effect.ALLOW})
    home = write_log(tmp_path / "home" / "audit", [event(asked, forged)]).parent
    keep(home)
    result = run("drift", str(home))
    assert result.exit_code == 1
    assert "DETERMINISM FAULT" in result.output


def test_a_kept_bundle_that_was_changed_ends_the_command(run: Run, log: Path, office: str) -> None:
    file = keep(log)
    file.write_bytes(file.read_bytes().replace(b"1000", b"9999"))
    result = run("drift", str(log), "--recorded", office)
    assert result.exit_code == 1
    assert "was changed" in result.output


def test_a_kept_bundle_that_is_missing_leaves_its_decisions_unchecked(run: Run, log: Path, wide: str) -> None:
    keep(log).unlink()
    assert run("drift", str(log)).exit_code == 2
    result = run("drift", str(log), "--policy", wide, "--fail-on", "unchecked")
    assert result.exit_code == 1
    assert "policies that are not at hand" in result.output
