"""``aisecops stop``: stop a run, an agent or a tenant, and take a stop back.

Invariant: exit code 0 only if the stop stands, or was lifted, and that is in the log; 1 if there was nothing to lift;
2 for anything that could not be carried out.
"""

from __future__ import annotations

import getpass
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aisecops_langchain.cli.group import Group
from aisecops_langchain.cli.home import home_options
from aisecops_langchain.cli.output import CommandError, UnsoundError, one_line

if TYPE_CHECKING:
    from aisecops_langchain.domain.stop import StopOrder
    from aisecops_langchain.runtime.principals.stops import StoppedEffect, StopReport

_KINDS = click.Choice(["run", "agent", "tenant", "warrant"])


_home = home_options()


def _why(command: Callable[..., Any]) -> Callable[..., Any]:
    reason = click.option("--reason", default="", help="Why, for the record.")
    by = click.option("--by", default=None, help="Who, for the record; the user of this shell unless said.")
    return reason(by(command))


@click.group("stop", cls=Group)
def stop_group() -> None:
    """Stop a run, an agent or a tenant: nothing of it begins from now on, in any process."""


def _stopping(kind: str, about: str) -> None:
    @stop_group.command(kind, help=about)
    @click.argument("target", metavar="ID")
    @_why
    @_home
    def command(
        *, target: str, reason: str, by: str | None, home: Path, ledger: str | None, schema: str, as_json: bool
    ) -> None:
        from aisecops_langchain.domain.stop import StopKind
        from aisecops_langchain.errors import AuditWriteError, LedgerError
        from aisecops_langchain.runtime.principals.switch import open_stops

        with open_stops(home, ledger=ledger, schema=schema) as stops:
            try:
                report = stops.order(StopKind(kind), target, reason=reason, by=by or getpass.getuser())
            except AuditWriteError as error:
                raise CommandError(f"the stop stands, but it is not in the log: {error}") from error
            except LedgerError as error:
                if (kind, target) not in {(order.kind.value, order.target) for order in stops.orders()}:
                    raise
                raise CommandError(f"the stop stands, but what it stopped cannot be told: {error}") from error
        _show(report, as_json=as_json)


_stopping("run", "Stop a run, named by its thread or its trace, and the subagents that it delegated to.")
_stopping("agent", "Stop an agent everywhere, and whatever it delegated.")
_stopping("tenant", "Stop everything that is done for a tenant.")
_stopping("warrant", "Revoke a warrant, named by its digest, and all that were derived from it.")


@stop_group.command("lift")
@click.argument("kind", type=_KINDS)
@click.argument("target", metavar="ID")
@_why
@_home
def lift_command(
    *, kind: str, target: str, reason: str, by: str | None, home: Path, ledger: str | None, schema: str, as_json: bool
) -> None:
    """Take a stop back. What it kept from running has to be proposed again."""
    from aisecops_langchain.domain.stop import StopKind
    from aisecops_langchain.runtime.principals.switch import open_stops

    with open_stops(home, ledger=ledger, schema=schema) as stops:
        lifted = stops.lift(StopKind(kind), target, reason=reason, by=by or getpass.getuser())
    if as_json:
        from aisecops_langchain.cli.output import print_json

        print_json({"kind": kind, "target": target, "lifted": lifted})
    if not lifted:
        raise UnsoundError(f"{kind} {target} was not stopped; expected: a standing stop; do: aisecops stop list")
    if not as_json:
        click.echo(f"Lifted: {kind} {one_line(target)} may act again.")


@stop_group.command("list")
@_home
def list_command(*, home: Path, ledger: str | None, schema: str, as_json: bool) -> None:
    """List all standing stops."""
    from aisecops_langchain.runtime.principals.switch import open_stops

    with open_stops(home, ledger=ledger, schema=schema) as stops:
        orders = stops.orders()
    if as_json:
        from aisecops_langchain.cli.output import print_json

        print_json({"stops": [order.model_dump(mode="json") for order in orders]})
        return
    for order in orders:
        click.echo(_order_line(order))
    if not orders:
        click.echo("Nothing is stopped.")


def _show(report: StopReport, *, as_json: bool) -> None:
    groups = {
        "stopped": report.stopped,
        "running": report.running,
        "unknown": report.unknown,
        "ran": report.ran,
        "failed": report.failed,
    }
    if as_json:
        from dataclasses import asdict

        from aisecops_langchain.cli.output import print_json

        found = {name: [asdict(effect) for effect in effects] for name, effects in groups.items()}
        print_json({"order": report.order.model_dump(mode="json"), "epoch": report.epoch, **found})
        return
    click.echo(_order_line(report.order))
    if not any(groups.values()):
        click.echo("  The ledger holds nothing of that name. The stop stands; is the name spelled as in policy?")
        return
    for name, effects in groups.items():
        click.echo(f"  {_MEANING[name]}: {len(effects)}")
        if name in ("stopped", "running", "unknown"):
            for effect in effects:
                click.echo(f"    {_effect_line(effect)}")


def _order_line(order: StopOrder) -> str:
    because = f": {order.reason}" if order.reason else ""
    return one_line(f"Stopped: {order.kind} {order.target} by {order.by or 'somebody'}{because}")


def _effect_line(effect: StoppedEffect) -> str:
    return one_line(f"{effect.tool} ({effect.call_id}) of {effect.agent} for {effect.tenant}, thread {effect.thread}")


_MEANING = {
    "stopped": "permitted, will not start",
    "running": "running, not torn down",
    "unknown": "started, end unknown",
    "ran": "had run",
    "failed": "had failed",
}
