"""``aisecops approvals``: see what waits for a person, and answer it from a terminal.

Invariant: exit code 0 only if the requests are as printed, and an answer counts and is in the log; 1 if an answer does
not count, or nobody was asked; 2 for anything that could not be carried out.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from aisecops_langchain.cli.granting import grant_options
from aisecops_langchain.cli.group import Group
from aisecops_langchain.cli.home import home_options
from aisecops_langchain.cli.output import UnsoundError, one_line
from aisecops_langchain.cli.who import approver_of, who_options

if TYPE_CHECKING:
    from aisecops_langchain.domain.grant import GrantWish
    from aisecops_langchain.domain.principal import Approver
    from aisecops_langchain.runtime.approvals.answers import Answer
    from aisecops_langchain.runtime.ledger.records import ApprovalRecord

_TOLD: Final = (
    "arguments",
    "look_twice",
    "provenance",
    "findings",
    "blast_radius",
    "chain",
    "requires",
    "votes",
    "grants",
)
"""What ``show`` tells beside the description."""

_home = home_options(default=Path(".aisecops"))


@click.group("approvals", cls=Group)
def approvals_group() -> None:
    """See what waits for a person, and answer it."""


@approvals_group.command("list")
@click.option("--all", "everything", is_flag=True, help="Answered and expired requests as well.")
@_home
def list_command(*, everything: bool, home: Path, ledger: str | None, schema: str, as_json: bool) -> None:
    """List the requests that wait, the earliest first."""
    from aisecops_langchain.domain.permit import ApprovalState
    from aisecops_langchain.runtime.approvals.desk import open_approvals

    with open_approvals(home, ledger=ledger, schema=schema) as approvals:
        found = [item for item in approvals.requests() if everything or item.state is ApprovalState.PENDING]
    found.sort(key=lambda item: (item.requested_at, item.binding.approval_key()))
    if as_json:
        _print_json(found)
        return
    for record in found:
        _show_line(record)
    if not found:
        click.echo("Nothing waits.")


@approvals_group.command("show")
@click.argument("key", metavar="KEY")
@_home
def show_command(*, key: str, home: Path, ledger: str | None, schema: str, as_json: bool) -> None:
    """Show one request: the call, where its arguments came from, what it does, and what a yes takes."""
    from aisecops_langchain.runtime.approvals.desk import open_approvals

    with open_approvals(home, ledger=ledger, schema=schema) as approvals:
        record = _known(approvals.look(key))
    if as_json:
        _print_json([record])
        return
    _show(record)


@approvals_group.command("approve")
@click.argument("key", metavar="KEY")
@grant_options
@who_options
@_home
def approve_command(
    *, key: str, wish: GrantWish | None, home: Path, ledger: str | None, schema: str, as_json: bool, **who: Any
) -> None:
    """Say yes to exactly the call of a request. The run goes on when somebody resumes it.

    With --grant-for and --grant-uses, later calls like it run without asking, as far as policy permits that.
    """
    _answer(key, lambda asked: _yes(asked, wish), who, home=home, ledger=ledger, schema=schema, as_json=as_json)


@approvals_group.command("reject")
@click.argument("key", metavar="KEY")
@click.option("--reason", default="", help="Why, for the record; the model is not told.")
@who_options
@_home
def reject_command(
    *, key: str, reason: str, home: Path, ledger: str | None, schema: str, as_json: bool, **who: Any
) -> None:
    """Say no to the call of a request."""
    from aisecops_langchain.runtime.approvals.answers import Reject

    _answer(key, lambda _: Reject(reason), who, home=home, ledger=ledger, schema=schema, as_json=as_json)


@approvals_group.command("tick")
@_home
def tick_command(*, home: Path, ledger: str | None, schema: str, as_json: bool) -> None:
    """Record which requests expired or escalated meanwhile; meant for a timer."""
    from aisecops_langchain.domain.permit import ApprovalState
    from aisecops_langchain.runtime.approvals.desk import open_approvals

    with open_approvals(home, ledger=ledger, schema=schema) as approvals:
        states = [item.state for item in approvals.requests()]
    counts = {"pending": states.count(ApprovalState.PENDING), "expired": states.count(ApprovalState.EXPIRED)}
    if as_json:
        from aisecops_langchain.cli.output import print_json

        print_json(counts)
        return
    click.echo(f"{counts['pending']} pending, {counts['expired']} expired.")


def _answer(
    key: str,
    answer: Callable[[ApprovalRecord], Answer],
    who: dict[str, Any],
    *,
    home: Path,
    ledger: str | None,
    schema: str,
    as_json: bool,
) -> None:
    from aisecops_langchain.runtime.approvals.desk import open_approvals
    from aisecops_langchain.runtime.approvals.votes import REFUSALS

    approver, why = _told(who)
    with open_approvals(home, ledger=ledger, schema=schema) as approvals:
        asked = _known(approvals.look(key))
        taken = approvals.take(asked.binding, answer(asked), approver, resumes=False)
    if taken.refused is not None:
        reason = why or f"{REFUSALS[taken.refused]} ({taken.record.state})"
        raise UnsoundError(f"the answer does not count: {reason}")
    if as_json:
        _print_json([taken.record])
        return
    _show_line(taken.record)
    grant = taken.record.grant
    if grant is not None:
        click.echo(one_line(f"  grant {grant.id}: {grant.uses} more like it"))


def _yes(asked: ApprovalRecord, wish: GrantWish | None) -> Answer:
    """Say yes, with a grant for the very call that the request holds."""
    from aisecops_langchain.domain.grant import GrantRequest
    from aisecops_langchain.domain.plan import CanonicalCall
    from aisecops_langchain.runtime.approvals.answers import Approve

    if wish is None:
        return Approve()
    arguments = asked.briefing.arguments
    if arguments is None:
        raise UnsoundError(f"nothing can be granted: the request holds its call no more ({asked.state})")
    return Approve(GrantRequest(wish=wish, call=CanonicalCall.of(asked.binding.tool, arguments)))


def _told(who: dict[str, Any]) -> tuple[Approver | None, str]:
    """Tell who answers; an attempt with a token that names nobody is worth a line in the log."""
    from aisecops_langchain.errors import IdentityError

    try:
        return approver_of(**who), ""
    except IdentityError as error:
        return None, str(error)


def _known(record: ApprovalRecord | None) -> ApprovalRecord:
    if record is None:
        raise UnsoundError("nobody was asked about this; expected: the key of a request, as approvals list shows it")
    return record


def _print_json(records: list[ApprovalRecord]) -> None:
    from aisecops_langchain.cli.output import print_json
    from aisecops_langchain.runtime.approvals.facts import facts_of

    granted = [{"grant": record.grant.id} if record.grant else {} for record in records]
    print_json({"approvals": [{**facts_of(record), **grant} for record, grant in zip(records, granted, strict=True)]})


def _show_line(record: ApprovalRecord) -> None:
    from aisecops_langchain.runtime.approvals.facts import facts_of

    facts = facts_of(record)
    needs = f", {facts['missing']} more needed" if facts["missing"] else ""
    until = f" until {facts['expires_at']}" if needs else ""
    click.echo(one_line(f"{facts['approval']} {facts['state']}{needs}{until}: {facts['tool']}"))
    click.echo(one_line(f"  {facts['agent']} for {facts['user']} of {facts['tenant']}, thread {facts['thread']}"))


def _show(record: ApprovalRecord) -> None:
    import json

    from aisecops_langchain.runtime.approvals.facts import described, facts_of

    _show_line(record)
    facts = facts_of(record)
    for text in described(record).splitlines():
        click.echo(f"  {one_line(text)}")
    for name in _TOLD:
        click.echo(one_line(f"  {name}: {json.dumps(facts[name], ensure_ascii=True, sort_keys=True)}"))
    click.echo(one_line(f"  call {facts['call']}"))
