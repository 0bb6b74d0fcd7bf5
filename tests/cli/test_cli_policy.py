"""``aisecops policy``: a sound bundle answers, an unsound one is refused with file and line."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from cli_logs import Run

BUNDLE = """\
version: 1
id: procurement
agents:
  buyer:
    capabilities: [payments, reading]
capabilities:
  payments:
    tools: [pay_invoice]
    risk: high
    arguments:
      amount: {max: 1000}
  reading:
    tools: [lookup]
    risk: low
  exporting:
    tools: [export_data]
rules:
  - id: payments-need-a-person
    effect: require_approval
    tools: [pay_invoice]
  - id: reads-are-fine
    effect: allow
    tools: [lookup]
"""


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text(BUNDLE)
    return path


def ask(run: Run, bundle: Path, tool: str, arguments: str, *more: str) -> dict[str, object]:
    result = run("policy", "explain", bundle, "--agent", "buyer", "--tool", tool, "--args", arguments, "--json", *more)
    assert result.exit_code == 0, result.output
    return orjson.loads(result.stdout)


def test_a_sound_bundle_is_counted(run: Run, bundle: Path) -> None:
    people = run("policy", "check", bundle)
    assert people.exit_code == 0
    assert "id: procurement" in people.stdout
    shown = orjson.loads(run("policy", "check", bundle, "--json").stdout)
    assert (shown["ok"], shown["agents"], shown["capabilities"], shown["rules"]) == (True, 1, 3, 2)
    assert shown["digest"].startswith("sha256:")


def test_an_unsound_bundle_is_refused_with_file_and_line(run: Run, bundle: Path) -> None:
    bundle.write_text(BUNDLE.replace("effect: allow", "efect: allow"))
    for command in (("check", bundle), ("explain", bundle, "--agent", "a", "--tool", "t", "--args", "{}")):
        result = run("policy", *command)
        assert result.exit_code == 1
        assert result.stdout == ""
        assert f"{bundle}:" in result.stderr


def test_a_missing_bundle_is_refused(run: Run, tmp_path: Path) -> None:
    result = run("policy", "check", tmp_path / "none.yaml")
    assert result.exit_code == 2
    assert "does not exist" in result.stderr


@pytest.mark.parametrize(
    ("tool", "arguments", "effect"),
    [
        ("lookup", "{}", "allow"),
        ("pay_invoice", '{"amount": 10}', "require_approval"),
        ("pay_invoice", '{"amount": 5000}', "deny"),
        ("export_data", "{}", "deny"),
        ("unheard_of", "{}", "deny"),
    ],
)
def test_explain_gives_the_decision_and_why(run: Run, bundle: Path, tool: str, arguments: str, effect: str) -> None:
    shown = ask(run, bundle, tool, arguments)
    decision = shown["decision"]
    assert isinstance(decision, dict)
    assert decision["effect"] == effect
    assert decision["reasons"]
    people = run("policy", "explain", bundle, "--agent", "buyer", "--tool", tool, "--args", arguments)
    assert people.exit_code == 0
    assert people.stdout.startswith(effect.upper())


def test_explain_takes_what_a_case_takes_and_counts_usage(run: Run, bundle: Path) -> None:
    bundle.write_text(BUNDLE + "budgets: {calls: {measure: calls, limit: 2}}\n")
    assert ask(run, bundle, "lookup", "{}")["decision"]["effect"] == "allow"
    used = ask(run, bundle, "lookup", "{}", "--with", '{"usage": {"used": {"calls": 2}}}')
    assert used["decision"]["reasons"][0]["code"] == "budget_exceeded"
    for wrong in ['{"usage": {"used": {"cals": 2}}}', '{"nonsense": 1}', "[]"]:
        asked = ["--agent", "buyer", "--tool", "lookup", "--args", "{}", "--with", wrong]
        assert run("policy", "explain", bundle, *asked).exit_code == 2


@pytest.mark.parametrize("arguments", ["", "{", "[]", '"x"', '{"a": NaN}'])
def test_arguments_that_are_no_object_are_unusable(run: Run, bundle: Path, arguments: str) -> None:
    result = run("policy", "explain", bundle, "--agent", "buyer", "--tool", "lookup", "--args", arguments)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1


def test_an_empty_agent_is_unusable(run: Run, bundle: Path) -> None:
    result = run("policy", "explain", bundle, "--agent", "", "--tool", "lookup", "--args", "{}")
    assert result.exit_code == 2
    assert "agent" in result.stderr


def test_hostile_arguments_reach_no_terminal(run: Run, bundle: Path) -> None:
    result = run("policy", "explain", bundle, "--agent", "\x1b[2J", "--tool", "\x9b", "--args", '{"a": "\\u001b[31m"}')
    assert result.exit_code == 0
    assert not set(result.output) & {"\x1b", "\x9b"}


def test_check_tells_what_has_no_effect_and_refuses_a_contradiction(run: Run, bundle: Path) -> None:
    result = run("policy", "check", bundle)
    assert result.exit_code == 0
    assert "warning: unheld_capability: no agent holds capability 'exporting'" in result.stdout
    assert run("policy", "check", bundle, "--strict").exit_code == 1
    conditions = ("    when: {args.page: {lt: 5}}\n", "    when: {args.page: {lt: 9}}\n")
    contradiction = "".join(
        f"  - id: {name}\n    effect: {effect}\n    tools: [lookup]\n{when}"
        for name, effect, when in zip(("small", "never"), ("allow", "deny"), conditions, strict=True)
    )
    bundle.write_text(BUNDLE + contradiction)
    shown = run("policy", "check", bundle, "--json")
    assert shown.exit_code == 1
    answer = orjson.loads(shown.stdout)
    assert answer["ok"] is False
    errors = [(item["code"], item["subject"]) for item in answer["findings"] if item["severity"] == "error"]
    assert errors == [("shadowed_rule", "small")]


CASES = """\
cases:
  - {name: a person is asked, agent: buyer, tool: pay_invoice, args: {amount: 5}, expect: require_approval}
  - {name: reads pass, agent: buyer, tool: lookup, expect: allow, rule: reads-are-fine}
