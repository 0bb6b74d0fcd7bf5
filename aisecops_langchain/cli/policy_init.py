"""``aisecops policy init``: the draft of a bundle from the tools of an application.

Invariant: it prints a draft that denies everything; it writes no file and runs no tool, but it imports the module that
it is given, as Python does.
"""

from __future__ import annotations

import click

from aisecops_langchain.cli.imported import imported_tools
from aisecops_langchain.cli.output import CommandError


@click.command("init")
@click.argument("tools", metavar="MODULE:ATTRIBUTE")
@click.option("--agent", default="agent", show_default=True, help="Name of the agent in the draft.")
def init_command(*, tools: str, agent: str) -> None:
    """Print the draft of a bundle for tools, to be reviewed by a person; it denies everything."""
    from aisecops_langchain.adapters.tools.draft import propose_bundle
    from aisecops_langchain.errors import AisecopsError

    found = imported_tools(tools)
    try:
        draft = propose_bundle(found, agent=agent)
    except (AisecopsError, TypeError, ValueError) as error:
        raise CommandError(f"{tools} holds something that is no tool: {type(error).__name__}") from error
    click.echo(draft, nl=False)
