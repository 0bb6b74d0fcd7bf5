"""All runs of a log at a glance, by Spark.

Invariant: the lines of one run are told by the functions that tell it on one machine, wherever they lie.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import partial

from aisecops_langchain.forensics.overview import TraceRow, rows_of_lines
from aisecops_langchain.forensics.spark.source import ParquetLog

_Line = tuple[str, int, str]
"""Segment, number in it, text."""


def overview_of_parquet(log: ParquetLog) -> tuple[TraceRow, ...]:
    """Tell all runs; the lines of one run must fit in the memory of a worker, one row per run in that of the driver.

    Args:
        log: The log.

    Returns:
        One row per run, by the time of its first event.
    """
    lines = log.events.select("trace", "segment", "seq", "line").rdd.map(lambda row: (row[0], (row[1], row[2], row[3])))
    rows = lines.groupByKey().flatMap(partial(_told, log.manifest.opened)).collect()
    return tuple(sorted((TraceRow(*row) for row in rows), key=lambda row: (row.started, row.trace)))


def _told(opened: Mapping[str, str], run: tuple[str, Iterable[_Line]]) -> Iterator[TraceRow]:
    segments: defaultdict[str, list[bytes]] = defaultdict(list)
    for segment, _, line in sorted(run[1]):
        if segment not in segments and segment in opened:
            segments[segment].append(opened[segment].encode())
        segments[segment].append(line.encode())
    return rows_of_lines(segments)
