"""``aisecops scan``: what the sanitizer finds in a text, or in each line of a JSONL file.

Invariant: exit code 0 only if everything was inspected (and, with ``--fail-on``, nothing that serious was found); 1 if
it was found; 2 for anything that could not be read or inspected. Nothing of the text itself is printed.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from aisecops_langchain.cli.output import CommandError, one_line

if TYPE_CHECKING:
    from typing import IO

    from aisecops_langchain.sanitize.bulk import Scanned, ScanSetup

_CHANNELS: Final = [
    "prompt",
    "user_prompt",
    "system_prompt",
    "skill",
    "retrieval_chunk",
    "memory",
    "tool_result",
    "agent_message",
]
_SEVERITIES: Final = ["low", "medium", "high"]

RULES: Final = click.Path(exists=True, path_type=Path)
"""A file or a folder of rules."""


@click.command("scan")
@click.argument("source", metavar="[FILE|-]", required=False, type=click.File("rb"))
@click.option("--jsonl", type=click.File("rb"), help="Read {id, text, channel?} lines; '-' for standard input.")
@click.option(
    "--channel",
    type=click.Choice(_CHANNELS),
    default="tool_result",
    show_default=True,
    help="The door that the text came through, where a line names none.",
)
@click.option("--pack", "packs", multiple=True, type=RULES, help="Rule pack: a file or a folder.")
@click.option("--yara", multiple=True, type=RULES, help="YARA rules: a file or a folder.")
@click.option("--fail-on", type=click.Choice(_SEVERITIES), help="Exit with 1 at a finding at least this serious.")
@click.option(
    "--jobs", type=click.IntRange(min=1), default=os.cpu_count() or 1, show_default="CPU count", help="Processes."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for programs.")
@click.pass_context
def scan_command(
    context: click.Context,
    *,
    source: IO[bytes] | None,
    jsonl: IO[bytes] | None,
    channel: str,
    packs: tuple[Path, ...],
    yara: tuple[Path, ...],
    fail_on: str | None,
    jobs: int,
    as_json: bool,
) -> None:
    """Inspect a text, or every line of a JSONL file, as content that nobody vouches for.

    With --jsonl, one JSON object is written for each line, in order: id, action (pass, clean, quarantine, block),
    findings (rule, category, severity, span, view) and label; or id, line and error.
    """
    from aisecops_langchain.sanitize.bulk import ScanSetup

    if (source is None) == (jsonl is None):
        raise CommandError("expected: one FILE, '-' for standard input, or --jsonl FILE")
    worst = _Worst()
    setup = ScanSetup(packs=packs, yara=yara)
    if jsonl is not None:
        _scan_lines(jsonl, channel, setup, jobs, worst)
    else:
        assert source is not None  # noqa: S101 - tells the type checker what was just checked
        _scan_one(source, channel, setup, worst, as_json=as_json)
    context.exit(1 if fail_on is not None and worst.reaches(fail_on) else 0)


class _Worst:
    """Keeps the most serious finding."""

    def __init__(self) -> None:
        self._rank = -1

    def see(self, found: Scanned) -> None:
        """Take note of what was found."""
        self._rank = max([self._rank, *[_SEVERITIES.index(item.severity.value) for item in found.findings]])

    def reaches(self, severity: str) -> bool:
        """Tell whether anything at least so serious was found."""
        return self._rank >= _SEVERITIES.index(severity)


def _scan_one(source: IO[bytes], channel: str, setup: ScanSetup, worst: _Worst, *, as_json: bool) -> None:
    from aisecops_langchain.cli.output import print_json
    from aisecops_langchain.cli.scan_lines import CHANNELS
    from aisecops_langchain.cli.scan_lines import as_json as described
    from aisecops_langchain.sanitize.bulk import Piece

    text = source.read().decode("utf-8", "surrogateescape")  # what is not UTF-8 is a finding, not an error
    found = setup.open().scan(Piece(text, CHANNELS[channel]))
    worst.see(found)
    if as_json:
        print_json(described(found))
        return
    for item in found.findings:
        click.echo(one_line(f"{item.start}-{item.end} {item.severity} {item.rule} ({item.category}, {item.view})"))
    click.echo(f"{found.action}: {len(found.findings)} findings; the text is {found.label.integrity}")


def _scan_lines(stream: IO[bytes], channel: str, setup: ScanSetup, jobs: int, worst: _Worst) -> None:
    from aisecops_langchain.cli.scan_lines import CHANNELS, answer, read_lines, scan_lines

    out = sys.stdout.buffer
    total = bad = 0
    for line, found in scan_lines(read_lines(stream, CHANNELS[channel]), setup, jobs=jobs):
        total += 1
        if found is None:
            bad += 1
        else:
            worst.see(found)
        out.write(answer(line, found))
    out.flush()
    if bad:
        raise CommandError(f"{bad} of {total} lines could not be read; each is answered by an error")
