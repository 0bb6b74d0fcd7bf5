"""Standing grants in a real graph: given beside an answer, used in later turns, and never read into an unclear one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from adapter_kit import POLICY, Driver, Office, answers, edit, open_governor, says
from approval_kit import PAY_ALICE, asked, still_works
from langgraph.types import Command

from aisecops_langchain import Approver, verify_log
from aisecops_langchain.testing import call

GRANTS = "{id: paying, effect: require_approval, tools: [pay], grants: {max_seconds: 3600, max_uses: 5}}"
GRANTING = POLICY.replace("{id: paying, effect: require_approval, tools: [pay]}", GRANTS)
WISH: dict[str, Any] = {"for_seconds": 3600, "same": ["to"], "up_to": {"amount": "20"}, "uses": 5}


def yes(grant: Any = WISH, **more: Any) -> dict[str, Any]:
    """Approve, with a grant beside it."""
    return {"decisions": [{"type": "approve", "grant": grant, **more}]}


@pytest.fixture
def office(driver: Driver, tmp_path: Path) -> Iterator[Office]:
    """An office whose policy lets approvers grant."""
    governor = open_governor(tmp_path / "home", GRANTING)
    yield Office(driver, tmp_path / "home", governor)
    governor.close()
    assert verify_log(tmp_path / "home" / "audit").ok


def pays(number: int, amount: float, to: str = "alice") -> Any:
    """A turn that pays."""
    return [call("pay", f"p{number}", to=to, amount=amount)]


async def test_later_calls_run_without_asking_until_the_sum_is_reached(office: Office) -> None:
    script = ([PAY_ALICE], "done", pays(1, 12), "done", pays(2, 8), "done", pays(3, 0.5), "done")
    graph, result = await asked(office, *script)
    shown = result["__interrupt__"][0].value["aisecops"]
    assert (shown["grants"]["max_seconds"], shown["grants"]["max_uses"]) == (3600, 5)
    await office.run(graph, Command(resume=yes()))
    for text in ("again", "and again"):
        result = await office.run(graph, says(text))
        assert "__interrupt__" not in result
    assert office.ran == ["pay alice 5", "pay alice 12", "pay alice 8"]
    result = await office.run(graph, says("once more"))
    assert result["__interrupt__"][0].value["action_requests"][0]["args"] == {"to": "alice", "amount": 0.5}
    assert len(office.ran) == 3
    given, used = office.of("grant_given"), office.of("grant_used")
    assert [event.amounts for event in used] == [{"amount": "12"}, {"amount": "8"}]
    assert {event.grant for event in used} == {given[0].grant}
    assert [event.why for event in office.of("grant_ended")] == ["exhausted"]


async def test_another_recipient_or_thread_is_asked_about(office: Office) -> None:
    graph, _ = await asked(office, [PAY_ALICE], "done", pays(1, 1, "mallory"), pays(2, 1), "done")
    await office.run(graph, Command(resume=yes()))
    result = await office.run(graph, says("pay mallory"))
    assert result["__interrupt__"]
    elsewhere = {"configurable": {"thread_id": "t2"}}
    result = await office.run(graph, says("pay alice"), elsewhere)
    assert result["__interrupt__"]
    assert office.ran == ["pay alice 5"]


async def test_arguments_are_coerced_by_the_schema_and_not_by_the_grant(office: Office) -> None:
    """The model may write a number as text; what counts is the canonical call, which is also what runs."""
    turn = [call("pay", "p1", to="alice", amount="7")]
    graph, _ = await asked(
        office, [PAY_ALICE], "done", turn, "done", [call("pay", "p2", to="alice", amount="14")], "done"
    )
    await office.run(graph, Command(resume=yes()))
    assert "__interrupt__" not in await office.run(graph, says("again"))
    assert office.ran == ["pay alice 5", "pay alice 7"]
    assert (await office.run(graph, says("again")))["__interrupt__"]


@pytest.mark.parametrize(
    "answer",
    [
        yes({}),
        yes([]),
        yes("all"),
        yes(0),
        yes(False),
        yes(""),
        yes({**WISH, "uses": "5"}),
        yes({**WISH, "up_to": {"amount": "1e3"}}),
        yes({**WISH, "up_to": {"amount": float("nan")}}),
        yes({**WISH, "reason": "x" * 10_000_000}),
        yes({**WISH, "unknown": 1}),
        yes({**WISH, "same": json.loads("[" * 200 + "]" * 200)}),
        {"decisions": [{**edit("pay", to="alice", amount=4)["decisions"][0], "grant": WISH}]},
        {"decisions": [{"type": "approve", "grant": WISH}, {"type": "approve"}]},
    ],
)
async def test_an_answer_with_a_grant_that_is_not_clear_is_a_no(quick: Office, answer: Any) -> None:
    """Never a yes without the grant, never an error: the call does not run, and the thread goes on."""
    quick.governor.close()
    with open_governor(quick.home / "granting", GRANTING) as governor:
        office = Office(quick.driver, quick.home / "granting", governor)
        graph, _ = await asked(office)
        result = await office.run(graph, Command(resume=answer))
        assert office.ran == []
        assert answers(result)[0].startswith("Not executed.")
        assert governor.grants.all() == ()
        await still_works(office, graph)


@pytest.mark.parametrize(
    "wish",
    [{"uses": 6}, {"for_seconds": 3601}, {"any": ["to"], "same": []}, {"any_thread": True}, {"up_to": {"to": "5"}}],
)
async def test_a_grant_that_is_not_permitted_is_asked_about_again(office: Office, wish: dict[str, Any]) -> None:
    """The whole answer does not count; a plain yes still does."""
    graph, _ = await asked(office)
    result = await office.run(graph, Command(resume=yes({**WISH, **wish})))
    assert office.ran == []
    assert "grant" in result["__interrupt__"][0].value["aisecops"]["refused"]
    assert office.governor.grants.all() == ()
    await office.run(graph, Command(resume=yes(None)))
    assert office.ran == ["pay alice 5"]
    assert [event.code for event in office.of("approval_answer_refused")] == ["grant_not_permitted"]


async def test_where_policy_permits_no_grants_none_is_given(quick: Office) -> None:
    graph, _ = await asked(quick)
    assert (await quick.run(graph, Command(resume=yes())))["__interrupt__"]
    assert quick.ran == []
    assert quick.governor.grants.all() == ()


async def test_no_grant_beside_a_yes_is_a_plain_yes(office: Office) -> None:
    graph, _ = await asked(office)
    await office.run(graph, Command(resume=yes(None)))
    assert office.ran == ["pay alice 5"]
    assert office.governor.grants.all() == ()


async def test_a_replayed_answer_gives_nothing_twice(office: Office) -> None:
    """Resuming at the old checkpoint runs nothing and gives no second grant."""
    graph, _ = await asked(office)
    before = (await office.driver.state(graph)).config
    await office.run(graph, Command(resume=yes()))
    await office.run(graph, Command(resume=yes({**WISH, "up_to": {"amount": "20000"}})), before)
    assert office.ran == ["pay alice 5"]
    (standing,) = office.governor.grants.all()
    assert standing.entry.grant.up_to == {"amount": 20_000_000}
    assert len(office.of("grant_given")) == 1


async def test_a_grant_names_who_gave_it(office: Office) -> None:
    def who(_config: Any) -> Approver:
        return Approver(id="bob", verified=True)

    graph, _ = await asked(office, [PAY_ALICE], "done", approver=who)
    await office.run(graph, Command(resume=yes({**WISH, "reason": "rent"})))
    (given,) = office.of("grant_given")
    assert (given.approver.id, given.approver.verified, given.reason) == ("bob", True, "rent")


async def test_a_revoked_grant_asks_again(office: Office) -> None:
    graph, _ = await asked(office, [PAY_ALICE], "done", pays(1, 1), "done", pays(2, 1), "done")
    await office.run(graph, Command(resume=yes()))
    await office.run(graph, says("again"))
    (standing,) = office.governor.grants.all()
    office.governor.grants.revoke(standing.entry.grant.id, by="carol")
    assert (await office.run(graph, says("again")))["__interrupt__"]
    assert office.ran == ["pay alice 5", "pay alice 1"]
