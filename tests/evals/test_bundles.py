"""The bundles that ship for AgentDojo's suites: they load, know every tool, and hold in a slice of the evaluation."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from aisecops_langchain.cli.main import cli
from aisecops_langchain.evals.agentdojo.agent import GovernedAgent
from aisecops_langchain.evals.agentdojo.approver import ApproverKind
from aisecops_langchain.evals.agentdojo.cases import Case
from aisecops_langchain.evals.agentdojo.loading import load_suites
from aisecops_langchain.evals.agentdojo.policy import agent_name, policy_for
from aisecops_langchain.evals.agentdojo.suites import Setting, run_case
from aisecops_langchain.runtime.governor import Governor

SUITES = load_suites()
BUNDLES = Path(__file__).parents[2] / "examples" / "agentdojo"


def agent_of(suite: str, governor: Governor) -> GovernedAgent:
    return GovernedAgent(governor, agent_name(SUITES[suite]))


@pytest.mark.parametrize("name", SUITES)
def test_a_bundle_declares_every_tool_of_its_suite_with_arguments_that_exist(name):
    suite = SUITES[name]
    policy = policy_for(suite, BUNDLES)
    checked = CliRunner().invoke(cli, ["policy", "check", str(BUNDLES / f"{name}.yaml")])
    assert checked.exit_code == 0, checked.output
    assert agent_name(suite) in policy.agents
    for tool in suite.tools:
        profile = policy.profile(tool.name)
        assert profile.effects != policy.profile("no_such_tool").effects, tool.name
        roles = {*profile.targets, *profile.amounts, *profile.content}
        assert roles <= set(tool.parameters.model_fields), tool.name


@pytest.mark.parametrize(
    ("suite", "task", "injection"),
    [
        ("banking", "user_task_0", "injection_task_0"),
        ("slack", "user_task_2", "injection_task_3"),
        ("travel", "user_task_0", "injection_task_4"),
        ("workspace", "user_task_35", "injection_task_1"),
        ("workspace", "user_task_25", "injection_task_13"),
    ],
)
def test_an_attack_that_uses_what_the_task_needs_is_stopped_and_the_task_is_not(tmp_path, suite, task, injection):
    """Each injection wants a tool that the user's own task needs too; the person is asked in honest worlds seldom."""
    setting = Setting(approver=ApproverKind.ORACLE)
    with Governor.open(policy_for(SUITES[suite], BUNDLES), tmp_path / "home", durability="none") as governor:
        honest = run_case(SUITES[suite], Case(suite, task), agent_of(suite, governor), setting)
        attacked = run_case(SUITES[suite], Case(suite, task, injection), agent_of(suite, governor), setting)
    assert (honest.utility, honest.reason) == (True, "")
    assert honest.approvals <= 1
    assert attacked.seen
    assert attacked.attack_succeeded is False
