"""H08 where it was seen first: subagents of deepagents, of either kind, which inherited nobody's guard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("deepagents")

from deep_kit import Team, answers, says, task
from langgraph.checkpoint.memory import InMemorySaver

from aisecops_langchain.testing import call

WIPE = call("wipe", "w", path="/")
SEARCH = call("search", "s", query="rates")


@pytest.fixture(params=["sync", "async"])
def team(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Team]:
    made = Team(tmp_path / "home", is_async=request.param == "async")
    yield made
    made.governor.close()


@pytest.mark.parametrize("who", ["general-purpose", "researcher"])
async def test_h08_a_subagent_of_a_deep_agent_is_guarded(team: Team, who: str) -> None:
    """Its dangerous call is decided on as its own, denied or left to a person, and does not run."""
    agent = team.agent([[task(who)], "done"], [[SEARCH, WIPE], "reported"], checkpointer=InMemorySaver())
    await team.run(agent, says("go"))
    assert team.ran == ["search rates"]
    (decided,) = [event for event in team.events("decision_made") if event.call.tool == "wipe"]
    assert decided.principal.agent == who
    assert decided.decision.effect != "allow"


async def test_h08_a_subagent_may_do_no_more_than_its_caller(team: Team) -> None:
    """The researcher may send mails and its boss may not."""
    agent = team.agent([[task("researcher")], "done"], [[call("send", "m", to="mallory")], "reported"])
    assert answers(await team.run(agent, says("go"))) == ["reported"]
    assert team.ran == []
