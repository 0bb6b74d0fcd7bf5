"""``aisecops serve``: the replay API and page over one log.

Invariant: without further words it is reached from this machine alone, by whoever has the token that it prints, and
nobody may answer approvals. Every wider door has an option of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from aisecops_langchain.cli.output import CommandError

if TYPE_CHECKING:
    from aisecops_langchain.policy import Policy
    from aisecops_langchain.web.access import TokenHolder
    from aisecops_langchain.web.binding import Binding
    from aisecops_langchain.web.desk import Desk

_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER: Final = click.Path(file_okay=False, path_type=Path)
_PORT: Final = 8321


@dataclass(frozen=True, slots=True)
class _Entrance:
    """Whose tokens count, and the one that is made for this start, where one is."""

    holders: tuple[TokenHolder, ...]
    token: str = ""


@click.command("serve")
@click.argument("path", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--port", type=click.IntRange(0, 65535), default=_PORT, show_default=True, help="0 means any free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--name", "names", multiple=True, help="Name that browsers reach it by; may be repeated.")
@click.option("--tls-cert", type=_FILE, help="Certificate, PEM.")
@click.option("--tls-key", type=_FILE, help="Its key, PEM.")
@click.option("--dangerously-without-tls", is_flag=True, help="Be reached by others although everybody can listen.")
@click.option("--access", type=_FILE, help="YAML file with the tokens that count; else one is made and printed.")
@click.option("--as", "person", default="", help="Who the printed token stands for; may then answer, unverified.")
@click.option("--home", type=_FOLDER, help="Governance home whose approvals are served; PATH if it is one.")
@click.option("--ledger", envvar="AISECOPS_LEDGER_URL", metavar="URL", help="PostgreSQL ledger of that home.")
@click.option("--schema", default="aisecops", show_default=True, help="Schema of that ledger.")
@click.option("--read-only", is_flag=True, help="Serve no approvals, and write nothing into the home.")
@click.option("--policy", "policies", multiple=True, type=_FILE, help="Bundle for drift and measures; may be repeated.")
@click.option("--key", "keys", multiple=True, help="Trusted public key of the log; may be repeated.")
@click.option("--cache", type=_FOLDER, help="Where index and roster of the log lie; the user's cache, if not given.")
def serve_command(*, path: Path, policies: tuple[Path, ...], keys: tuple[str, ...], **options: Any) -> None:
    """Serve what a log says, and the approvals of its home, as a page and an API.

    PATH is a log directory, or the governance home that holds the log. Open the address that is printed.
    """
    from aisecops_langchain.cli.keys import pinned_keys
    from aisecops_langchain.cli.source import LOG_FOLDER, find_log
    from aisecops_langchain.policy.kept import KEPT
    from aisecops_langchain.web.access import Access
    from aisecops_langchain.web.library import Library
    from aisecops_langchain.web.serving import cookie_name, derived_folder, only_server_of, serve
    from aisecops_langchain.web.site import Site

    binding = _binding(options)
    entrance = _entrance(options["access"], options["person"].strip())
    desk, bundles, log = _desk(path, options), _bundles(policies), find_log(path)
    folder = derived_folder(log, options["cache"])
    kept = log.parent / KEPT if log.name == LOG_FOLDER else None

    def site(port: int) -> Site:
        library = Library(log, folder, public_keys=pinned_keys(keys) if keys else None)
        access = Access(entrance.holders)
        return Site(library, access, cookie_name(port), binding.secure, desk=desk, policies=bundles, kept=kept)

    with only_server_of(folder):
        serve(site, binding, ready=lambda address: _announce(address, entrance.token))


def _binding(options: Mapping[str, Any]) -> Binding:
    from aisecops_langchain.web.binding import Binding

    binding = Binding(
        host=options["host"],
        port=options["port"],
        names=options["names"],
        certificate=options["tls_cert"],
        key=options["tls_key"],
        unsafe_without_tls=options["dangerously_without_tls"],
    )
    binding.check()
    return binding


def _entrance(access: Path | None, person: str) -> _Entrance:
    """Tell whose tokens count."""
    from aisecops_langchain.web.access import Caller, Role, TokenHolder, new_token, token_hash
    from aisecops_langchain.web.access_file import load_access

    if access is not None:
        if person:
            raise CommandError("--as belongs to the printed token; with --access, every token names its person")
        return _Entrance(load_access(access))
    if person and not person.isprintable():
        raise CommandError("--as takes a visible name")
    token = new_token()
    caller = Caller(person, Role.APPROVER if person else Role.VIEWER)
    return _Entrance((TokenHolder(token_hash(token), caller),), token)


def _desk(path: Path, options: Mapping[str, Any]) -> Desk | None:
    from aisecops_langchain.runtime.ledger.choice import is_governed
    from aisecops_langchain.web.desk import Desk

    home = options["home"] or (path if is_governed(path) else None)
    if home is None or options["read_only"]:
        return None
    if not is_governed(home):
        raise CommandError("--home is no governance home; expected: the directory that the governor was opened with")
    return Desk(home, ledger=options["ledger"], schema=options["schema"])


def _bundles(files: tuple[Path, ...]) -> dict[str, Policy]:
    from aisecops_langchain.cli.source_policy import load

    found: dict[str, Policy] = {}
    for file in files:
        if file.name in found:
            raise CommandError(f"two bundles are called {file.name}; expected: files with names of their own")
        found[file.name] = load(file)
    return found


def _announce(address: str, token: str) -> None:
    if token:
        click.echo(f"Open {address}/enter?token={token}")
        click.echo("Whoever has this address sees what the log holds. Ctrl-C ends the server.")
    else:
        click.echo(f"Serving at {address}. Ctrl-C ends the server.")
