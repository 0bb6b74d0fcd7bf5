"""Long runs: worked out once, shown in parts, and no view that grows with the run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from page_kit import long_run, write_log
from trace_factory import Story
from web_kit import client, site_over

from aisecops_langchain.domain.events import ModelFinished
from aisecops_langchain.web import shelf
from aisecops_langchain.web.pages import run as run_pages
from aisecops_langchain.web.site import Site

RUN = {"trace": "long-run"}
VIEWS = ("overview", "timeline", "graph", "arguments", "calls")


def a_site(home: Path, events: int) -> Site:
    return site_over(long_run(home, events) / "audit")


def view_of(site: Site, view: str, **more: object) -> str:
    answer = client(site).get("/run", params={**RUN, "view": view, **more})  # type: ignore[arg-type]
    assert answer.status_code == 200, answer.text
    return answer.text


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The lines that were read as events."""
    lines: list[bytes] = []
    genuine = shelf.event_of

    def noted(line: bytes) -> Any:
        lines.append(line)
        return genuine(line)

    monkeypatch.setattr(shelf, "event_of", noted)
    return lines


def test_no_view_grows_with_the_run(tmp_path: Path) -> None:
    short, long = a_site(tmp_path / "short", 4_500), a_site(tmp_path / "long", 9_000)
    for view in VIEWS:
        one, other = len(view_of(short, view)), len(view_of(long, view))
        assert other < 1.1 * one, f"{view}: {one} characters, and {other} of a run twice as long"
        assert other < 150_000


def test_a_run_is_worked_out_once_however_often_it_is_looked_at(tmp_path: Path, read: list[bytes]) -> None:
    site = a_site(tmp_path, 300)
    for view in VIEWS:
        view_of(site, view)
        client(site).get("/api/timeline", params=RUN)
    assert len(read) == 300


def test_of_a_run_that_grew_only_the_new_lines_are_read_as_events(tmp_path: Path, read: list[bytes]) -> None:
    site = a_site(tmp_path, 300)
    view_of(site, "timeline")
    read.clear()
    more = Story("long-run").add(ModelFinished, run="late", name="gpt-late", output_digest="sha256:o", tool_calls=0)
    write_log(tmp_path, [more.model_copy(update={"id": "late"})])
    site.library.look()
    told = client(site).get("/api/timeline", params=RUN).json()
    assert told["total"] == 301
    assert len(read) == 1


def test_a_line_that_was_changed_in_its_place_is_not_shown_as_it_was(tmp_path: Path) -> None:
    site = a_site(tmp_path, 300)
    assert client(site).get("/api/summary", params=RUN).json()["summary"]["decisions"]["deny"] > 1
    (segment,) = (tmp_path / "audit").glob("*.jsonl")
    segment.write_bytes(segment.read_bytes().replace(b'"effect":"deny"', b'"effect":"nope"'))
    assert client(site).get("/api/summary", params=RUN).json()["summary"]["decisions"]["deny"] == 0


def test_only_so_many_events_are_kept_and_the_last_run_always_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: list[bytes]
) -> None:
    monkeypatch.setattr(shelf, "MOST_KEPT", 500)
    home = long_run(tmp_path, 400)
    other = Story("other")
    for number in range(200):
        other.add(ModelFinished, run=f"m{number}", name="gpt-x", output_digest="sha256:o", tool_calls=0)
    made = client(site_over(write_log(home, other.events) / "audit"))
    counts = []
    for trace in ("long-run", "long-run", "other", "other", "long-run"):
        read.clear()
        assert made.get("/api/summary", params={"trace": trace}).status_code == 200
        counts.append(len(read))
    assert counts == [400, 0, 200, 0, 400]


def test_the_calls_are_told_in_parts(tmp_path: Path) -> None:
    made = client(a_site(tmp_path, 1_000))
    first = made.get("/api/diff", params={**RUN, "limit": 50}).json()
    second = made.get("/api/diff", params={**RUN, "limit": 50, "offset": 50}).json()
    assert first["total"] == second["total"] > 100
    steps = [item["step"]["call_id"] for told in (first, second) for item in told["calls"]]
    assert steps == [f"call-{number}" for number in range(100)]
    assert made.get("/api/diff", params={**RUN, "limit": 5_001}).status_code == 400


def test_the_page_of_calls_goes_on_and_narrows_to_a_verdict(tmp_path: Path) -> None:
    site = a_site(tmp_path, 1_500)
    assert "ACME 99" in view_of(site, "calls")
    assert "ACME 100" not in view_of(site, "calls")
    assert "ACME 100" in view_of(site, "calls", offset=100)
    refused = view_of(site, "calls", verdict="refused")
    assert set(re.findall(r"(lookup|export_data)\(", refused)) == {"export_data"}
    assert client(site).get("/run", params={**RUN, "view": "calls", "verdict": "fine"}).status_code == 400


def test_the_overview_names_what_it_leaves_out_and_where_it_stands(tmp_path: Path) -> None:
    overview = view_of(a_site(tmp_path, 4_000), "overview")
    assert re.search(r"The first 50 of \d{3}", overview)
    assert "view=calls" in overview


def test_a_long_run_is_read_beside_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = a_site(tmp_path, 300)
    monkeypatch.setattr(run_pages, "LONG", 100)
    monkeypatch.setattr(site.work, "result", lambda key, work: None)
    waiting = view_of(site, "calls")
    assert "being read" in waiting
    assert "300 events" in waiting
    assert 'http-equiv="refresh"' in waiting
    monkeypatch.undo()
    monkeypatch.setattr(run_pages, "LONG", 100)
    assert "ACME 7" in view_of(site, "calls")


def test_a_long_run_that_a_caller_may_not_see_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = a_site(tmp_path, 300)
    monkeypatch.setattr(run_pages, "LONG", 100)
    assert client(site, "of-other").get("/run", params=RUN).status_code == 404
    assert client(site, "of-acme").get("/run", params=RUN).status_code == 200
