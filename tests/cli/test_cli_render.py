"""What people see of a hand-made trace, word for word."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from syrupy.assertion import SnapshotAssertion
from trace_factory import Story, allowed_story, governed_story

from aisecops_langchain.cli.render_summary import show_overview, show_summary
from aisecops_langchain.cli.render_timeline import show_timeline
from aisecops_langchain.forensics import problems_of, summarize, timeline, traces_of
from aisecops_langchain.forensics.overview import row_of_summary


def broken_story() -> Story:
    story = allowed_story("trace-2")
    story.events = [event for event in story.events if event.kind not in {"permit_issued", "run_finished"}]
    return story


STORIES = pytest.mark.parametrize("story", [governed_story(), broken_story()], ids=["governed", "broken"])


def paper() -> Console:
    return Console(file=io.StringIO(), width=110, color_system=None, markup=False, emoji=False, highlight=False)


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


@STORIES
def test_summary(story: Story, snapshot: SnapshotAssertion) -> None:
    (trace,) = traces_of(story.events)
    console = paper()
    show_summary(console, summarize(trace))
    assert written(console) == snapshot


@STORIES
def test_timeline(story: Story, snapshot: SnapshotAssertion) -> None:
    (trace,) = traces_of(story.events)
    console = paper()
    show_timeline(console, trace, timeline(trace), problems_of(trace))
    assert written(console) == snapshot


def test_overview(snapshot: SnapshotAssertion) -> None:
    console = paper()
    summaries = [summarize(trace) for trace in traces_of([*governed_story().events, *broken_story().events])]
    rows = [row_of_summary(summary) for summary in summaries]
    show_overview(console, rows, [len(summary.problems) for summary in summaries])
    assert written(console) == snapshot
