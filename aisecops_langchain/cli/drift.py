"""``aisecops drift``: what another policy would have decided, and what changed over time.

Invariant: no model is asked, no tool is run, nothing but the files that were asked for is written. Exit code 0 means
that the log verifies, that what could be checked comes out as recorded, and that nothing happened that ``--fail-on``
names; a log without decisions never ends with 0.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from aisecops_langchain.cli.output import CommandError
from aisecops_langchain.cli.source_policy import FILE, kept_by, load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aisecops_langchain.cli.drift_gate import Judged
    from aisecops_langchain.forensics.drift.over_time import DriftOverTime
    from aisecops_langchain.policy import Policy

_FAIL_ON: Final = (
    *("newly-allowed", "newly-denied", "newly-asked", "terms"),
    *("not-reproducible", "unchecked", "any", "none"),
)

fail_on_option: Final = click.option(
    "--fail-on",
    multiple=True,
    type=click.Choice(_FAIL_ON),
    default=("newly-allowed",),
    show_default=True,
    help="What ends with exit code 1, beside a log that does not verify and a determinism fault.",
)


@click.command("drift")
@click.argument("path", metavar="HOME", type=click.Path(exists=True, path_type=Path))
@click.option("--policy", "policies", multiple=True, type=FILE, help="A bundle to decide under.")
@click.option("--recorded", multiple=True, type=FILE, help="A bundle that decided: it must do so again.")
@fail_on_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for programs.")
@click.option("--junit", type=click.Path(path_type=Path), help="Write the result as JUnit XML, too.")
@click.option("--sarif", type=click.Path(path_type=Path), help="Write the result as SARIF 2.1.0, too.")
@click.option("--propose", type=click.Path(path_type=Path), help="Write a least-privilege draft of a bundle.")
@click.option("--over-time", is_flag=True, help="Compare two windows of time instead.")
@click.option("--before", metavar="TIME", help="With --over-time: the earlier window ends here (ISO 8601).")
@click.option("--after", metavar="TIME", help="With --over-time: the later window begins here; --before unless said.")
def drift_command(
    *,
    path: Path,
    policies: tuple[Path, ...],
    recorded: tuple[Path, ...],
    fail_on: tuple[str, ...],
    as_json: bool,
    junit: Path | None,
    sarif: Path | None,
    propose: Path | None,
    over_time: bool,
    before: str | None,
    after: str | None,
) -> None:
    """Decide every recorded request again under other bundles, or compare what happened in two windows of time.

    HOME is a governance home, a log directory or one segment file. The bundles that a home keeps are --recorded.
    """
    if over_time:
        if junit or sarif or propose or not (before or after):
            raise CommandError("--over-time takes --before or --after or both, and writes no files")
        windows = _windows(before, after)
        _over_time(path, [*kept_by(path), *map(load, (*recorded, *policies))], *windows, as_json=as_json)
        return
    if before or after:
        raise CommandError("--before and --after belong to --over-time")
    known = [*kept_by(path), *map(load, recorded)]
    if not policies and not known and propose is None:
        raise CommandError("nothing to decide under; expected: --policy or --recorded with a bundle, or --over-time")
    judged = _judge(path, policies, known, frozenset(fail_on), proposing=propose is not None)
    if propose is not None and not judged.uses:
        raise CommandError("nothing was used that was not denied, so there is nothing to propose")
    write_files(judged, junit, sarif)
    if propose is not None:
        _propose(judged, propose)
    show_judged(judged, as_json=as_json)
    if judged.failures:
        raise SystemExit(1)


def _judge(
    path: Path, files: Sequence[Path], known: Sequence[Policy], fail_on: frozenset[str], *, proposing: bool
) -> Judged:
    from aisecops_langchain.audit import verify_log
    from aisecops_langchain.audit.scan import Scan
    from aisecops_langchain.cli.drift_gate import Judged
    from aisecops_langchain.cli.source import find_log
    from aisecops_langchain.forensics.drift import TimeMachine

    loaded = [load(file) for file in files]
    log = find_log(path)
    verified = verify_log(log)
    machine = TimeMachine(loaded, known, gather_uses=proposing)
    scan = Scan(log, frozenset({"decision_made"}))
    for line in scan.lines():
        machine.add_line(line)
    report = machine.report()
    if not report.decisions:
        raise CommandError("the log holds no decision that can be read; expected: at least one")
    return Judged(
        place=str(log),
        verified=verified,
        unreadable=scan.unreadable,
        report=report,
        files=tuple(files),
        fail_on=fail_on,
        uses=machine.uses,
    )


def write_files(judged: Judged, junit: Path | None, sarif: Path | None) -> None:
    """Write a result into the files that were asked for.

    Args:
        judged: The result.
        junit: Where to as JUnit XML, if at all.
        sarif: Where to as SARIF, if at all.

    Raises:
        CommandError: If one cannot be written.
    """
    from aisecops_langchain.cli.drift_files import junit_of, sarif_of
    from aisecops_langchain.cli.output import write_file

    if junit is not None:
        write_file(junit, junit_of(judged))
    if sarif is not None:
        write_file(sarif, sarif_of(judged))


def _propose(judged: Judged, file: Path) -> None:
    from aisecops_langchain.cli.output import write_file

    if judged.failed_as_a_log:
        click.echo("no draft was written: the log does not verify, or cannot be read whole", err=True)
    else:
        write_file(file, judged.uses.draft().encode())


def show_judged(judged: Judged, *, as_json: bool) -> None:
    """Print a result.

    Args:
        judged: The result.
        as_json: Whether for programs.
    """
    if as_json:
        from aisecops_langchain.cli.output import print_json

        print_json(judged.to_json())
        return
    from aisecops_langchain.cli.output import console
    from aisecops_langchain.cli.render_drift import show_drift

    show_drift(console(), judged)


def _windows(before: str | None, after: str | None) -> tuple[datetime, datetime]:
    until, since = _moment(before or after or ""), _moment(after or before or "")
    if since < until:
        raise CommandError("the windows overlap; expected: --after no earlier than --before")
    return until, since


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError("not a time; expected: ISO 8601, such as 2026-03-01 or 2026-03-01T12:00:00+00:00") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _over_time(path: Path, policies: list[Policy], until: datetime, since: datetime, *, as_json: bool) -> None:
    from aisecops_langchain.audit import verify_log
    from aisecops_langchain.audit.scan import Scan
    from aisecops_langchain.cli.output import console, print_json
    from aisecops_langchain.cli.render_drift import show_over_time
    from aisecops_langchain.cli.source import find_log
    from aisecops_langchain.forensics.drift.over_time import Windows

    log = find_log(path)
    verified = verify_log(log)
    windows, scan = Windows(policies), Scan(log, frozenset({"decision_made", "model_started"}))
    for fields in scan:
        windows.add(fields)
    found: DriftOverTime = windows.compare(until, since)
    if not found.runs_before or not found.runs_after:
        distrust = "" if verified.ok else "; the log does not verify: trust nothing of it"
        raise CommandError(
            f"a window is empty: {found.runs_before} runs before, {found.runs_after} runs after; "
            f"expected: runs in both{distrust}"
        )
    if as_json:
        print_json(
            {
                "verified": verified.ok,
                "unreadable_lines": scan.unreadable,
                "problems": [problem.model_dump(mode="json") for problem in verified.problems],
                **found.model_dump(mode="json"),
            }
        )
    else:
        show_over_time(console(), verified, scan.unreadable, found)
    if not verified.ok or scan.unreadable or found.malformed:
        raise SystemExit(1)
