"""``aisecops parquet``: a log as Parquet files, and what Apache Spark tells of it there.

Invariant: importing this module loads neither DuckDB nor Spark.
"""

from __future__ import annotations

from typing import Final

from aisecops_langchain.cli.lazy import LazyCommand, LazyGroup

_COMMANDS: Final = {
    "drift": LazyCommand("aisecops_langchain.cli.parquet_spark:drift_command", "Decide history again.", "spark"),
    "export": LazyCommand("aisecops_langchain.cli.parquet_export:export_command", "Write a log as Parquet.", "query"),
    "summary": LazyCommand("aisecops_langchain.cli.parquet_spark:summary_command", "Sum up every run.", "spark"),
}

parquet_group = LazyGroup(
    name="parquet", lazy=_COMMANDS, about="Write a log as Parquet files, and read it there with Apache Spark."
)
