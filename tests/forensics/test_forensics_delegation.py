"""Runs of delegated agents are linked to those that sent them, by warrants alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from trace_factory import PRINCIPAL, Story

from aisecops_langchain.domain.events import AnyEvent, RunStarted, WarrantIssued
from aisecops_langchain.domain.principal import Delegator, Principal
from aisecops_langchain.domain.warrant import WarrantClaims
from aisecops_langchain.forensics import summarize, traces_of
from aisecops_langchain.forensics.delegation import delegations_of, family_of, tells_of_delegation


def sending(trace: str, warrant: str) -> list[AnyEvent]:
    story = Story(trace)
    story.add(RunStarted)
    claims = WarrantClaims(
        id="n",
        tenant="acme",
        user="alice",
        delegator="procurement",
        agent="reader",
        tools=("x",),
        issued_at=1,
        expires_at=2,
    )
    story.add(WarrantIssued, warrant=warrant, claims=claims)
    return story.events


def sent(trace: str, warrant: str) -> list[AnyEvent]:
    story = Story(trace)
    link = Delegator(agent=PRINCIPAL.agent, warrant=warrant)
    story.add(RunStarted, principal=Principal(agent="reader", user="alice", tenant="acme", delegators=(link,)))
    return story.events


LINKED = [*sending("a", "w1"), *sent("b", "w1"), *sent("c", "w2")]


@given(st.permutations(LINKED))
def test_links_do_not_depend_on_the_order_of_events(events: list[AnyEvent]) -> None:
    assert delegations_of(events) == delegations_of(LINKED)


def test_a_run_is_linked_by_its_warrant_or_its_sender_is_missing() -> None:
    linked, lone = delegations_of(LINKED)
    assert (linked.child, linked.parent, linked.delegator, linked.agent) == ("b", "a", "procurement", "reader")
    assert (lone.child, lone.parent) == ("c", None)


def test_a_run_cannot_send_itself() -> None:
    assert delegations_of([*sending("a", "w1"), *sent("a", "w1")]) == ()


def test_a_family_holds_everybody_who_belongs_to_a_task() -> None:
    links = delegations_of(
        [*sending("a", "w1"), *sent("b", "w1"), *sending("b", "w2"), *sent("c", "w2"), *sent("d", "x")]
    )
    assert family_of("a", links) == family_of("c", links) == {"a", "b", "c"}
    assert family_of("d", links) == {"d"}


def test_nothing_that_matters_is_skipped_by_a_reader() -> None:
    kept = [event for event in LINKED if tells_of_delegation(event)]
    assert delegations_of(kept) == delegations_of(LINKED)


def test_a_summary_names_both_ends() -> None:
    links = delegations_of(LINKED)
    summaries = {trace.id: summarize(trace, links) for trace in traces_of(LINKED)}
    assert [item.child for item in summaries["a"].delegated] == ["b"]
    assert summaries["b"].delegation is not None
    assert summaries["b"].delegation.parent == "a"
    assert summaries["c"].delegation is not None
    assert summaries["c"].delegation.parent is None
