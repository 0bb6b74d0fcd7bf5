"""The options by which a command learns what a person grants beside a yes.

Invariant: what cannot be read is no grant and no yes either; the command ends before anything is answered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from aisecops_langchain.domain.grant import GrantWish

_PAIR: Final = "NAME=AMOUNT"
_OPTIONS: Final = (
    click.option("--grant-for", type=int, metavar="SECONDS", help="Let later calls like it run, for so long."),
    click.option("--grant-uses", type=int, metavar="N", help="Let so many of them run."),
    click.option("--grant-same", multiple=True, metavar="NAME", help="An argument that keeps its value; the default."),
    click.option("--grant-any", multiple=True, metavar="NAME", help="An argument that may be anything."),
    click.option("--grant-up-to", multiple=True, metavar=_PAIR, help="What a number may come to over all uses."),
    click.option("--grant-each", multiple=True, metavar=_PAIR, help="What such a number may be in one use."),
    click.option("--grant-any-thread", is_flag=True, help="Good in other threads of the same user, too."),
    click.option("--grant-reason", default="", metavar="TEXT", help="Why, for the record."),
)
_NAMES: Final = ("for", "uses", "same", "any", "up_to", "each", "any_thread", "reason")


def grant_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of a standing grant.

    Args:
        command: Takes ``wish``, a ``GrantWish`` or ``None`` where nothing is to be granted.

    Returns:
        The command with the options.
    """

    @wraps(command)
    def with_wish(**given: Any) -> Any:
        return command(wish=_wish({name: given.pop(f"grant_{name}") for name in _NAMES}), **given)

    for option in reversed(_OPTIONS):
        with_wish = option(with_wish)
    return with_wish


def _wish(given: dict[str, Any]) -> GrantWish | None:
    """Read the options as the answer to an interrupt would be read."""
    from aisecops_langchain.errors import GrantError
    from aisecops_langchain.runtime.grants.bounds import read_wish

    if all(value is None or value is False or value in ((), "") for value in given.values()):
        return None
    if given["for"] is None or given["uses"] is None:
        raise click.UsageError("a grant needs an end and a count: --grant-for SECONDS and --grant-uses N")
    said = {
        "for_seconds": given["for"],
        "uses": given["uses"],
        "same": list(given["same"]),
        "any": list(given["any"]),
        "up_to": _amounts("--grant-up-to", given["up_to"]),
        "each": _amounts("--grant-each", given["each"]),
        "any_thread": given["any_thread"],
        "reason": given["reason"],
    }
    try:
        return read_wish(said)
    except GrantError as error:
        raise click.UsageError(
            f"{error}; amounts are like 500 or 12.50, and an end is at most a day; see docs: standing grants"
        ) from None


def _amounts(option: str, pairs: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, amount = pair.rpartition("=")
        if not equals or not name or name in found:
            raise click.UsageError(f"{option} takes {_PAIR}, each name once")
        found[name] = amount
    return found
