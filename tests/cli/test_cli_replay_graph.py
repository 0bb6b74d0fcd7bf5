"""``aisecops replay graph``, ``blast-radius``, ``origin`` and ``diff`` as people and programs meet them."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import orjson
import pytest
from cli_logs import Run, segment_of, write_log
from trace_factory import allowed_story, governed_story

VIEWS = (
    ("summary",),
    ("timeline",),
    ("graph",),
    ("blast-radius", "supplier.md"),
    ("origin", "pay_invoice"),
    ("diff",),
)
views = pytest.mark.parametrize("view", VIEWS, ids=lambda view: view[0])
FORMATS = ("dot", "graphml", "mermaid", "svg", "json")


def tamper(home: Path) -> None:
    segment = segment_of(home / "audit")
    segment.write_bytes(segment.read_bytes().replace(b'"amount":950', b'"amount":999'))


def truncate(home: Path) -> None:
    segment = segment_of(home / "audit")
    segment.write_bytes(b"".join(segment.read_bytes().splitlines(keepends=True)[:-4]))


@views
@pytest.mark.parametrize("harm", [tamper, truncate])
def test_every_view_of_a_harmed_log_says_so_first(run: Run, home: Path, view: tuple[str, ...], harm) -> None:
    harm(home)
    shown = run("replay", *view, home)
    assert shown.stdout.startswith("LOG DOES NOT VERIFY")
    told = run("replay", *view, home, *_as_json(view))
    assert orjson.loads(told.stdout)["log"]["verified"] is False
    assert shown.exit_code == told.exit_code == 1


def _as_json(view: tuple[str, ...]) -> tuple[str, ...]:
    return ("--format", "json") if view[0] == "graph" else ("--json",)


@pytest.mark.parametrize("form", FORMATS)
def test_every_drawing_of_a_harmed_log_says_so(run: Run, home: Path, tmp_path: Path, form: str) -> None:
    tamper(home)
    drawing = tmp_path / f"graph.{form}"
    result = run("replay", "graph", home, "--format", form, "-o", drawing)
    assert result.exit_code == 1
    assert "LOG DOES NOT VERIFY" in result.stderr
    text = drawing.read_text()
    assert "LOG DOES NOT VERIFY" in text
    assert form == "json" or text.index("LOG DOES NOT VERIFY") < text.index("procurement")


@views
def test_no_view_obeys_what_stands_in_a_log(run: Run, tmp_path: Path, view: tuple[str, ...]) -> None:
    evil = "\x1b]0;owned\x07[bold red]x[/]\u202e\x9b2J"
    hostile = [
        event.model_copy(update={"tool": evil, "reason": evil, "name": evil, "trace": evil, "thread": evil})
        for event in governed_story().events
    ]
    log = write_log(tmp_path / "log", hostile)
    named = (view[0], evil) if view[0] == "origin" else view
    for arguments in ((), _as_json(view)):
        result = run("replay", *named, log, *arguments)
        assert result.exit_code in {0, 1}, result.output
        assert not set(result.output) & {"\x1b", "\x07", "\x9b", "\u202e"}


@pytest.mark.parametrize("form", FORMATS)
def test_drawings_go_to_the_screen_or_into_a_file_the_same(run: Run, home: Path, tmp_path: Path, form: str) -> None:
    drawing = tmp_path / "drawing"
    run("replay", "graph", home, "--format", form, "-o", drawing)
    assert run("replay", "graph", home, "--format", form).stdout == drawing.read_text()


def test_a_drawing_that_cannot_be_written_is_a_clear_error(run: Run, home: Path, tmp_path: Path) -> None:
    result = run("replay", "graph", home, "--format", "svg", "-o", tmp_path / "missing" / "x.svg")
    assert result.exit_code == 2
    assert "cannot be written" in result.stderr


def test_a_source_that_is_not_there_has_no_empty_table(run: Run, home: Path) -> None:
    result = run("replay", "blast-radius", "nobody", home)
    assert result.exit_code == 1
    assert result.stdout.startswith("Log verified")
    assert len(result.stdout.splitlines()) == 1


def test_text_is_not_written_to_a_file(run: Run, home: Path, tmp_path: Path) -> None:
    result = run("replay", "graph", home, "-o", tmp_path / "x")
    assert result.exit_code == 2
    assert not (tmp_path / "x").exists()


def test_a_cut_graph_says_so_on_top(run: Run, home: Path) -> None:
    assert "CUT: " in run("replay", "graph", home, "--limit", "5").stdout
    shown = run("replay", "graph", home, "--limit", "5", "--format", "svg")
    assert "CUT: " in shown.stdout
    assert ET.fromstring(shown.stdout).tag.endswith("svg")
    assert orjson.loads(run("replay", "graph", home, "--limit", "5", "--format", "json").stdout)["graph"]["notes"]


def test_the_logs_of_several_hosts_are_read_as_one_run(run: Run, tmp_path: Path) -> None:
    events = governed_story().events
    first = write_log(tmp_path / "one" / "audit", events[:14]).parent
    second = write_log(tmp_path / "two" / "audit", events[14:]).parent
    alone = orjson.loads(run("replay", "summary", first, "--json").stdout)["traces"][0]
    assert alone["outcome"] == "paused" or alone["outcome"] == "unfinished"
    together = orjson.loads(run("replay", "summary", first, second, "--json").stdout)
    assert together["log"]["verified"] is True
    assert len(together["log"]["parts"]) == 2
    assert (together["traces"][0]["outcome"], together["traces"][0]["problems"]) == ("completed", [])
    assert run("replay", "diff", second, first).exit_code == 0
    assert run("replay", "timeline", first, second).stdout.count("Log verified") == 2


def test_one_harmed_log_of_several_is_named(run: Run, tmp_path: Path) -> None:
    events = governed_story().events
    first = write_log(tmp_path / "one" / "audit", events[:14]).parent
    second = write_log(tmp_path / "two" / "audit", events[14:]).parent
    truncate(second)
    shown = run("replay", "summary", first, second)
    assert "LOG DOES NOT VERIFY" in shown.stdout
    assert orjson.loads(run("replay", "summary", first, second, "--json").stdout)["log"]["verified"] is False


def test_the_same_log_given_twice_counts_once(run: Run, home: Path) -> None:
    assert run("replay", "summary", home, home, "--json").stdout == run("replay", "summary", home, "--json").stdout


def test_what_is_not_there_is_an_error(run: Run, home: Path) -> None:
    for view in (("blast-radius", "nothing"), ("origin", "nothing")):
        result = run("replay", *view, home)
        assert result.exit_code == 1
        assert "nothing" in result.stderr
    for arguments in (("--trace", "x"), ("--with", "x")):
        assert run("replay", "diff", home, *arguments).exit_code == 1


def test_diff_shows_violations_first_and_exits_1(run: Run, tmp_path: Path) -> None:
    events = [event for event in governed_story().events if event.kind != "permit_issued"]
    log = write_log(tmp_path / "log", events)
    result = run("replay", "diff", log)
    assert result.exit_code == 1
    assert "VIOLATION: pay_invoice" in result.stdout
    assert "executed but not permitted" in result.stdout
    told = orjson.loads(run("replay", "diff", log, "--json").stdout)
    assert "executed_but_not_permitted" in [name for call in told["calls"] for name in call["departures"]]


def test_diff_of_two_runs(run: Run, tmp_path: Path) -> None:
    log = write_log(tmp_path / "log", [*governed_story().events, *allowed_story("trace-2").events])
    result = run("replay", "diff", log, "--trace", "trace-1", "--with", "trace-2")
    assert result.exit_code == 1
    assert "Effect only in the first run: pay_invoice" in result.stdout
    assert run("replay", "diff", log, "--trace", "trace-1", "--with", "trace-1").exit_code == 0
