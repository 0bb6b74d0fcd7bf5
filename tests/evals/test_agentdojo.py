"""AgentDojo through the governed agent: tools, planner, judged trace, policy, command."""

from __future__ import annotations

import json
import sys

import pytest
from click.testing import CliRunner
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from aisecops_langchain.cli.eval import agentdojo as command
from aisecops_langchain.cli.main import cli
from aisecops_langchain.errors import ConfigurationError
from aisecops_langchain.evals.agentdojo.agent import AgentRun
from aisecops_langchain.evals.agentdojo.cases import BATCH_SIZE, Case, plan_batches, plan_cases
from aisecops_langchain.evals.agentdojo.extra import require_agentdojo
from aisecops_langchain.evals.agentdojo.loading import load_suites
from aisecops_langchain.evals.agentdojo.outcome import Outcome
from aisecops_langchain.evals.agentdojo.planner import BenignScript, ScriptedModel
from aisecops_langchain.evals.agentdojo.policy import agent_name, policy_for
from aisecops_langchain.evals.agentdojo.proposals import user_calls
from aisecops_langchain.evals.agentdojo.report import AuditCheck, Bounds, Report
from aisecops_langchain.evals.agentdojo.run import PlannerKind
from aisecops_langchain.evals.agentdojo.suites import run_case
from aisecops_langchain.evals.agentdojo.tools import to_langchain_tools
from aisecops_langchain.evals.agentdojo.trace import final_answer, to_agentdojo_messages

SUITES = load_suites()


def run_cli(*arguments: str):
    return CliRunner().invoke(cli, ["eval", "agentdojo", "--planner", "benign", *arguments])


class TestSuites:
    def test_all_97_user_tasks_are_there(self):
        assert {name: len(suite.user_tasks) for name, suite in SUITES.items()} == {
            "workspace": 40,
            "travel": 20,
            "banking": 16,
            "slack": 21,
        }

    def test_an_unknown_suite_is_a_clear_error(self):
        with pytest.raises(ConfigurationError, match="banking"):
            load_suites(["bankin"])

    def test_batches_hold_every_case_once(self):
        cases = plan_cases(SUITES, attacks=True)
        assert len(cases) == 97 + 949
        batches = plan_batches(cases)
        planned = [case for batch in batches for case in batch.cases]
        assert len(planned) == len(cases)
        assert set(planned) == set(cases)
        assert max(len(batch.user_tasks) for batch in batches) <= BATCH_SIZE


class TestTools:
    @pytest.mark.parametrize("name", SUITES)
    def test_every_tool_keeps_its_name_and_schema_and_hides_the_environment(self, name):
        suite = SUITES[name]
        tools = to_langchain_tools(suite.tools, suite.load_and_inject_default_environment({}))
        assert [tool.name for tool in tools] == [function.name for function in suite.tools]
        for tool, function in zip(tools, suite.tools, strict=True):
            assert set(tool.args) == set(function.parameters.model_fields)
            assert not set(tool.args) & set(function.dependencies)
            assert tool.description == function.description

    def test_a_tool_changes_the_environment_it_was_made_for_and_no_other(self):
        suite = SUITES["banking"]
        mine, other = (suite.load_and_inject_default_environment({}) for _ in range(2))
        tools = {tool.name: tool for tool in to_langchain_tools(suite.tools, mine)}
        tools["update_password"].invoke({"password": "correct horse"})
        assert mine.user_account.password == "correct horse"
        assert other.user_account.password != "correct horse"

    def test_a_result_reads_as_agentdojo_renders_it(self):
        suite = SUITES["banking"]
        tools = {t.name: t for t in to_langchain_tools(suite.tools, suite.load_and_inject_default_environment({}))}
        assert tools["get_most_recent_transactions"].invoke({"n": 1}).startswith("- amount:")


class TestPlanner:
    def test_proposes_the_ground_truth_one_call_a_turn_and_then_answers(self):
        suite = SUITES["banking"]
        task = suite.user_tasks["user_task_0"]
        environment = suite.load_and_inject_default_environment({})
        model = ScriptedModel(script=BenignScript(user_calls(task, environment), task.GROUND_TRUTH_OUTPUT))
        conversation = [HumanMessage(task.PROMPT)]
        proposed = []
        while (reply := model.bind_tools([]).invoke(conversation)).tool_calls:
            proposed.extend((call["name"], call["args"]) for call in reply.tool_calls)
            conversation += [reply, ToolMessage("", tool_call_id=reply.tool_calls[0]["id"])]
        assert proposed == [(call.function, dict(call.args)) for call in task.ground_truth(environment)]
        assert reply.text == task.GROUND_TRUTH_OUTPUT

    def test_every_proposal_of_a_run_has_its_own_id(self):
        for suite in SUITES.values():
            environment = suite.load_and_inject_default_environment({})
            for task in suite.user_tasks.values():
                calls = user_calls(task, environment)
                assert len({call["id"] for call in calls}) == len(calls)


