"""All runs of a log at a glance, by one scan.

Invariant: the answer is that of the pure functions. Runs that the scan cannot tell for sure (without one end, with
events recorded twice, or of several agents) are read line by line and told by those functions themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, cast

from aisecops_langchain.audit import SegmentClosed, SegmentOpened
from aisecops_langchain.audit.lines import split_line
from aisecops_langchain.audit.reader import parse_body
from aisecops_langchain.domain.events import AnyEvent
from aisecops_langchain.errors import AuditFormatError
from aisecops_langchain.forensics.overview import TraceRow, row_of
from aisecops_langchain.forensics.sql.engine import LogQuery
from aisecops_langchain.forensics.sql.views import quoted, reading
from aisecops_langchain.forensics.summary import Outcome
from aisecops_langchain.forensics.trace import traces_of

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
      len(list_distinct(list({plan: plan, call: call_id}) FILTER (kind = 'execution_started'))),
      count(*),
      count(*) = len(list_distinct(list(hash(id)))) AND count(*) FILTER (kind = 'run_finished') = 1
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
        decisions={"allow": cast("int", allow), "deny": cast("int", deny), "require_approval": cast("int", ask)},
        executed=cast("int | None", executed) or 0,
        events=cast("int", events),
    )


def _told(engine: LogQuery, traces: Sequence[str]) -> Iterator[TraceRow]:
    wanted = ", ".join(quoted(trace) for trace in traces)
    question = f"SELECT line FROM raw WHERE line->>'trace' IN ({wanted})"
    events = (_event(str(line).encode()) for (line,) in engine.trusted(question).rows)
    return (row_of(trace) for trace in traces_of(event for event in events if event is not None))


def _event(line: bytes) -> AnyEvent | None:
    parts = split_line(line)
    try:
        parsed = parse_body(parts.body) if parts is not None else None
    except AuditFormatError:
        return None
    return None if isinstance(parsed, SegmentOpened | SegmentClosed) else parsed
