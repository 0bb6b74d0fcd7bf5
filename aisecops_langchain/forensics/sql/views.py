"""The views over a log, as SQL.

Invariant: a view shows what stands in the lines and adds nothing; a torn line, or one that is no JSON object, shows as
no row at all (DuckDB reads it as a row of nulls). An event that several processes recorded has several rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from aisecops_langchain.audit.lines import MAX_LINE_BYTES

_PERSON: Final = "STRUCT(id VARCHAR, verified BOOLEAN)"

COLUMNS: Final[Mapping[str, str]] = {
    "seq": "BIGINT",
    "prev": "VARCHAR",
    "kind": "VARCHAR",
    "id": "VARCHAR",
    "time": "TIMESTAMPTZ",
    "trace": "VARCHAR",
    "thread": "VARCHAR",
    "parents": "VARCHAR[]",
    "principal": 'STRUCT(agent VARCHAR, "user" VARCHAR, tenant VARCHAR)',
    "policy": "VARCHAR",
    "plan": "VARCHAR",
    "call_id": "VARCHAR",
    "tool": "VARCHAR",
    "call": "JSON",
    "decision": "JSON",
    "approval": "VARCHAR",
    "approver": _PERSON,
    "waited_seconds": "DOUBLE",
    "permit": "VARCHAR",
    "grant": "VARCHAR",
    "outcome": "VARCHAR",
    "reason": "VARCHAR",
    "error": "VARCHAR",
    "code": "VARCHAR",
    "source": "JSON",
    "label": "JSON",
    "findings": "STRUCT(rule VARCHAR, category VARCHAR, severity VARCHAR)[]",
}
"""Fields of a line and their types; the rest of a line is in ``raw``."""

_WHO: Final = 'principal.agent AS agent, principal."user" AS "user", principal.tenant AS tenant'
_WHERE: Final = f"segment, seq, id, time, trace, thread, {_WHO}, policy"

VIEWS: Final[Mapping[str, str]] = {
    "events": f"SELECT * EXCLUDE (principal), {_WHO} FROM lines WHERE kind NOT LIKE 'segment_%' AND id IS NOT NULL",
    "decisions": f"""
        SELECT {_WHERE}, plan, call->>'call_id' AS call_id, call->>'tool' AS tool, call->>'digest' AS call,
          call->'arguments' AS arguments, decision->>'effect' AS effect, decision->>'stage' AS stage,
          decision->>'risk' AS risk, decision->'rules' AS rules, decision->'reasons' AS reasons
        FROM lines WHERE kind = 'decision_made'""",
    "approvals": f"""
        SELECT {_WHERE}, kind, approval, plan, call_id, tool, call->>'$' AS call, approver.id AS approver,
          approver.verified AS verified, waited_seconds, reason
        FROM lines WHERE kind LIKE 'approval_%'""",
    "effects": f"""
        SELECT {_WHERE}, kind, plan, call_id, tool, call->>'$' AS call, permit, outcome, error, reason
        FROM lines WHERE kind LIKE 'execution_%' OR kind IN ('permit_issued', 'effect_resolved')""",
    "findings": f"""
        SELECT {_WHERE}, kind, source->>'kind' AS source_kind, source->>'name' AS source_name, finding.rule AS rule,
          finding.category AS category, finding.severity AS severity
        FROM (SELECT *, unnest(findings) AS finding FROM lines WHERE findings IS NOT NULL)""",
}
"""What a question may ask, beside ``lines`` and ``raw``."""


def reading(paths: Sequence[Path], columns: Mapping[str, str]) -> str:
    """Write the table function that reads fields of all lines.

    Args:
        paths: The segments; none of their names may hold a wildcard.
        columns: Types by field.

    Returns:
        SQL that stands where a table may.
    """
    fields = ", ".join(f"{quoted(name)}: {quoted(kind)}" for name, kind in columns.items())
    return f"read_json({_files(paths)}, columns = {{{fields}}}, {_OPTIONS})"


def create_views(paths: Sequence[Path]) -> list[str]:
    """Write the statements that make all views.

    Args:
        paths: The segments.

    Returns:
        SQL statements, in order.
    """
    segment = "regexp_extract(filename, '([^/]*)[.]jsonl$', 1) AS segment"
    lines = f"SELECT {segment}, * EXCLUDE (filename) FROM {reading(paths, COLUMNS)} WHERE seq IS NOT NULL"
    raw = f"SELECT {segment}, json AS line FROM read_ndjson_objects({_files(paths)}, {_OPTIONS}) WHERE json IS NOT NULL"
    views = {"lines": lines, "raw": raw, **VIEWS}
    return [f"CREATE VIEW {name} AS {text}" for name, text in views.items()]


def quoted(text: str) -> str:
    """Write a text as an SQL literal.

    Args:
        text: Any text.

    Returns:
        The literal.
    """
    return "'" + text.replace("'", "''") + "'"


_OPTIONS: Final = f"""
    format = 'newline_delimited', ignore_errors = true, filename = true, maximum_object_size = {MAX_LINE_BYTES}"""


def _files(paths: Sequence[Path]) -> str:
    return "[" + ", ".join(quoted(str(path)) for path in paths) + "]"