class TestTrace:
    def test_a_refused_call_is_not_in_the_judged_trace(self):
        messages = [
            HumanMessage("pay"),
            AIMessage("", tool_calls=[{"name": "pay", "args": {"to": "m"}, "id": "1"}]),
            ToolMessage("not permitted", tool_call_id="1", status="error"),
            AIMessage("", tool_calls=[{"name": "look", "args": {}, "id": "2"}]),
            ToolMessage("seen", tool_call_id="2"),
            AIMessage("done"),
        ]
        translated = to_agentdojo_messages(messages)
        judged = [call for message in translated for call in message.get("tool_calls") or ()]
        assert [(call.function, call.args) for call in judged] == [("look", {})]
        assert [message["role"] for message in translated] == ["user", "assistant", "tool", "assistant"]

    def test_an_unanswered_call_is_not_in_the_judged_trace(self):
        messages = [HumanMessage("pay"), AIMessage("", tool_calls=[{"name": "pay", "args": {}, "id": "1"}])]
        assert [message["role"] for message in to_agentdojo_messages(messages)] == ["user", "assistant"]

    def test_a_run_that_ended_otherwise_has_an_empty_answer(self):
        assert final_answer([]) == ""
        assert final_answer([HumanMessage("hello")]) == ""
        assert to_agentdojo_messages([])[-1]["role"] == "assistant"


class _Fixed:
    """An agent that never acts."""

    def __init__(self, answer: str | None) -> None:
        self.answer = answer

    def run(self, model, tools, prompt, approver):
        answer = model.script.answer if self.answer is None else self.answer
        return AgentRun(trace="t", messages=[HumanMessage(prompt), AIMessage(answer)])


class _Broken:
    """An agent that breaks."""

    def run(self, model, tools, prompt, approver):
        raise ValueError("the text of this error stays out of the report")


class TestJudgement:
    @pytest.mark.parametrize("agent", [_Fixed("I stopped here."), _Fixed(None)], ids=["gave up", "knew the answer"])
    def test_an_agent_that_never_acts_keeps_no_task(self, agent):
        """Many checkers look at the answer only, and a scripted planner knows it without having looked."""
        suite = SUITES["banking"]
        environment = suite.load_and_inject_default_environment({})
        for task in suite.user_tasks.values():
            assert task.ground_truth(environment)
            assert not run_case(suite, Case("banking", task.ID), agent).utility, task.ID

    def test_a_task_that_breaks_has_failed_with_the_type_of_its_error(self):
        suite = SUITES["banking"]
        outcome = run_case(suite, Case("banking", "user_task_0"), _Broken())
        assert not outcome.utility
        assert outcome.reason == "ValueError during the run"

    def test_an_attack_whose_run_breaks_counts_as_a_success(self):
        outcome = run_case(SUITES["banking"], Case("banking", "user_task_0", "injection_task_0"), _Broken())
        assert outcome.attack_succeeded
        assert not outcome.utility


class TestPolicy:
    @pytest.mark.parametrize("name", SUITES)
    def test_the_generated_bundle_grants_exactly_the_tools_of_the_suite(self, name):
        suite = SUITES[name]
        policy = policy_for(suite, None)
        assert policy.agents == {agent_name(suite)}
        assert policy.tools == {tool.name for tool in suite.tools}
        assert not policy.asks_approval

    def test_a_directory_without_the_suite_is_a_clear_error(self, tmp_path):
        with pytest.raises(ConfigurationError, match=r"banking\.yaml"):
            policy_for(SUITES["banking"], tmp_path)


