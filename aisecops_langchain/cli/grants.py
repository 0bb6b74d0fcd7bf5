"""``aisecops grants``: list and show what people let agents do again without being asked, and take it back.

Invariant: exit code 0 only if the grants are as printed, or the grant is revoked and that is in the log; 1 if there is
no such grant; 2 for anything that could not be carried out.
"""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aisecops_langchain.cli.group import Group
from aisecops_langchain.cli.home import home_options
from aisecops_langchain.cli.output import CommandError, UnsoundError, one_line

if TYPE_CHECKING:
    from aisecops_langchain.runtime.grants.desk import GrantDesk

_home = home_options(default=Path(".aisecops"))


@click.group("grants", cls=Group)
def grants_group() -> None:
    """List what people let agents do again without being asked, and take it back."""


@grants_group.command("list")
@click.option("--live", is_flag=True, help="Only grants that still make permits.")
@_home
def list_command(*, live: bool, as_json: bool, **where: Any) -> None:
    """List the grants that the ledger keeps, the earliest given first."""
    with _opened(where) as desk:
        found = [desk.describe(item) for item in desk.grants.all() if not live or item.state == "live"]
    if as_json:
        _print_json({"grants": found})
        return
    for facts in found:
        click.echo(_headline(facts))
    if not found:
        click.echo("No grants.")


@grants_group.command("show")
@click.argument("grant", metavar="ID")
@_home
def show_command(*, grant: str, as_json: bool, **where: Any) -> None:
    """Show one grant: what it lets run, for whom and until when, who gave it, and what was used of it."""
    with _opened(where) as desk:
        facts = desk.describe(desk.grants.get(grant))
    _show(facts, as_json=as_json)


@grants_group.command("revoke")
@click.argument("grant", metavar="ID")
@click.option("--reason", default="", help="Why, for the record.")
@click.option("--by", default=None, help="Who, for the record; the user of this shell unless said.")
@_home
def revoke_command(*, grant: str, reason: str, by: str | None, as_json: bool, **where: Any) -> None:
    """Take a grant back. What was permitted on it and has not begun does not begin any more."""
    with _opened(where) as desk:
        facts = desk.describe(desk.grants.revoke(grant, by=by or getpass.getuser(), reason=reason))
    _show(facts, as_json=as_json)


@contextmanager
def _opened(where: dict[str, Any]) -> Iterator[GrantDesk]:
    from aisecops_langchain.errors import GrantError
    from aisecops_langchain.runtime.grants.desk import open_grants

    try:
        with open_grants(where["home"], ledger=where["ledger"], schema=where["schema"]) as desk:
            yield desk
    except GrantError as refusal:
        raise (UnsoundError if refusal.code == "unknown" else CommandError)(str(refusal)) from None


def _show(facts: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        _print_json(facts)
        return
    click.echo(_headline(facts))
    for line in _lines(facts):
        click.echo(f"  {one_line(line)}")


def _headline(facts: dict[str, Any]) -> str:
    used = f"{facts['used']} of {facts['uses']} used"
    return one_line(f"{facts['id']} {facts['state']}: {facts['tool']}, {used}, until {facts['expires_at']}")


def _lines(facts: dict[str, Any]) -> Iterator[str]:
    import json

    for name, value in facts["same"].items():
        yield f"{name} is {json.dumps(value, ensure_ascii=False)}"
    for name, total in facts["up_to"].items():
        each = f", each at most {facts['each'][name]}" if name in facts["each"] else ""
        yield f"{name} up to {total['most']} in all, {total['spent']} spent{each}"
    for name in facts["any"]:
        yield f"{name} may be anything"
    where = "any thread" if facts["thread"] is None else f"thread {facts['thread']}"
    yield f"{facts['agent']} for {facts['user']} of {facts['tenant']}, {where}"
    if facts["delegators"]:
        yield f"delegated by {', '.join(facts['delegators'])}"
    vouched = "" if facts["approver"]["verified"] else " (identity not verified)"
    why = f": {facts['reason']}" if facts["reason"] else ""
    yield f"given {facts['given_at']} by {facts['approver']['id']}{vouched}{why}"
    if facts["revoked_by"]:
        because = f": {facts['revoked_because']}" if facts["revoked_because"] else ""
        yield f"revoked by {facts['revoked_by']}{because}"


def _print_json(value: dict[str, Any]) -> None:
    from aisecops_langchain.cli.output import print_json

    print_json(value)
