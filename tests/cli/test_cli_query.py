"""Asking the log: right answers, nothing reachable beyond it, and the verdict first."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import duckdb
import pytest
from cli_logs import Run, segment_of, write_log
from trace_factory import governed_story

from aisecops_langchain.errors import QueryError
from aisecops_langchain.forensics.sql import LogQuery


def asked(home: Path, question: str) -> list[tuple[object, ...]]:
    with LogQuery(home / "audit") as engine:
        return list(engine.ask(question).rows)


def test_views_say_what_the_events_say(home: Path) -> None:
    assert asked(home, "select count(*) from events") == [(len(governed_story().events),)]
    assert asked(home, "select tool, effect, stage from decisions order by seq") == [
        ("export_data", "deny", "capability"),
        ("pay_invoice", "require_approval", "rules"),
    ]
    assert asked(home, "select approver, verified, tool from approvals where kind = 'approval_granted'") == [
        ("bob", True, "pay_invoice")
    ]
    assert asked(home, "select kind, call_id from effects where kind like 'execution_%' order by seq") == [
        ("execution_started", "call-1"),
        ("execution_completed", "call-1"),
    ]
    assert asked(home, "select rule, severity, source_name, agent from findings") == [
        ("ignore-instructions", "high", "supplier.md", "procurement")
    ]
    assert asked(home, "select line->>'kind' from raw where segment like 'segment-%' limit 1") == [("segment_opened",)]


def test_a_torn_line_is_no_row(home: Path) -> None:
    segment = segment_of(home / "audit")
    before = asked(home, "select count(*) from lines")
    segment.write_bytes(segment.read_bytes() + b'{"seq":99,"prev":"00')
    assert asked(home, "select count(*) from lines") == before
    assert asked(home, "select count(*) from lines where kind is null") == [(0,)]


ATTACKS = [
    "select * from read_text('/etc/passwd')",
    "select * from read_blob('/etc/passwd')",
    "select * from read_csv('/proc/self/environ')",
    "select * from glob('/etc/*')",
    "select * from '/etc/passwd'",
    "select * from read_json('https://example.com/x.json')",
    "select * from 's3://bucket/x.parquet'",
    "select * from sniff_csv('/etc/passwd')",
    "select * from parquet_metadata('/etc/passwd')",
    "select * from query('select * from read_text(''/etc/passwd'')')",
    "select * from governed_story",
    "select * from duckdb_secrets()",
    "select getenv('HOME')",
    "with x as (select * from read_text('/etc/hosts')) select * from x",
    "select (select content from read_text('/etc/hosts'))",
]
NO_QUESTIONS = [
    "copy events to '/tmp/out.csv'",
    "copy (select 1) to 'SEGMENT' (format csv, use_tmp_file false)",
    "attach 'SEGMENT' as x",
    "install httpfs",
    "load httpfs",
    "set enable_external_access = true",
    "reset enable_external_access",
    "set allowed_directories = ['/']",
    "pragma database_list",
    "create table x as select 1",
    "create or replace view events as select 1",
    "drop view events",
    "export database '/tmp/x'",
    "call enable_logging()",
    "select 1; select 2",
    "select 1; copy (select 1) to 'SEGMENT'",
    "prepare x as copy (select 1) to 'SEGMENT'",
    "explain analyze copy (select 1) to 'SEGMENT'",
    "",
    "select",
    "nonsense",
]


@pytest.mark.parametrize("question", [*ATTACKS, *NO_QUESTIONS])
def test_a_question_reaches_nothing_else(home: Path, question: str) -> None:
    segment = segment_of(home / "audit")
    before = segment.read_bytes()
    with pytest.raises(QueryError):
        asked(home, question.replace("SEGMENT", str(segment)))
    assert segment.read_bytes() == before


def test_a_question_cannot_break_out_of_the_export(home: Path, run: Run, tmp_path: Path) -> None:
    segment = segment_of(home / "audit")
    before = segment.read_bytes()
    for question in (f"select 1) to '{segment}' (format csv); --", "select 1 --", "select 1;"):
        run("query", home, question, "--parquet", tmp_path / "out.parquet")
        assert segment.read_bytes() == before
        (tmp_path / "out.parquet").unlink(missing_ok=True)
    assert list(tmp_path.glob("*.csv")) == []


def test_an_engine_is_locked_even_to_trusted_statements(home: Path) -> None:
    """Were the check of the statement's kind fooled, the engine still writes no other file and stays locked."""
    with LogQuery(home / "audit") as engine:
        for statement in (
            "COPY (SELECT 1) TO '/tmp/never-made.csv'",
            "SET enable_external_access = true",
            "LOAD httpfs",
        ):
            with pytest.raises(QueryError):
                engine.trusted(statement)
    assert not Path("/tmp/never-made.csv").exists()


