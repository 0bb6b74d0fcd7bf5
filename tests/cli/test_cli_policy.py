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
    assert result.exit_code == 1
    assert "not found" in result.stderr


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
