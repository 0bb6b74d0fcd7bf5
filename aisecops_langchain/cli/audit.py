"""``aisecops audit``: check that an audit log is whole and untouched, and a ledger what the log tells.

Invariant: exit code 0 only for a log that verifies; 1 for one that does not; 2 for arguments that cannot be used.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from aisecops_langchain.cli.audit_ledger import ledger_command
from aisecops_langchain.cli.group import Group
from aisecops_langchain.cli.keys import is_hash, pinned_keys
from aisecops_langchain.cli.output import CommandError

if TYPE_CHECKING:
    from aisecops_langchain.audit import ExpectedHead


@click.group("audit", cls=Group)
def audit_group() -> None:
    """Check that an audit log is whole and untouched, and the ledger what the log tells."""


audit_group.add_command(ledger_command)


@audit_group.command("verify")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for programs.")
@click.option(
    "--key",
    "keys",
    metavar="FILE_OR_HEX",
    multiple=True,
    help="A trusted public key: 64 hexadecimal digits, or a .pub file that holds them. May be given several times.",
)
@click.option(
    "--expect", "expected", metavar="SEGMENT:SEQ:HEAD", help="A head that was kept elsewhere and must be in the log."
)
@click.pass_context
def verify_command(
    context: click.Context, *, path: Path, as_json: bool, keys: tuple[str, ...], expected: str | None
) -> None:
    """Check every line, chain and signature of a log.

    PATH is a log directory, one segment file, or the governance home that holds the log. Without --key, the keys found
    beside the log are used: they show that it is consistent, not who wrote it.
    """
    from aisecops_langchain.audit import verify_log
    from aisecops_langchain.cli.source import find_log

    pinned = pinned_keys(keys) if keys else None
    head = _expected(expected) if expected is not None else None
    log = find_log(path)
    report = verify_log(log, public_keys=pinned, expect=head)
    if as_json:
        from aisecops_langchain.cli.output import print_json

        print_json({"path": str(log), **report.model_dump(mode="json")})
    else:
        from aisecops_langchain.cli.output import console
        from aisecops_langchain.cli.render_log import show_segments, show_verdict

        out = console()
        show_verdict(out, report, limit=None)
        show_segments(out, report)
    context.exit(0 if report.ok else 1)


def _expected(text: str) -> ExpectedHead:
    from aisecops_langchain.audit import ExpectedHead
    from aisecops_langchain.audit.layout import is_segment_name

    segment, _, rest = text.partition(":")
    seq, _, head = rest.partition(":")
    if not is_segment_name(segment) or not (seq.isascii() and seq.isdecimal()) or not is_hash(head):
        raise CommandError(
            "--expect is malformed; expected: SEGMENT:SEQ:HEAD as audit verify prints it, with a name such as "
            "segment-20260101T120000000000-9492f1e5 and 64 hexadecimal digits"
        )
    return ExpectedHead(segment=segment, seq=int(seq), head=head)
