"""The same answers by Apache Spark, over a log that was written as Parquet (extra ``spark``).

Invariant: Spark only deals out lines; what they mean, the functions say that say it on one machine. Nothing is verified
here but that no line is missing.
"""

from __future__ import annotations

from aisecops_langchain.forensics.spark.redecide import drift_of_parquet
from aisecops_langchain.forensics.spark.source import ParquetLog, open_parquet
from aisecops_langchain.forensics.spark.summary import overview_of_parquet

__all__ = ["ParquetLog", "drift_of_parquet", "open_parquet", "overview_of_parquet"]
