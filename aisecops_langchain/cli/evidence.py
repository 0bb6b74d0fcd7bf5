"""``aisecops evidence``: pack one run so that somebody else can check it, and check such a package.

Invariant: a log that does not verify is never packed; exit code 0 of ``verify`` only for a package without a problem.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from aisecops_langchain.cli.group import Group
from aisecops_langchain.cli.output import CommandError, UnsoundError, one_line

_POLICY_LIMIT: Final = 4 * 1024 * 1024


class _EvidenceGroup(Group):
    """Takes a home as its first word, as well as the name of a command."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        named = args[0] if args and args[0] in self.commands else None
        return super().resolve_command(ctx, args if named else ["pack", *args])


@click.group("evidence", cls=_EvidenceGroup)
def evidence_group() -> None:
    """Pack one run so that it can be checked elsewhere: aisecops evidence HOME --trace ID; and check a package."""


@evidence_group.command("pack")
@click.argument("home", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--trace", required=True, metavar="ID", help="The run.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="A folder, or a file that ends in .zip; nothing may be there.",
)
@click.option(
    "--policy", "policies", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A bundle that governed the run, as it was then, in place of the one that the home keeps.",
)  # fmt: skip
@click.option("--bridges", is_flag=True, help="Give lines of other runs, too, that tie this one to signed heads.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for programs.")
def pack_command(
    *, home: Path, trace: str, output: Path | None, policies: tuple[Path, ...], bridges: bool, as_json: bool
) -> None:
    """Write the evidence of one run, signed with the audit key of the home."""
    from aisecops_langchain.cli.source import find_log
    from aisecops_langchain.errors import EvidenceError, PolicyError
    from aisecops_langchain.forensics.evidence import EvidenceRequest, build_evidence, check_evidence, write_package
    from aisecops_langchain.forensics.text import name
    from aisecops_langchain.keyfile import load_key
    from aisecops_langchain.policy.kept import KEPT

    key = home / "keys" / "audit.key"
    if not key.exists():
        raise CommandError(
            f"{name(str(home))} holds no keys/audit.key, with which evidence is signed; "
            "expected: the governance home that the log was written in, not the log directory inside it"
        )
    seed = load_key(key)
    request = EvidenceRequest(trace, tuple(_bundle(file) for file in policies), kept=home / KEPT, bridges=bridges)
    try:
        files = build_evidence(find_log(home), request, seed=seed, now=datetime.now(UTC))
    except (EvidenceError, PolicyError) as error:
        raise UnsoundError(str(error)) from error
    place = output if output is not None else Path(f"evidence-{_plain(trace)}")
    write_package(place, files)
    report = check_evidence(files)
    if as_json:
        from aisecops_langchain.cli.output import print_json

        print_json({"path": str(place), **report.model_dump(mode="json")})
        return
    click.echo(one_line(f"Evidence of trace {name(trace)} is in {place}: {report.events} events, {len(files)} files."))
    click.echo(f"{report.signed} of them rest on heads signed when they were written, the others on this statement.")
    click.echo(f"Signed with key {', '.join(report.keys)}. Check it with: aisecops evidence verify PATH --key KEY")


@evidence_group.command("verify")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--key", "keys", metavar="FILE_OR_HEX", multiple=True, help="A trusted public key, as for audit verify.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for programs.")
@click.pass_context
def verify_command(context: click.Context, *, path: Path, keys: tuple[str, ...], as_json: bool) -> None:
    """Check a package: signatures, files, lines and their chain. Without --key, only that it is consistent."""
    from aisecops_langchain.cli.keys import pinned_keys
    from aisecops_langchain.errors import EvidenceError
    from aisecops_langchain.forensics.evidence import check_evidence, read_package
    from aisecops_langchain.forensics.text import name

    pinned = pinned_keys(keys) if keys else None
    try:
        report = check_evidence(read_package(path), public_keys=pinned)
    except EvidenceError as error:
        raise UnsoundError(str(error)) from error
    if as_json:
        from aisecops_langchain.cli.output import print_json

        print_json({"path": str(path), **report.model_dump(mode="json")})
    else:
        trust = "with the given keys" if report.keys_pinned else "with the keys found inside; compare them"
        verdict = f"Evidence verified {trust}" if report.ok else "EVIDENCE DOES NOT VERIFY"
        click.echo(f"{verdict}: trace {name(report.trace)}, {report.events} events, {report.signed} under heads.")
        for problem in report.problems:
            click.echo(f"  {one_line(problem)}")
    context.exit(0 if report.ok else 1)


def _bundle(file: Path) -> bytes:
    with file.open("rb") as stream:
        data = stream.read(_POLICY_LIMIT + 1)
    if len(data) > _POLICY_LIMIT or not _is_utf8(data):
        raise CommandError("--policy is no bundle; expected: a YAML file in UTF-8")
    return data


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _plain(trace: str) -> str:
    plain = "".join(
        character for character in trace if character.isascii() and (character.isalnum() or character in "-_")
    )
    return plain[:64] or "trace"
