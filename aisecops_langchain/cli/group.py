"""A click group whose help gives each of its commands a whole sentence.

Invariant: nothing in a list of commands ends in the middle.
"""

from __future__ import annotations

from typing import Final

import click

_WHOLE: Final = 400
"""Characters of the longest first sentence."""


class Group(click.Group):
    """A group of commands; click's own cuts what it says of them to a line."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """Write the list of commands.

        Args:
            ctx: The click context.
            formatter: Where the help goes.
        """
        told = [(name, self.commands[name].get_short_help_str(_WHOLE)) for name in sorted(self.commands)]
        with formatter.section("Commands"):
            formatter.write_dl(told)
