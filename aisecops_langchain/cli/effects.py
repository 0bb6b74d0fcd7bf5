"""``aisecops effects``: list what tools did or may have done, and settle effects of which nobody saw the end.

Invariant: exit code 0 only if the effects are as printed, and a settlement stands and is in the log; 1 if the effect
may not be settled or is not there; 2 for anything that could not be carried out.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from aisecops_langchain.cli.group import Group
from aisecops_langchain.cli.home import home_options
from aisecops_langchain.cli.output import UnsoundError, one_line

if TYPE_CHECKING:
    from aisecops_langchain.runtime.effects.facts import EffectFacts

_STATES = click.Choice(["reserved", "started", "completed", "failed", "unknown"])
_LATE = {"completed": "returned", "failed": "failed"}
_OUTCOMES = click.Choice(["completed", "failed"])


_home = home_options(default=Path(".aisecops"))


@click.group("effects", cls=Group)
def effects_group() -> None:
    """List effects, and settle those of which nobody saw the end."""


@effects_group.command("list")
@click.option("--state", type=_STATES, default=None, help="Only effects in this state.")
@_home
def list_command(*, state: str | None, home: Path, ledger: str | None, schema: str, as_json: bool) -> None:
    """List effects, the earliest permitted first. An effect whose process is gone is unknown."""
    from aisecops_langchain.domain.permit import EffectState
    from aisecops_langchain.runtime.effects.reconcile import open_reconciliation

    with open_reconciliation(home, ledger=ledger, schema=schema) as effects:
        found = effects.find(EffectState(state) if state else None)
    if as_json:
        from aisecops_langchain.cli.output import print_json

        print_json({"effects": [_as_json(facts) for facts in found]})
        return
    for facts in found:
        _show(facts)
    if not found:
        click.echo("No such effects.")


@effects_group.command("resolve")
@click.argument("key", metavar="KEY")
@click.option("--outcome", type=_OUTCOMES, required=True, help="How it ended in the target system.")
@click.option("--by", required=True, help="Who says so, for the record.")
@click.option("--reason", default="", help="How that is known, for the record.")
@_home
def resolve_command(
    *, key: str, outcome: str, by: str, reason: str, home: Path, ledger: str | None, schema: str, as_json: bool
) -> None:
    """Settle an unknown effect. It is never run again, whatever its outcome."""
    from aisecops_langchain.errors import ReconcileError
    from aisecops_langchain.runtime.effects.reconcile import open_reconciliation

    try:
        with open_reconciliation(home, ledger=ledger, schema=schema) as effects:
            settled = effects.resolve(key, outcome, by=by, reason=reason)
    except ReconcileError as refusal:
        raise UnsoundError(str(refusal)) from None
    if as_json:
        from aisecops_langchain.cli.output import print_json

        print_json(_as_json(settled))
        return
    _show(settled)


def _as_json(facts: EffectFacts) -> dict[str, object]:
    from dataclasses import asdict

    from aisecops_langchain.runtime.recorder import at

    return {**asdict(facts), "permitted_at": at(facts.permitted_at).isoformat()}


def _show(facts: EffectFacts) -> None:
    from aisecops_langchain.runtime.recorder import at

    click.echo(one_line(f"{facts.key} {facts.state}: {facts.tool} ({facts.call_id})"))
    permitted = at(facts.permitted_at).isoformat()
    lines = [
        f"call {facts.call}, thread {facts.thread}",
        f"{facts.agent} for {facts.user} of {facts.tenant}; permitted {permitted}",
    ]
    if facts.started_by:
        lines.append(f"started by process {facts.started_by}, attempt {facts.attempt}")
        lines.append(f"idempotency key {facts.idempotency_key}")
    if facts.late:
        lines.append(f"the tool {_LATE[facts.late]} after nobody waited for it any more")
    word = facts.resolution
    if word is not None:
        lines.append(f"settled as {word.outcome} by {word.resolver} {word.by}" + (word.reason and f": {word.reason}"))
    for line in lines:
        click.echo(f"  {one_line(line)}")
