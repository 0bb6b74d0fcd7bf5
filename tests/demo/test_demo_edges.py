"""The demo where something is missing, hostile or different from what it ships with."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner, Result
from demo_kit import RIGHT_ACCOUNT, books_in, events_in

from aisecops_langchain.audit import verify_log
from aisecops_langchain.cli.main import cli
from aisecops_langchain.demo.model import build_model
from aisecops_langchain.domain.events import ApprovalRejected
from aisecops_langchain.policy import load_policy
from aisecops_langchain.testing import ScriptedChatModel, call

Demo = Callable[..., Result]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def demo(home: Path) -> Demo:
    return lambda *arguments: CliRunner().invoke(cli, ["demo", "--home", str(home), *arguments])


def use_model(monkeypatch: pytest.MonkeyPatch, model: object) -> None:
    monkeypatch.setattr("langchain.chat_models.init_chat_model", lambda name: model)


def test_with_a_real_model_nothing_is_approved_by_itself(
    demo: Demo, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_model(monkeypatch, build_model(None))
    facts = orjson.loads(demo("--model", "some:model", "--json").stdout)
    assert facts["approved"] == []
    assert books_in(home)[0].payments == ()
    (rejected,) = [event for event in events_in(home) if isinstance(event, ApprovalRejected)]
    assert rejected.approver.id == "nobody"


def test_with_a_real_model_approve_says_so(demo: Demo, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_model(monkeypatch, build_model(None))
    facts = orjson.loads(demo("--model", "some:model", "--approve", "--json").stdout)
    assert [item["tool"] for item in facts["approved"]] == ["pay_invoice"]
    assert books_in(home)[0].payments[0].account == RIGHT_ACCOUNT


def test_words_of_a_model_reach_no_terminal_as_commands(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    nasty = "\x1b]0;owned\x07\x1b[2J\u202e\u200b[bold red]x"
    script = [
        call("search_documents", query=nasty),
        call("pay_invoice", invoice="INV-2291", account=RIGHT_ACCOUNT, amount=300),
        call("send_email", to="a@brightwater.example", subject=nasty, body=nasty),
        f"done {nasty}\nsecond line",
    ]
    use_model(monkeypatch, ScriptedChatModel(script=script))
    result = demo("--model", f"some:{nasty}", "--approve")
    assert result.exit_code == 0, result.output
    assert [row for row in result.stdout.splitlines() if not row.isprintable()] == []
    assert "[bold red]x" in result.stdout


def test_a_model_that_breaks_is_one_line_without_its_words(
    demo: Demo, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_messages: object) -> str:
        raise OSError("key sk-secret was refused")

    use_model(monkeypatch, ScriptedChatModel(script=[fail]))
    result = demo("--model", "some:model", "--json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "sk-secret" not in result.output
    assert len(result.stderr.splitlines()) == 1
    assert verify_log(home / "audit").ok


@pytest.mark.parametrize("name", ["no-such-provider:x", "", "openai:"])
def test_a_model_that_there_is_not_is_one_line(demo: Demo, home: Path, name: str) -> None:
    result = demo("--model", name)
    assert (result.exit_code, result.stdout) == (2, "")
    assert len(result.stderr.splitlines()) == 1
    assert not home.exists()


@pytest.mark.parametrize("module", ["rank_bm25", "langchain_community", "langgraph.checkpoint.sqlite"])
def test_a_missing_extra_names_the_command_that_installs_it(
    demo: Demo, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    result = demo()
    assert (result.exit_code, result.stdout) == (2, "")
    assert module in result.stderr
    assert "pip install 'aisecops-langchain[demo]'" in result.stderr


def test_a_model_by_name_needs_langchain(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "langchain", None)
    result = demo("--model", "some:model")
    assert result.exit_code == 2
    assert "pip install langchain" in result.stderr


def test_ask_and_approve_exclude_each_other(demo: Demo, home: Path) -> None:
    assert demo("--ask", "--approve").exit_code == 2
    assert not home.exists()


def test_a_home_that_cannot_be_written_is_one_line(demo: Demo, home: Path) -> None:
    home.parent.mkdir(exist_ok=True)
    home.joinpath("..", "file").resolve().write_text("")
    result = CliRunner().invoke(cli, ["demo", "--home", str(home.parent / "file" / "home")])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "pass another --home" in result.stderr


def test_an_edited_policy_is_the_one_that_decides(demo: Demo, home: Path) -> None:
    assert demo("--json").exit_code == 0
    policy = home / "policy.yaml"
    shipped = policy.read_text()
    policy.write_text(shipped.replace("max: 10000", "max: 1000"))
    facts = orjson.loads(demo("--json").stdout)
    assert [item["stage"] for item in facts["denied"]] == ["arguments", "capability", "arguments"]
    assert facts["approved"] == []
    assert {event.policy for event in events_in(home)} >= {load_policy(policy).digest}


def test_a_policy_with_a_typo_is_one_line_with_its_place(demo: Demo, home: Path) -> None:
    demo("--json")
    policy = home / "policy.yaml"
    policy.write_text(policy.read_text().replace("effect: deny", "effect: denny"))
    result = demo("--json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "policy.yaml:" in result.stderr
