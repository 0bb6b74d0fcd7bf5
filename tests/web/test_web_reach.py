"""Runs that belong together, and questions over many runs, as far as the caller may see them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from cli_logs import write_log
from page_kit import OFFICE, stories, waiting
from trace_factory import governed_story
from web_kit import client, site_over

from aisecops_langchain.audit import read_log
from aisecops_langchain.domain.events import Event
from aisecops_langchain.policy import parse_policy
from aisecops_langchain.policy.kept import KEPT
from aisecops_langchain.web.api import reach
from aisecops_langchain.web.site import Site

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture
def delegated(tmp_path: Path) -> Site:
    """A clerk that sent a researcher, in a real log."""
    shutil.copytree(GOLDEN / "overreaching_subagent", tmp_path / "audit")
    return site_over(tmp_path / "audit")


def traces_in(graph: dict[str, Any]) -> set[str]:
    return {node["trace"] for node in graph["nodes"] if node["trace"]}


def test_a_run_is_drawn_with_the_runs_that_it_sent_others_on(delegated: Site) -> None:
    rows = client(delegated).get("/api/traces").json()["traces"]
    assert {row["agent"] for row in rows} == {"clerk", "researcher"}
    for row in rows:
        graph = client(delegated).get("/api/graph", params={"trace": row["trace"]}).json()["graph"]
        assert traces_in(graph) == {item["trace"] for item in rows}
        assert "delegated" in {edge["kind"] for edge in graph["edges"]}
    summaries = {
        row["agent"]: client(delegated).get("/api/summary", params={"trace": row["trace"]}).json()["summary"]
        for row in rows
    }
    assert summaries["researcher"]["delegation"]["parent"] == summaries["clerk"]["trace"]
    assert [item["child"] for item in summaries["clerk"]["delegated"]] == [summaries["researcher"]["trace"]]


def test_of_a_delegation_nobody_learns_more_than_the_runs_that_they_may_see(tmp_path: Path) -> None:
    """The clerk is of one organisation here, and the researcher of another."""
    events = []
    for entry in read_log(GOLDEN / "overreaching_subagent"):
        event = entry.parse()
        if isinstance(event, Event):
            tenant = "other" if event.principal.agent == "researcher" else "acme"
            principal = event.principal.model_copy(update={"tenant": tenant})
            events.append(event.model_copy(update={"principal": principal}))
    site = site_over(write_log(tmp_path / "audit", events))
    (clerk,) = client(site, "of-acme").get("/api/traces").json()["traces"]
    (researcher,) = client(site, "of-other").get("/api/traces").json()["traces"]
    told = client(site, "of-acme").get("/api/summary", params={"trace": clerk["trace"]}).json()["summary"]
    assert told["delegated"] == []
    answer = client(site, "of-acme").get("/api/graph", params={"trace": clerk["trace"]})
    assert traces_in(answer.json()["graph"]) == {clerk["trace"]}
    assert researcher["trace"] not in answer.text
    answer = client(site, "of-other").get("/api/summary", params={"trace": researcher["trace"]})
    assert answer.json()["summary"]["delegation"]["parent"] is None
    assert clerk["trace"] not in answer.text


def test_a_source_is_followed_through_memory_into_other_runs(tmp_path: Path) -> None:
    site = site_over(stories(tmp_path / "home") / "audit")
    made = client(site)
    sources = made.get("/api/facets").json()["facets"]["source"]
    newsletter = next(name for name in sources if "newsletter" in name)
    radius = made.get("/api/blast-radius", params={"source": newsletter}).json()["blast_radius"]
    assert len(radius["runs"]) > 1
    assert radius["touched"]


def test_where_there_are_too_many_runs_the_latest_are_looked_at_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [
        event.model_copy(update={"time": event.time.replace(hour=hour)})
        for hour in (9, 10, 11)
        for event in governed_story(f"run-{hour}").events
    ]
    made = client(site_over(write_log(tmp_path / "audit", events)))
    monkeypatch.setattr(reach, "MOST_EVENTS", 60)
    radius = made.get("/api/blast-radius", params={"source": "supplier.md"}).json()["blast_radius"]
    assert set(radius["runs"]) == {"run-10", "run-11"}
    assert any("only the latest 2 of 3 runs" in note for note in radius["graph"]["notes"])
    narrowed = {"source": "supplier.md", "until": "2026-03-01T09:30:00Z"}
    radius = made.get("/api/blast-radius", params=narrowed).json()["blast_radius"]
    assert set(radius["runs"]) == {"run-9"}


def test_a_run_that_is_too_long_to_be_shown_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from aisecops_langchain.web import shelf

    made = client(site_over(write_log(tmp_path / "audit", governed_story().events)))
    monkeypatch.setattr(shelf, "MOST_EVENTS", 5)
    answer = made.get("/api/summary", params={"trace": "trace-1"})
    assert answer.status_code == 413
    assert "aisecops replay summary" in answer.json()["do"]


def test_a_timeline_comes_in_pages(tmp_path: Path) -> None:
    made = client(site_over(write_log(tmp_path / "audit", governed_story().events)))
    whole = made.get("/api/timeline", params={"trace": "trace-1"}).json()
    parts = [
        made.get("/api/timeline", params={"trace": "trace-1", "offset": start, "limit": 10}).json()["timeline"]
        for start in range(0, whole["total"], 10)
    ]
    assert [entry for part in parts for entry in part] == whole["timeline"]


def test_history_is_decided_again_under_a_bundle_at_hand_alone(tmp_path: Path) -> None:
    made = client(site_over(write_log(tmp_path / "audit", governed_story().events)))
    assert made.get("/api/policies").json()["policies"] == []
    assert made.get("/api/drift", params={"policy": "../../etc/passwd"}).status_code == 404


def test_bundles_that_the_home_keeps_must_decide_again_as_they_did(tmp_path: Path) -> None:
    with waiting(tmp_path / "home") as graph:
        graph.ask("one", "Pay 90 euros to ACME.")
    other = parse_policy(OFFICE.replace("max: 1000", "max: 50"), name="lower.yaml")
    made = client(site_over(graph.home / "audit", policies={"lower.yaml": other}))
    drift = made.get("/api/drift", params={"policy": "lower.yaml"}).json()["drift"]
    assert (drift["determinism"]["unchecked"], drift["determinism"]["reproduced"]) == ({}, 1)
    assert drift["bundles"][0]["changed"]["newly_denied"] == 1
    (kept,) = (graph.home / KEPT).iterdir()
    kept.write_bytes(kept.read_bytes().replace(b"1000", b"9000"))
    answer = made.get("/api/measures")
    assert answer.status_code == 500
    assert "bundle that the home keeps was changed" in answer.json()["detail"]
    assert str(tmp_path) not in answer.text
