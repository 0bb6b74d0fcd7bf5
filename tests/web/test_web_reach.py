"""Runs that belong together, and questions over many runs, as far as the caller may see them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from cli_logs import write_log
from page_kit import stories
from trace_factory import governed_story
from web_kit import client, site_over

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
