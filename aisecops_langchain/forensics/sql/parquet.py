"""Writes a log as Parquet files by tenant and date, for engines that read from many machines.

Invariant: only a log that verifies is written, every event of it once for each line, each with its exact line; nothing
is written over.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, cast

from aisecops_langchain.audit import VerifyReport
from aisecops_langchain.errors import QueryError
from aisecops_langchain.forensics.parquet import EVENTS, MANIFEST, Manifest
from aisecops_langchain.forensics.sql.engine import LogQuery
from aisecops_langchain.forensics.sql.views import quoted

_MEMORY: Final = "512MB"

_LINES: Final = """
    SELECT segment, (line->>'seq')::BIGINT AS seq, line->>'kind' AS kind, line->>'id' AS id,
      (line->>'time')::TIMESTAMPTZ AS time, line->>'trace' AS trace, line::VARCHAR AS line,
      line->'principal'->>'tenant' AS tenant, strftime((line->>'time')::TIMESTAMPTZ, '%Y-%m-%d') AS date
    FROM raw WHERE line->>'kind' NOT IN ('segment_opened', 'segment_closed')"""


def export_parquet(log: Path, folder: Path, verified: VerifyReport) -> Manifest:
    """Write a log.

    Args:
        log: The log directory, or one segment file.
        folder: Where to; nothing may be there.
        verified: The verification of the log.

    Returns:
        What was written.

    Raises:
        QueryError: If the log does not verify, there is something at that place, or it cannot be written.
    """
    if not verified.ok:
        raise QueryError("the log is not written as Parquet", expected="a log that verifies", got="one that does not")
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise QueryError(
            "the Parquet files cannot be written", expected="a path where nothing is yet", got=type(error).__name__
        ) from error
    with LogQuery(log, folder=folder, memory=_MEMORY) as engine:
        place = quoted(str(folder.absolute() / EVENTS))
        copied = engine.trusted(
            f"COPY ({_LINES}) TO {place} (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (tenant, date))"
        )
        written = sum(cast("int", row[0]) for row in copied.rows)
        opened = engine.trusted("SELECT segment, line::VARCHAR FROM raw WHERE line->>'kind' = 'segment_opened'").rows
        manifest = Manifest(lines=written, opened={str(name): str(line) for name, line in opened}, verified=verified)
    if written != verified.events:
        raise QueryError(
            "the log changed while it was written, or cannot be read whole",
            expected=f"{verified.events} events",
            got=str(written),
        )
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=1) + "\n")
    return manifest
