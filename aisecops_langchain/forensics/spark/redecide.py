"""History decided again by Spark.

Invariant: the report is that of one machine over the same log; only ``distinct`` may be less than there, since here a
request that comes again much later is never counted twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import islice
from typing import Final, TypeAlias

from pyspark import StorageLevel
from pyspark.sql import Row
from pyspark.sql import functions as sql

from aisecops_langchain.forensics.drift import DriftReport, TimeMachine
from aisecops_langchain.forensics.drift.course import Course
from aisecops_langchain.forensics.drift.seen import Seen
from aisecops_langchain.forensics.spark.source import ParquetLog
from aisecops_langchain.policy import Policy, parse_policy

_AT_A_TIME: Final = 100_000
"""Lines given to one machine, which remembers every request among them."""

_Found: TypeAlias = tuple[Course, Seen] | bytes | int
"""A course, the key of a request, or how many lines were malformed."""


def drift_of_parquet(log: ParquetLog, policies: Sequence[Policy], recorded: Iterable[Policy] = ()) -> DriftReport:
    """Decide every recorded request again.

    Args:
        log: The log.
        policies: The policies to decide it under.
        recorded: The policies that decided it, as far as they are at hand.

    Returns:
        What was found.
    """
    known = tuple(recorded)
    decisions = log.events.where(sql.col("kind") == "decision_made")
    # An event that several processes recorded counts once: where it stands first.
    once = decisions.groupBy("id").agg(sql.min_by("line", sql.struct("segment", "seq")).alias("line")).select("line")
    work = partial(_found, [item.bundle_json() for item in policies], [item.bundle_json() for item in known])
    found = once.rdd.mapPartitions(work).persist(StorageLevel.MEMORY_AND_DISK)
    try:
        machine = TimeMachine(policies, known, gather_uses=False)
        for item in found.filter(lambda item: not isinstance(item, bytes)).collect():
            if isinstance(item, tuple):
                machine.absorb(dict([item]), distinct=0, malformed=0)
            elif isinstance(item, int):
                machine.absorb({}, distinct=0, malformed=item)
        distinct = found.filter(lambda item: isinstance(item, bytes)).distinct().count()
    finally:
        found.unpersist()
    machine.absorb({}, distinct=distinct, malformed=0)
    return machine.report()


def _found(policies: Sequence[bytes], recorded: Sequence[bytes], rows: Iterable[Row]) -> Iterator[_Found]:
    """Decide the lines of one partition."""
    lines = iter(rows)
    while some := list(islice(lines, _AT_A_TIME)):
        machine = TimeMachine([*map(_policy, policies)], [*map(_policy, recorded)], gather_uses=False)
        for row in some:
            machine.add_line(str(row[0]).encode())
        yield from machine.courses.items()
        yield from machine.keys
        yield machine.malformed


@lru_cache
def _policy(bundle: bytes) -> Policy:
    return parse_policy(bundle.decode())
