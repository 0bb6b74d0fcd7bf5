"""All runs of a log at a glance, by one scan.

Invariant: the answer is that of the pure functions. Runs that the scan cannot tell for sure (without one end, with
events recorded or calls started twice, or of several agents) are read line by line and told by those functions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, cast

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
    SELECT trace, min(principal.agent), any_value(outcome) FILTER (kind = 'run_finished'), min(time), max(time),
      count(*) FILTER (decision.effect = 'allow'), count(*) FILTER (decision.effect = 'require_approval'),
      count(*) FILTER (decision.effect = 'deny'),
      count(*) FILTER (kind = 'execution_started'),
      count(*),
      count(*) = len(list_distinct(list(hash(id)))) AND count(*) FILTER (kind = 'execution_started')
        = coalesce(len(list_distinct(list(hash(plan, call_id)) FILTER (kind = 'execution_started'))), 0)
        AND count(*) FILTER (kind = 'run_finished') = 1
        AND min(principal.agent) = max(principal.agent)
"""

_BATCH: Final = 500


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
        unsure: list[str] = []
        for found in engine.trusted(scan).rows:
            if found[-1] is True:
                rows.append(_row(found))
            else:
                unsure.append(str(found[0]))
        for start in range(0, len(unsure), _BATCH):
            rows.extend(_told(engine, unsure[start : start + _BATCH]))
    return tuple(sorted(rows, key=lambda row: (row.started, row.trace)))


def _row(found: tuple[object, ...]) -> TraceRow:
    trace, agent, outcome, first, last, allow, ask, deny, executed, events, _ = found
    began, ended = (cast("datetime", moment).replace(tzinfo=UTC) for moment in (first, last))
    return TraceRow(
        trace=str(trace),
        agent=str(agent),
        outcome=Outcome(str(outcome)),
        started=began,
        duration_ms=round((ended - began).total_seconds() * 1000, 3),
        allowed=cast("int", allow),
        asked=cast("int", ask),
        denied=cast("int", deny),
        executed=cast("int", executed),
        events=cast("int", events),
    )


def _told(engine: LogQuery, traces: Sequence[str]) -> Iterator[TraceRow]:
    wanted = ", ".join(quoted(trace) for trace in traces)
    # The opening record sets the time from which on a segment is merged, as it does for a reader of the whole log.
    chosen = f"line->>'trace' IN ({wanted}) OR line->>'kind' = 'segment_opened'"
    question = f"SELECT segment, line FROM raw WHERE {chosen} ORDER BY segment, (line->>'seq')::BIGINT"
    segments: defaultdict[str, list[bytes]] = defaultdict(list)
    for segment, line in engine.trusted(question).rows:
        segments[str(segment)].append(str(line).encode())
    return rows_of_lines(segments)
