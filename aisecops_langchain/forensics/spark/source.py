"""Opens a log in Parquet with Spark.

Invariant: a place that does not hold exactly as many events as its manifest says is refused.
"""

from __future__ import annotations

import os
import sys
from typing import Final, NamedTuple

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from aisecops_langchain.errors import QueryError
from aisecops_langchain.forensics.parquet import EVENTS, MANIFEST, Manifest, parse_manifest

_COLUMNS: Final = ("segment", "seq", "kind", "id", "trace", "line")


class ParquetLog(NamedTuple):
    """A log in Parquet."""

    spark: SparkSession
    manifest: Manifest
    events: DataFrame
    """One row per line: ``segment``, ``seq``, ``kind``, ``id``, ``trace``, ``line``."""


def open_parquet(place: str) -> ParquetLog:
    """Open a log that ``aisecops parquet export`` wrote.

    Args:
        place: A folder, or any address that this Spark can read.

    Returns:
        The log, in a session of its own or the one that is there.

    Raises:
        QueryError: If there is none, or lines of it are missing or twice there.
    """
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # workers need this package, too
    root = place.rstrip("/")
    try:
        spark = SparkSession.builder.appName("aisecops").getOrCreate()
        # A tenant named 7 is not a number.
        spark.conf.set("spark.sql.sources.partitionColumnTypeInference.enabled", "false")
        manifest = parse_manifest(_whole(spark, f"{root}/{MANIFEST}"))
        events = spark.read.parquet(f"{root}/{EVENTS}").select(*_COLUMNS)
        found = events.count()
    except (PySparkException, Py4JError) as error:
        raise QueryError(
            "the log cannot be read by Spark",
            expected="Java 17 or newer, and a place that aisecops parquet export wrote",
            got=type(error).__name__,
        ) from error
    if found != manifest.lines:
        raise QueryError(
            "the Parquet files are not those of the manifest",
            expected=f"{manifest.lines} events",
            got=str(found),
            remedy="write the log again",
        )
    return ParquetLog(spark, manifest, events)


def _whole(spark: SparkSession, place: str) -> bytes:
    (row,) = spark.read.text(place, wholetext=True).collect()
    return str(row[0]).encode()