def test_a_question_that_needs_too_much_memory_fails(home: Path) -> None:
    with pytest.raises(QueryError, match="Memory"):
        asked(home, "select max(len(a)) from (select array_agg(x) as a from range(100000000) r(x))")


def test_the_verdict_comes_first(home: Path, run: Run) -> None:
    result = run("query", home, "select count(*) as n from events")
    assert result.exit_code == 0
    assert result.output.startswith("Log verified")
    segment = segment_of(home / "audit")
    segment.write_bytes(segment.read_bytes().replace(b"procurement", b"procuremenT", 1))
    result = run("query", home, "select count(*) as n from events")
    assert result.exit_code == 1
    assert result.output.startswith("LOG DOES NOT VERIFY")
    result = run("query", home, "select count(*) as n from events", "--json")
    assert result.exit_code == 1
    assert json.loads(result.output)["log"]["verified"] is False


def test_json_csv_and_parquet_agree(home: Path, run: Run, tmp_path: Path) -> None:
    question = "select seq, kind, time, parents from events order by seq"
    rows = json.loads(run("query", home, question, "--json").output)["rows"]
    table = list(csv.reader(run("query", home, question, "--csv").stdout.splitlines()))
    assert table[0] == ["seq", "kind", "time", "parents"]
    assert [row[:3] for row in table[1:]] == [[str(row[0]), row[1], row[2]] for row in rows]
    out = tmp_path / "events.parquet"
    assert run("query", home, question, "--parquet", out).exit_code == 0
    assert duckdb.sql(f"select seq, kind from '{out}' order by seq").fetchall() == [tuple(row[:2]) for row in rows]
    assert run("query", home, question, "--parquet", out).exit_code == 2


def test_hostile_names_are_shown_and_not_obeyed(run: Run, tmp_path: Path) -> None:
    events = [event.model_copy(update={"thread": "=cmd|'x'!A1\x1b[2J\u202e\n"}) for event in governed_story().events]
    write_log(tmp_path / "audit", events)
    for form in ((), ("--json",), ("--csv",)):
        result = run("query", tmp_path / "audit", "select distinct thread from events", *form)
        assert "\x1b" not in result.output
        assert "\u202e" not in result.output
    assert "'=cmd" in run("query", tmp_path / "audit", "select distinct thread from events", "--csv").stdout


def test_a_path_with_wildcards_is_refused(tmp_path: Path) -> None:
    write_log(tmp_path / "a[1]", governed_story().events)
    with pytest.raises(QueryError):
        LogQuery(tmp_path / "a[1]")
    with pytest.raises(QueryError):
        LogQuery(tmp_path)


def test_rows_that_are_too_wide_for_a_table_are_told_one_by_one(home: Path, run: Run) -> None:
    wide = run("query", home, "select * from decisions order by seq").stdout.splitlines()
    assert [line for line in wide if line.startswith("row ")] == ["row 1", "row 2"]
    assert ["tool", "export_data"] in [line.split() for line in wide]
    narrow = run("query", home, "select tool, effect from decisions order by seq").stdout.splitlines()
    assert [line.split() for line in narrow[1:]] == [
        ["tool", "effect"],
        ["export_data", "deny"],
        ["pay_invoice", "require_approval"],
    ]


def test_a_limit_shows_at_least_one_row(home: Path, run: Run) -> None:
    assert run("query", home, "select 1", "--limit", "-1").exit_code == 2
    cut = run("query", home, "select seq from events", "--limit", "1").stdout
    assert "more than these 1 rows" in cut
