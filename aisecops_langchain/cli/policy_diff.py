"""``aisecops policy diff``: a request that two bundles decide differently, or what is known of there being none.

Invariant: exit code 0 means that no difference exists; a search that was cut short never ends with 0.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from aisecops_langchain.cli.source_policy import FILE, load

if TYPE_CHECKING:
    from aisecops_langchain.domain.decision import Decision, DecisionRequest
    from aisecops_langchain.policy import Difference, Policy


@click.command("diff")
@click.argument("old", type=FILE)
@click.argument("new", type=FILE)
@click.option("--max-requests", type=click.IntRange(min=1), default=100_000, show_default=True, help="Most to try.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for programs.")
def diff_command(*, old: Path, new: Path, max_requests: int, as_json: bool) -> None:
    """Find a request that two bundles decide differently; exit code 0 only if there is none."""
    from aisecops_langchain.cli.output import print_json
    from aisecops_langchain.policy import difference

    before, after = load(old), load(new)
    found = difference(before, after, max_requests=max_requests)
    if as_json:
        shown = found.model_dump(mode="json", exclude={"request"})
        print_json({"equal": found.equal, "request": _request(found.request), **shown})
    else:
        _show(before, after, found)
    if not found.equal:
        raise SystemExit(1)


def _request(request: DecisionRequest | None) -> dict[str, object] | None:
    if request is None:
        return None
    shown = request.model_dump(mode="json", exclude={"call"})
    return {**shown, "tool": request.call.tool, "args": request.call.arguments()}


def _change(old: Decision, new: Decision) -> str:
    if old.effect is new.effect and old.obligations == new.obligations:
        return "what an approval takes changed"
    return f"{old.effect.value} became {new.effect.value}"


def _show(before: Policy, after: Policy, found: Difference) -> None:
    from aisecops_langchain.cli.output import console, one_line
    from aisecops_langchain.cli.render_policy import show_explanation

    if found.request is not None and found.old is not None and found.new is not None:
        click.echo(f"different: {_change(found.old, found.new)}, found at request {found.tried}")
        context = found.request.context
        click.echo(f"context: {context.integrity.value}, {context.confidentiality.value}")
        for name, label in sorted(found.request.arguments.items()):
            click.echo(one_line(f"label of {name}: {label.integrity.value}, {label.confidentiality.value}"))
        for title, policy in (("--- old", before), ("+++ new", after)):
            click.echo(title)
            show_explanation(console(), found.request, policy.explain(found.request))
    elif found.exhaustive:
        click.echo(f"no request is decided differently ({found.tried} tried, one of every class)")
    else:
        click.echo(f"not exhaustive: {found.tried} requests tried, none decided differently")
    for gap in found.gaps:
        click.echo(one_line(f"  not covered: {gap}"))
    for setting in found.settings:
        click.echo(one_line(f"  setting: {setting}"))
