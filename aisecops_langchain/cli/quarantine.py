"""``aisecops quarantine``: list, read and delete content that was withheld from models.

Invariant: what is printed is exactly what was withheld, with nothing in it that a terminal would obey; 1 where there is
no such content or it was changed, 2 for anything that could not be carried out. Reading needs the key of the home.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from aisecops_langchain.cli.group import Group
from aisecops_langchain.cli.output import UnsoundError, one_line

if TYPE_CHECKING:
    from aisecops_langchain.runtime.content.quarantine import Quarantine

_SHA256: Final = "sha256:"

_home = click.option(
    "--home",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(".aisecops"),
    show_default=True,
    help="Governance home.",
)
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object for programs.")


def _is_digest(_context: click.Context, _parameter: click.Parameter, digest: str) -> str:
    from aisecops_langchain.cli.keys import is_hash

    if not digest.startswith(_SHA256) or not is_hash(digest.removeprefix(_SHA256)):
        raise click.BadParameter("expected: sha256: and 64 hexadecimal digits")
    return digest


_digest = click.argument("digest", metavar="DIGEST", callback=_is_digest)


@click.group("quarantine", cls=Group)
def quarantine_group() -> None:
    """Read and delete content that was withheld. It may be hostile: do not hand it to a model."""


@quarantine_group.command("list")
@_home
@_json
def list_command(*, home: Path, as_json: bool) -> None:
    """List what is kept, the earliest first. The log says where each piece came from."""
    from aisecops_langchain.runtime.recorder import at

    with _open(home) as quarantine:
        found = [(item.digest, item.size, at(item.modified_ns).isoformat()) for item in quarantine.kept()]
    if as_json:
        from aisecops_langchain.cli.output import print_json

        print_json({"kept": [{"digest": digest, "bytes": size, "time": time} for digest, size, time in found]})
        return
    for digest, size, time in found:
        click.echo(f"{digest} {size} bytes, {time}")
    if not found:
        click.echo("Nothing is kept.")


@quarantine_group.command("show")
@_digest
@_home
@_json
def show_command(*, digest: str, home: Path, as_json: bool) -> None:
    """Print content that was withheld; control and invisible characters are written out."""
    with _open(home) as quarantine:
        text = quarantine.read(digest)
    if as_json:
        from aisecops_langchain.cli.output import print_json

        print_json({"digest": digest, "text": text.encode("utf-8", "replace").decode()})
        return
    for line in text.split("\n"):
        click.echo(one_line(line))


@quarantine_group.command("drop")
@_digest
@_home
def drop_command(*, digest: str, home: Path) -> None:
    """Delete content for good. The log keeps its digest."""
    with _open(home) as quarantine:
        quarantine.drop(digest)
    click.echo(f"{digest} was deleted.")


@contextmanager
def _open(home: Path) -> Iterator[Quarantine]:
    from aisecops_langchain.errors import QuarantineAccessError, QuarantineError
    from aisecops_langchain.runtime.content.quarantine import Quarantine

    quarantine = Quarantine.of_home(home, make=False)
    try:
        yield quarantine
    except QuarantineAccessError:
        raise
    except QuarantineError as refusal:
        raise UnsoundError(str(refusal)) from None
