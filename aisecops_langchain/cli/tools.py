"""``aisecops tools``: pin the definitions of tools that a person reviewed, and see what changed since.

Invariant: only ``pin`` writes a file, no tool is called, and ``check`` exits with 0 only if every tool is as it was
pinned. Both import the module, or start the MCP servers, that they are given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from aisecops_langchain.cli.group import Group
from aisecops_langchain.cli.output import CommandError, one_line, write_file

if TYPE_CHECKING:
    from aisecops_langchain.runtime.decisions.pin_changes import PinChange
    from aisecops_langchain.runtime.decisions.pins import Pins

_LOCK: Final = Path("tools.lock")
_SAYS: Final = {"not_pinned": "is not pinned", "definition_changed": "changed", "gone": "is gone"}


@click.group("tools", cls=Group)
def tools_group() -> None:
    """Pin tool definitions, and see what changed."""


def _source(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that name tools."""
    file = click.Path(exists=True, dir_okay=False, path_type=Path)
    prefix = click.option("--prefix", is_flag=True, help="Tools of MCP servers are named after their server, too.")
    config = click.option("--mcp-config", type=file, default=None, help="JSON file of MCP servers, instead.")
    reference = click.argument("tools", metavar="[MODULE:ATTRIBUTE]", required=False)
    return reference(config(prefix(command)))


@tools_group.command("pin")
@_source
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=_LOCK,
    show_default=True,
    help="The file.",
)
def pin_command(*, tools: str | None, mcp_config: Path | None, prefix: bool, output: Path) -> None:
    """Write the lock file, and show what changes with it; review it as you would review code."""
    from aisecops_langchain.runtime.decisions.pin_changes import changes
    from aisecops_langchain.runtime.decisions.pins import Pins, load_pins

    present = _present(tools, mcp_config, prefix=prefix)
    before = load_pins(output) if output.exists() else Pins({})
    _show(changes(before, present))
    write_file(output, present.render().encode("ascii"))
    click.echo(one_line(f"{len(present.definitions)} tools are pinned in {output.name}"))


@tools_group.command("check")
@_source
@click.option(
    "--lock",
    type=click.Path(dir_okay=False, path_type=Path),
    default=_LOCK,
    show_default=True,
    help="The lock file.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for programs.")
def check_command(*, tools: str | None, mcp_config: Path | None, prefix: bool, lock: Path, as_json: bool) -> None:
    """Show every tool that is not as it was pinned; exit code 1 if there is one."""
    from dataclasses import asdict

    from aisecops_langchain.runtime.decisions.pin_changes import changes
    from aisecops_langchain.runtime.decisions.pins import load_pins

    pins = load_pins(lock)
    found = changes(pins, _present(tools, mcp_config, prefix=prefix))
    if as_json:
        from aisecops_langchain.cli.output import print_json

        print_json({"ok": not found, "changes": [asdict(item) for item in found]})
    else:
        _show(found)
        if not found:
            click.echo(f"All {len(pins.definitions)} tools are as they were pinned.")
    if found:
        raise SystemExit(1)


def _present(tools: str | None, mcp_config: Path | None, *, prefix: bool) -> Pins:
    """Read the definitions as the tools give them now."""
    from aisecops_langchain.adapters.tools.governed import toolbox
    from aisecops_langchain.errors import AisecopsError
    from aisecops_langchain.runtime.decisions.pins import Pins

    if (tools is None) == (mcp_config is None):
        raise CommandError("expected: either MODULE:ATTRIBUTE or --mcp-config FILE")
    found = _listed(mcp_config, prefix=prefix) if tools is None else _imported(tools)
    try:
        return Pins.of(tool.describe() for tool in toolbox(found).values())
    except AisecopsError:
        raise
    except (TypeError, ValueError) as error:
        raise CommandError(f"there is something that is no tool: {type(error).__name__}") from error


def _imported(reference: str) -> list[Any]:
    from aisecops_langchain.cli.imported import imported_tools

    return imported_tools(reference)


def _listed(config: Path | None, *, prefix: bool) -> list[Any]:
    from aisecops_langchain.adapters.mcp.servers import all_tools, read_connections
    from aisecops_langchain.errors import AisecopsError

    connections = read_connections(config or "")
    try:
        return list(all_tools(connections, prefix=prefix))
    except AisecopsError:
        raise
    except Exception as error:  # a server of somebody else: anything may come
        raise CommandError(f"the MCP servers could not be asked: {type(error).__name__}") from error


def _show(found: Iterable[PinChange]) -> None:
    for change in found:
        name = change.tool if change.tool.isascii() else f"{change.tool} (letters: {ascii(change.tool)[1:-1]})"
        click.echo(
            one_line(f"{name} {_SAYS[change.kind]}: pinned {change.expected or 'never'}, now {change.got or '-'}")
        )
        for line in change.lines:
            click.echo(f"  {one_line(line)}")