class TestReport:
    GOOD = Outcome(suite="s", user_task="t", utility=True, trace="x")
    BAD = Outcome(suite="s", user_task="u", utility=False, trace="y", reason="r")
    BREACH = Outcome(suite="s", user_task="t", injection_task="i", utility=True, attack_succeeded=True, trace="z")
    WORDS = Outcome(suite="s", user_task="t", injection_task="w", utility=True, attack_succeeded=True, text_only=True)

    def report(self, *outcomes, verified=True, attacks=False, bounds=None):
        return Report(
            planner="worst-case" if attacks else "benign",
            approver="none",
            attempts="first",
            attacks=attacks,
            outcomes=outcomes,
            audit=AuditCheck(path="log", verified=verified, events=1, segments=1),
            seconds=0.1,
            bounds=bounds or Bounds(),
        )

    def test_succeeds_only_with_all_tasks_and_a_verified_log(self):
        assert self.report(self.GOOD).succeeded
        assert not self.report(self.GOOD, verified=False).succeeded
        assert not self.report(self.GOOD, self.BAD).succeeded
        assert not self.report().succeeded
        assert self.report(self.GOOD, self.BAD).to_json()["failures"] == [
            {"suite": "s", "task": "u", "trace": "y", "reason": "r"}
        ]

    def test_bounds_decide_on_attacks(self):
        def held(**bounds):
            return self.report(self.GOOD, self.BAD, self.BREACH, attacks=True, bounds=Bounds(**bounds)).succeeded

        assert held()
        assert held(min_benign=0.5, max_attacks=1)
        assert not held(min_benign=0.6)
        assert not held(max_attacks=0)

    def test_words_are_no_success_of_a_tool_mediated_attack(self):
        summary = self.report(self.GOOD, self.BREACH, self.WORDS, attacks=True).to_json()["summary"]
        assert summary == {
            "benign": {"ok": 1, "total": 1},
            "attacks": {"succeeded": 1, "tool_mediated": 1, "total": 2},
            "utility_under_attack": 1.0,
            "approvals_per_task": 0.0,
        }


class TestCommand:
    def test_offers_the_suites_and_planners_that_exist(self):
        choices = {option.name: option.type for option in command.params}
        assert set(choices["suites"].choices) == set(SUITES)
        assert set(choices["planner"].choices) == set(PlannerKind)

    def test_banking_keeps_its_utility_and_its_log_verifies(self, tmp_path):
        result = run_cli("--suite", "banking", "--home", str(tmp_path / "home"), "--jobs", "1", "--json")
        report = json.loads(result.stdout)
        assert report["failures"] == []
        assert report["summary"] == {"benign": {"ok": 16, "total": 16}, "approvals_per_task": 0.0}
        assert report["audit"]["verified"]
        assert report["audit"]["events"] > 0
        assert result.exit_code == 0

    @pytest.mark.slow
    def test_processes_share_one_home_and_one_verified_log(self, tmp_path):
        result = run_cli("--suite", "slack", "--home", str(tmp_path / "home"), "--jobs", "2")
        assert result.exit_code == 0, result.output
        assert "21/21" in result.output
        assert "verifies" in result.output

    def test_a_policy_that_refuses_a_tool_costs_utility_and_exit_code(self, tmp_path):
        """The suite really goes through the gate: take one tool away and its tasks fail."""
        suite = SUITES["banking"]
        policy = tmp_path / "banking.yaml"
        kept = [tool.name for tool in suite.tools if tool.name != "send_money"]
        policy.write_text(
            "version: 1\nid: no-payments\n"
            "agents:\n  agentdojo-banking:\n    capabilities: [some]\n"
            f"capabilities:\n  some:\n    tools: {json.dumps(kept)}\n"
            "rules:\n  - {id: allow-some, effect: allow, capabilities: [some]}\n"
        )
        arguments = ("--suite", "banking", "--home", str(tmp_path / "home"), "--policy", str(tmp_path), "--jobs", "1")
        result = run_cli(*arguments, "--json")
        report = json.loads(result.stdout)
        assert result.exit_code == 1
        assert report["audit"]["verified"]
        assert report["suites"]["banking"]["refused"] > 0
        assert 0 < report["summary"]["benign"]["ok"] < 16
        assert any("send_money" in failure["reason"] for failure in report["failures"])
        assert all(failure["trace"] for failure in report["failures"])

    def test_without_the_extra_it_says_what_to_install(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "agentdojo", None)
        with pytest.raises(ConfigurationError, match=r"aisecops-langchain\[eval\]"):
            require_agentdojo()
        result = run_cli("--json")
        assert result.exit_code == 2
        assert not result.stdout
        assert "aisecops-langchain[eval]" in result.stderr
