"""All runs of a log at a glance, by one scan.

Invariant: the answer is that of the pure functions. Runs that the scan cannot tell for sure (without one end, with
events recorded or calls started twice, or of several agents) are read line by line and told by those functions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from sys import intern
from typing import Final, NamedTuple, cast

import orjson

from aisecops_langchain.audit.span import lines_between
from aisecops_langchain.forensics.outcome import Outcome
from aisecops_langchain.forensics.overview import TraceRow, rows_of_lines
from aisecops_langchain.forensics.sql.engine import LogQuery
from aisecops_langchain.forensics.sql.views import quoted, reading

_COLUMNS: Final = {
    "seq": "BIGINT",
    "kind": "VARCHAR",
    "id": "VARCHAR",
    "time": "TIMESTAMP",
    "trace": "VARCHAR",
    "principal": "STRUCT(agent VARCHAR)",
    "outcome": "VARCHAR",
    "plan": "VARCHAR",
    "call_id": "VARCHAR",
    "decision": "STRUCT(effect VARCHAR)",
}

_SCAN: Final = """
    SELECT trace, any_value(principal.agent), any_value(outcome) FILTER (kind = 'run_finished'), min(time), max(time),
      count(*) FILTER (decision.effect = 'allow'), count(*) FILTER (decision.effect = 'require_approval'),
      count(*) FILTER (decision.effect = 'deny'),
      count(*) FILTER (kind = 'execution_started'),
      count(*),
      min(seq), max(seq), min(hash(filename)), max(hash(filename)),
      count(*) = list_unique(list(hash(id))) AND count(*) FILTER (kind = 'execution_started')
        = coalesce(list_unique(list(hash(plan, call_id)) FILTER (kind = 'execution_started')), 0)
        AND count(*) FILTER (kind = 'run_finished') = 1
        AND min(hash(principal.agent)) = max(hash(principal.agent))
"""

_BATCH: Final = 500
_FEW: Final = 20_000
"""Lines that are rather read one by one than looked for in the whole log."""

_OUTCOMES: Final = {item.value: item for item in Outcome}


class _Unsure(NamedTuple):
    """A run that has to be read."""

    trace: str
    events: int
    first: int
    """Number of its first line."""
    last: int
    segment: Path | None
    """The segment that holds all of it; none if several do."""


def overview_of_log(log: Path) -> tuple[TraceRow, ...]:
    """Tell all runs of a log that verifies.

    Args:
        log: The log directory, or one segment file; lines that are no events of ours would count here.

    Returns:
        One row per run, by the time of its first event.

    Raises:
        QueryError: If the log cannot be scanned.
    """
    with LogQuery(log) as engine:
        source = reading(engine.paths, _COLUMNS)
        scan = f"{_SCAN} FROM {source} WHERE seq IS NOT NULL AND trace IS NOT NULL GROUP BY trace"
        rows: list[TraceRow] = []
        unsure: list[_Unsure] = []
        names = _segments(engine)
        for found in engine.trusted(scan).rows:
            if found[-1] is True:
                rows.append(_row(found))
            else:
                unsure.append(_unsure(found, names))
        left = list(_read_near(unsure, rows))
        for start in range(0, len(left), _BATCH):
            rows.extend(_told(engine, left[start : start + _BATCH]))
    return tuple(sorted(rows, key=lambda row: (row.started, row.trace)))


def _row(found: tuple[object, ...]) -> TraceRow:
    trace, agent, outcome, first, last, allow, ask, deny, executed, events = found[:10]
    began, ended = cast("datetime", first), cast("datetime", last)
    return TraceRow(
        cast("str", trace),
        intern(cast("str", agent)),
        _OUTCOMES[cast("str", outcome)],
        began.replace(tzinfo=UTC),
        round((ended - began).total_seconds() * 1000, 3),
        cast("int", allow),
        cast("int", ask),
        cast("int", deny),
        cast("int", executed),
        cast("int", events),
    )


def _segments(engine: LogQuery) -> dict[object, Path]:
    """Name the segments as the scan does: by a number, which takes less memory for each run than a path."""
    paths = ", ".join(f"({number}, hash({quoted(str(path))}))" for number, path in enumerate(engine.paths))
    return {
        name: engine.paths[cast("int", number)]
        for number, name in engine.trusted(f"SELECT * FROM (VALUES {paths})").rows
    }


def _unsure(found: tuple[object, ...], names: Mapping[object, Path]) -> _Unsure:
    first, last, one, other = found[10:14]
    return _Unsure(
        trace=str(found[0]),
        events=cast("int", found[9]),
        first=cast("int", first),
        last=cast("int", last),
        segment=names.get(one) if one == other else None,
    )


def _read_near(unsure: Sequence[_Unsure], rows: list[TraceRow]) -> Iterator[str]:
    """Tell the runs whose lines lie close together; yield the traces of the others."""
    budget = _FEW
    for run in sorted(unsure, key=lambda item: item.last - item.first):
        budget -= run.last - run.first + 1
        if run.segment is None or budget < 0:
            yield run.trace
            continue
        lines = [
            line.data for line in lines_between(run.segment, run.first, run.last) if _trace(line.data) == run.trace
        ]
        if len(lines) == run.events:
            rows.extend(rows_of_lines({run.segment.stem: lines}))
        else:
            yield run.trace


def _trace(line: bytes) -> object:
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return found.get("trace") if isinstance(found, dict) else None


def _told(engine: LogQuery, traces: Sequence[str]) -> Iterator[TraceRow]:
    wanted = ", ".join(quoted(trace) for trace in traces)
    # The opening record sets the time from which on a segment is merged, as it does for a reader of the whole log.
    chosen = f"line->>'trace' IN ({wanted}) OR line->>'kind' = 'segment_opened'"
    question = f"SELECT segment, line FROM raw WHERE {chosen} ORDER BY segment, (line->>'seq')::BIGINT"
    segments: defaultdict[str, list[bytes]] = defaultdict(list)
    for segment, line in engine.trusted(question).rows:
        segments[str(segment)].append(str(line).encode())
    return rows_of_lines(segments)
