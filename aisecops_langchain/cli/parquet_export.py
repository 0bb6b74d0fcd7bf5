"""``aisecops parquet export``: write a log as Parquet files.

Invariant: a log that does not verify is not written, and exit code 1 says so.
"""

from __future__ import annotations

from pathlib import Path

import click

# At the top, so that the missing extra is named before anything is read.
from aisecops_langchain.forensics.sql.parquet import export_parquet


@click.command("export")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--key", "keys", metavar="FILE_OR_HEX", multiple=True, help="A trusted public key, as for audit verify.")
def export_command(*, path: Path, folder: Path, keys: tuple[str, ...]) -> None:
    """Verify the log at PATH, and write it into FOLDER by tenant and date; nothing may be there."""
    from aisecops_langchain.audit import verify_log
    from aisecops_langchain.cli.keys import pinned_keys
    from aisecops_langchain.cli.output import console
    from aisecops_langchain.cli.render_log import line, show_verdict
    from aisecops_langchain.cli.source import find_log

    log, out = find_log(path), console()
    report = verify_log(log, public_keys=pinned_keys(keys) if keys else None)
    show_verdict(out, report)
    if not report.ok:
        raise SystemExit(1)
    manifest = export_parquet(log, folder, report)
    out.print(line(f"{manifest.lines} events are in {folder}."))