"""


def test_cases_beside_the_bundle_pass_or_are_explained(run: Run, bundle: Path, tmp_path: Path) -> None:
    assert "there are no cases" in run("policy", "test", bundle).stderr
    cases = bundle.with_suffix(".tests.yaml")
    cases.write_text(CASES)
    passed = run("policy", "test", bundle)
    assert (passed.exit_code, passed.stdout.splitlines()[-1]) == (0, "2 passed, 0 failed")
    cases.write_text(CASES.replace("expect: allow", "expect: deny"))
    failed = run("policy", "test", bundle, "--junit", tmp_path / "junit.xml")
    assert failed.exit_code == 1
    assert "FAILED reads pass\n  expected deny, got allow" in failed.stdout
    assert "Rule reads-are-fine (allow): matched" in failed.stdout
    assert 'failures="1"' in (tmp_path / "junit.xml").read_text()
    shown = orjson.loads(run("policy", "test", bundle, "--json").stdout)
    assert (shown["ok"], shown["passed"], shown["failed"]) == (False, 1, 1)
    assert shown["cases"][1]["explanation"]["decision"]["effect"] == "allow"


def test_diff_shows_a_request_or_says_that_there_is_none(run: Run, bundle: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(BUNDLE + "# the same\n")
    same = run("policy", "diff", bundle, other)
    assert same.exit_code == 0
    assert same.stdout.startswith("no request is decided differently")
    other.write_text(BUNDLE.replace("max: 1000", "max: 1001"))
    different = run("policy", "diff", bundle, other)
    assert different.exit_code == 1
    assert different.stdout.startswith("different: deny became require_approval")
    shown = orjson.loads(run("policy", "diff", bundle, other, "--json").stdout)
    assert shown["request"]["tool"] == "pay_invoice"
    assert 1000 < shown["request"]["args"]["amount"] <= 1001
    assert (shown["old"]["effect"], shown["new"]["effect"]) == ("deny", "require_approval")


def test_init_prints_a_draft_that_loads_and_denies(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The draft is a sound bundle; what is no list of tools is a usage error."""
    monkeypatch.chdir(tmp_path)
    source = (
        "def send_mail(to: str, body: str) -> str:\n    'Send a mail.'\n    return ''\nTOOLS = [send_mail]\nNONE = []\n"
    )
    Path("drafted_tools.py").write_text(source, encoding="utf-8")
    drafted = run("policy", "init", "drafted_tools:TOOLS", "--agent", "clerk")
    assert drafted.exit_code == 0
    Path("draft.yaml").write_text(drafted.output, encoding="utf-8")
    assert run("policy", "check", "draft.yaml").exit_code == 0
    for wrong in ("drafted_tools:NONE", "drafted_tools:absent", "drafted_tools", "no_such_module:TOOLS"):
        assert run("policy", "init", wrong).exit_code == 2
