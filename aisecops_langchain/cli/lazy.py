"""A click group that knows its commands by name and loads a command only when it is invoked.

Invariant: showing help, completing names and running one command import no other command. An error of our own tree
leaves the group as one line and an exit code, never as a traceback.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module

import click

from aisecops_langchain.cli.output import CommandError, one_line
from aisecops_langchain.errors import AisecopsError


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """A command that is not loaded yet."""

    target: str
    """``module:attribute`` of the click command."""
    summary: str
    """Its line in the group's help."""
    extra: str | None = None
    """The extra of this package that it needs, where it needs one."""


class LazyGroup(click.Group):
    """A group over lazily loaded commands.

    Args:
        name: The group's name.
        lazy: The commands by name.
        about: What the group is for, shown in its help.
        epilog: What its help ends with.
    """

    def __init__(self, *, name: str, lazy: Mapping[str, LazyCommand], about: str, epilog: str | None = None) -> None:
        super().__init__(name=name, help=about, epilog=epilog)
        self._lazy = dict(lazy)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the signature is click's
        """Name all commands.

        Args:
            ctx: The click context.

        Returns:
            The names, sorted.
        """
        return sorted(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - the signature is click's
        """Load one command.

        Args:
            ctx: The click context.
            cmd_name: Its name.

        Returns:
            The command, or None if there is none of that name.

        Raises:
            CommandError: If the command needs a package that is not installed.
        """
        known = self._lazy.get(cmd_name)
        return None if known is None else _load(cmd_name, known)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - the signature is click's
        """Write the list of commands without loading any.

        Args:
            ctx: The click context.
            formatter: Where the help goes.
        """
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._lazy[name].summary) for name in sorted(self._lazy)])

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; turn an error of our own tree into one line.

        Args:
            ctx: The click context.

        Returns:
            What the command returns.

        Raises:
            CommandError: In place of any ``AisecopsError``, with exit code 2.
        """
        try:
            return super().invoke(ctx)
        except AisecopsError as error:
            raise CommandError(str(error)) from error


def _load(name: str, command: LazyCommand) -> click.Command:
    module, _, attribute = command.target.partition(":")
    try:
        loaded = vars(import_module(module)).get(attribute)
    except ModuleNotFoundError as error:
        install = f"; do: pip install 'aisecops-langchain[{command.extra}]'" if command.extra else ""
        missing = one_line(error.name or "unknown")
        raise CommandError(f"command {name} needs the module {missing}, which is not installed{install}") from error
    if not isinstance(loaded, click.Command):
        raise CommandError(f"command {name} is damaged; expected: a click command; got: {type(loaded).__name__}")
    return loaded
