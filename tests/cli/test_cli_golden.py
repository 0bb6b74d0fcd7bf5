"""Logs that real governed graphs once wrote: every version reads them, and tells the same story of them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import orjson
import pytest
from cli_logs import Run
from syrupy.assertion import SnapshotAssertion

from aisecops_langchain.audit import verify_log

GOLDEN = Path(__file__).parents[1] / "golden"
STORIES = (
    "poisoned_retrieval",
    "memory_implant",
    "overreaching_subagent",
    "edited_approval",
    "crash_after_intent",
)
stories = pytest.mark.parametrize("story", STORIES)


@pytest.fixture(autouse=True)
def among_the_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(GOLDEN)


def traces(run: Run, story: str) -> list[str]:
    told = orjson.loads(run("replay", "summary", story, "--json").stdout)
    return [item["trace"] for item in told["traces"]]


def test_golden_logs_are_the_bytes_that_were_written() -> None:
    for line in Path("SHA256SUMS").read_text().splitlines():
        digest, path = line.split()
        assert hashlib.sha256(Path(path).read_bytes()).hexdigest() == digest, path
    assert {path.split("/")[0] for path in Path("SHA256SUMS").read_text().split()[1::2]} == set(STORIES)


@stories
def test_golden_logs_verify_and_hold_no_private_key(story: str) -> None:
    assert verify_log(Path(story)).ok
    assert not list(Path(story).rglob("*.key"))


@stories
def test_summary_of_a_golden_log(run: Run, story: str, snapshot: SnapshotAssertion) -> None:
    for trace in traces(run, story):
        assert run("replay", "summary", story, "--trace", trace).stdout == snapshot


@stories
def test_timeline_of_a_golden_log(run: Run, story: str, snapshot: SnapshotAssertion) -> None:
    for trace in traces(run, story):
        assert run("replay", "timeline", story, "--trace", trace).stdout == snapshot


@stories
def test_graph_of_a_golden_log(run: Run, story: str, snapshot: SnapshotAssertion) -> None:
    assert run("replay", "graph", story).stdout == snapshot


@pytest.mark.parametrize(
    ("story", "source"),
    [
        ("poisoned_retrieval", "forged-letter"),
        ("memory_implant", "newsletter"),
        ("overreaching_subagent", "tool_result:search"),
    ],
)
def test_blast_radius_in_a_golden_log(run: Run, story: str, source: str, snapshot: SnapshotAssertion) -> None:
    assert run("replay", "blast-radius", source, story).stdout == snapshot


@pytest.mark.parametrize(
    ("story", "effect"), [("edited_approval", "pay"), ("crash_after_intent", "send_mail"), ("memory_implant", "recall")]
)
def test_origin_in_a_golden_log(run: Run, story: str, effect: str, snapshot: SnapshotAssertion) -> None:
    assert run("replay", "origin", effect, story).stdout == snapshot


@stories
def test_diff_within_a_golden_log(run: Run, story: str, snapshot: SnapshotAssertion) -> None:
    result = run("replay", "diff", story)
    assert result.exit_code == 0
    assert result.stdout == snapshot


def test_an_implant_is_traced_from_its_page_through_memory_into_the_next_session(run: Run) -> None:
    told = orjson.loads(run("replay", "blast-radius", "newsletter", "memory_implant", "--json").stdout)["blast_radius"]
    assert len(told["runs"]) == 2
    planted, obeyed = told["touched"]
    assert planted["shown"].startswith("remember(")
    assert (planted["how"], planted["found"]) == ("found", ["text"])
    assert obeyed["shown"].startswith("send_mail(")
    assert (obeyed["how"], obeyed["found"], obeyed["fate"]["decision"]) == ("found", ["to"], "deny")
    assert planted["trace"] != obeyed["trace"]


def test_a_subagents_run_names_the_run_that_sent_it(run: Run) -> None:
    told = orjson.loads(run("replay", "summary", "overreaching_subagent", "--json").stdout)["traces"]
    sender, sent = told
    assert sent["delegation"]["parent"] == sender["trace"]
    assert [item["child"] for item in sender["delegated"]] == [sent["trace"]]
    assert sender["delegation"] is None
    alone = orjson.loads(run("replay", "summary", "overreaching_subagent", "--trace", sent["trace"], "--json").stdout)
    assert alone["traces"] == [sent]


def test_a_run_whose_sender_is_not_in_the_log_says_so(run: Run, tmp_path: Path) -> None:
    (segment,) = Path("overreaching_subagent").glob("*.jsonl")
    kept = [line for line in segment.read_bytes().splitlines(keepends=True) if b'"agent":"researcher"' in line]
    part = tmp_path / "part.jsonl"
    part.write_bytes(b"".join(line for line in kept if b"warrant_issued" not in line))
    shown = run("replay", "graph", part)
    assert shown.stdout.startswith("LOG DOES NOT VERIFY")
    assert "and the run in which it did is not in this log" in shown.stdout.replace("\n", " ")


def test_an_effect_that_a_crash_left_unknown_is_named_in_every_view(run: Run) -> None:
    for command in ("summary", "timeline", "graph", "diff"):
        shown = run("replay", command, "crash_after_intent").stdout
        assert "unsigned_tail" in shown, command
    assert "Nobody knows whether send_mail" in run("replay", "timeline", "crash_after_intent").stdout
    assert "effect of send_mail: unknown" in run("replay", "graph", "crash_after_intent").stdout
