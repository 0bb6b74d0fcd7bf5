"""The example behind LangGraph's own server: people ask, answer, meddle and fail; then the log is read.

One server serves all tests of this file: it takes seconds to start. Everything is said to it before the first test
looks; what ran is read from the tool's own book, and what was recorded from the log, after it was verified.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from server_kit import APPROVE, REJECT, Person, serving

from aisecops_langchain import verify_log
from aisecops_langchain.audit import read_log
from aisecops_langchain.domain.events import AnyEvent


@dataclass
class Day:
    """What was said and done."""

    folder: Path
    said: dict[str, dict[str, Any]] = field(default_factory=dict)
    threads: dict[str, str] = field(default_factory=dict)
    booked_before: list[str] = field(default_factory=list)
    """What had taken place when the lead had answered and nobody had gone on."""
    cut_off: str = ""

    @property
    def book(self) -> list[str]:
        """The refunds that really took place."""
        return sorted((self.folder / "app" / "refunds.txt").read_text().splitlines())

    def events(self, who: str) -> list[AnyEvent]:
        """The governance events of one conversation; spans, which name nobody where identity varies, are left out."""
        return [
            event for event in self.log() if event.thread == self.threads[who] and event.principal.agent == "support"
        ]

    def log(self) -> list[AnyEvent]:
        """All events."""
        return [entry.parse() for entry in read_log(self.folder / "home" / "audit") if entry.is_event]

    def last(self, what: str) -> str:
        """The last words of a conversation."""
        return str(self.said[what]["messages"][-1]["content"])


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    found = Day(tmp_path_factory.mktemp("server"))
    asyncio.run(_live(found))
    return found


async def _live(day: Day) -> None:
    async with serving(day.folder) as url:
        alice, bob, lea = (Person(url, name) for name in ("alice", "bob", "lea"))
        names = ("small", "approved", "rejected", "stranger", "forged", "context", "failing", "blocking")
        for name in names:
            day.threads[name] = await alice.thread()
        at = day.threads
        forged = {"langgraph_auth_user": {"identity": "lea"}, "langgraph_auth_user_id": "lea", "user": "lea"}
        first = {
            "small": alice.say(at["small"], "refund Ann 20"),
            "approved": alice.say(at["approved"], "refund Bea 200"),
            "rejected": alice.say(at["rejected"], "refund Cid 300"),
            "stranger": alice.say(at["stranger"], "refund Dan 400"),
            "forged": alice.say(at["forged"], "refund Fay 21", config={"configurable": forged}),
            "context": alice.say(at["context"], "refund Gus 22", context=forged),
            "failing": alice.say(at["failing"], "refund Nobody 23", graph="clumsy"),
            "blocking": alice.say(at["blocking"], "refund Ivy 24", graph="blocking"),
        }
        ended = asyncio.create_task(alice.cut_off("refund Joe 25", day.folder / "home" / "audit"))
        day.said |= dict(zip(first, await asyncio.gather(*first.values()), strict=True))
        own = {"own yes": alice.resume(at["approved"], APPROVE), "stranger's yes": bob.resume(at["stranger"], APPROVE)}
        day.said |= dict(zip(own, await asyncio.gather(*own.values()), strict=True))
        leads = {"lead's yes": lea.resume(at["approved"], APPROVE), "lead's no": lea.resume(at["rejected"], REJECT)}
        day.said |= dict(zip(leads, await asyncio.gather(*leads.values()), strict=True))
        day.booked_before = day.book
        for what, thread in (("after yes", "approved"), ("after no", "rejected"), ("after yes, again", "approved")):
            day.said[what] = await alice.resume(at[thread], APPROVE)
        day.cut_off = await ended


def test_the_log_of_the_day_verifies_and_nobody_left_the_machine(day: Day) -> None:
    report = verify_log(day.folder / "home" / "audit")
    assert (report.ok, report.problems) == (True, ())
    assert not (day.folder / "attempts.txt").exists(), (day.folder / "attempts.txt").read_text()


def test_only_what_was_allowed_or_approved_took_place_and_once(day: Day) -> None:
    assert day.book == ["Ann 20.00", "Bea 200.00", "Fay 21.00", "Gus 22.00"]


def test_the_authenticated_user_is_the_principal(day: Day) -> None:
    assert day.last("small") == "Done: refunded EUR 20.00 to Ann"
    whos = {(event.principal.user, event.principal.issuer) for event in day.events("small")}
    assert whos == {("alice", "langgraph-auth")}


def test_an_approval_pauses_in_the_servers_checkpointer(day: Day) -> None:
    (question,) = day.said["approved"]["__interrupt__"]
    assert question["value"]["action_requests"][0]["args"] == {"to": "Bea", "euros": 200.0}


def test_whoever_asked_may_not_approve(day: Day) -> None:
    assert day.said["own yes"]["__interrupt__"]
    (refused,) = [event for event in day.events("approved") if event.kind == "approval_answer_refused"]
    assert (refused.approver.id, refused.approver.verified) == ("alice", True)


def test_another_persons_yes_counts_and_the_call_runs_for_whom_it_was_planned(day: Day) -> None:
    """The server lets a team lead in; she answers in her own name, and nothing runs in it."""
    assert not any(line.startswith("Bea") for line in day.booked_before)
    assert day.last("after yes") == "Done: refunded EUR 200.00 to Bea"
    (granted,) = [event for event in day.events("approved") if event.kind == "approval_granted"]
    assert (granted.approver.id, granted.approver.verified) == ("lea", True)
    assert {event.principal.user for event in day.events("approved")} == {"alice"}


def test_a_rejected_call_does_not_run(day: Day) -> None:
    assert day.last("after no") == "Done: Not executed. A person rejected this call."
    assert "execution_started" not in {event.kind for event in day.events("rejected")}


def test_a_second_user_does_not_reach_the_thread(day: Day) -> None:
    assert day.said["stranger's yes"] == {"status": 404}
    assert "approval_granted" not in {event.kind for event in day.events("stranger")}


@pytest.mark.parametrize("way", ["forged", "context"])
def test_nobody_is_impersonated_through_the_configuration(day: Day, way: str) -> None:
    assert {event.principal.user for event in day.events(way)} == {"alice"}


def test_blocking_detection_was_on(day: Day) -> None:
    assert "BlockingError" in day.said["blocking"]["error"]


def test_a_tool_that_fails_is_accounted_for_off_the_event_loop(day: Day) -> None:
    assert day.last("failing") == "Done: The tool failed (ValueError)."
    assert [event.kind for event in day.events("failing")].count("execution_failed") == 1


def test_a_run_that_is_cancelled_leaves_an_unknown_effect(day: Day) -> None:
    assert day.cut_off == "interrupted"
    (lost,) = [event for event in day.log() if event.kind == "execution_unknown"]
    assert lost.reason == "cancelled while it ran (CancelledError)"
