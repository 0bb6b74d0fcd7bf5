"""``aisecops policy init``: the draft of a bundle from the tools of an application.

Invariant: it prints a draft that denies everything; it writes no file and runs no tool, but it imports the module that
it is given, as Python does.
"""

from __future__ import annotations

from typing import Any

import click

from aisecops_langchain.cli.output import CommandError


@click.command("init")
@click.argument("tools", metavar="MODULE:ATTRIBUTE")
@click.option("--agent", default="agent", show_default=True, help="Name of the agent in the draft.")
def init_command(*, tools: str, agent: str) -> None:
    """Print the draft of a bundle for tools, to be reviewed by a person; it denies everything."""
    from aisecops_langchain.adapters.proposal import propose_bundle
    from aisecops_langchain.errors import AisecopsError

    found = _imported(tools)
    try:
        draft = propose_bundle(found, agent=agent)
    except (AisecopsError, TypeError, ValueError) as error:
        raise CommandError(f"{tools} holds something that is no tool: {type(error).__name__}") from error
    click.echo(draft, nl=False)


def _imported(reference: str) -> list[Any]:
    """Import ``module:attribute``; the attribute is a list of tools, or a function that makes one."""
    import sys
    from importlib import import_module
    from pathlib import Path

    module_name, _, attribute = reference.partition(":")
    if not module_name or not attribute:
        raise CommandError("expected: MODULE:ATTRIBUTE, such as app.tools:TOOLS")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found = vars(import_module(module_name))[attribute]
    except ImportError as error:
        raise CommandError(f"module {module_name!r} cannot be imported: {type(error).__name__}") from error
    except KeyError as error:
        raise CommandError(f"module {module_name!r} has no attribute {attribute!r}") from error
    made = found() if callable(found) else found
    if not isinstance(made, list | tuple) or not made:
        raise CommandError(f"{reference} is no list of tools; got: {type(made).__name__}")
    return list(made)
