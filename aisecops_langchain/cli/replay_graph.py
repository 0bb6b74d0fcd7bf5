"""``aisecops replay graph``, ``blast-radius`` and ``origin``: what followed from what.

Invariant: whatever is printed, in whatever format, says on top if the log does not verify, lacks something or was cut;
a log that does not verify makes exit code 1.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from aisecops_langchain.cli.replay_options import as_json_option, limit_option, logs_argument, trace_option

if TYPE_CHECKING:
    from aisecops_langchain.cli.source import LoadedLog
    from aisecops_langchain.forensics.graph import Graph

_SHOWN_SOURCES: Final = 20
_FORMATS: Final = ("text", "json", "dot", "graphml", "mermaid", "svg")


@click.command("graph")
@logs_argument
@trace_option
@click.option("--format", "form", type=click.Choice(_FORMATS), default="text", show_default=True)
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="Write there, not to the screen.")
@limit_option
def graph_command(*, paths: tuple[Path, ...], trace_id: str | None, form: str, output: Path | None, limit: int) -> None:
    """Draw what followed from what, from sources to effects and outcome, and where every argument came from.

    With --trace, the run and all runs that belong to it by delegation; else all runs.
    """
    from aisecops_langchain.cli.output import CommandError, write_file
    from aisecops_langchain.cli.source import end, load_log
    from aisecops_langchain.forensics.graph import cut, execution_graph

    if output is not None and form == "text":
        raise CommandError(
            "text goes to the screen; expected with --output: --format json, dot, graphml, mermaid or svg"
        )

    log = load_log(*paths, trace=trace_id, relatives=True)
    graph = cut(execution_graph(log.traces, notes=log.faults()), limit)
    if form == "text":
        _show_text(log, graph)
        end(log)
        return
    text = _drawn(log, graph, form)
    if output is None:
        click.echo(text, nl=False)
    else:
        write_file(output, text.encode())
    for note in graph.notes:
        click.echo(note, err=True)
    end(log)


@click.command("blast-radius")
@click.argument("source")
@logs_argument
@as_json_option
def blast_radius_command(*, source: str, paths: tuple[Path, ...], as_json: bool) -> None:
    """Find everything that a document, tool or text touched, over all runs.

    SOURCE is its name, door:name such as retrieval_chunk:letter, or at least six digits of its digest.
    """
    from aisecops_langchain.cli.output import UnsoundError, console, print_json
    from aisecops_langchain.cli.source import end, load_log
    from aisecops_langchain.forensics.graph import blast_radius, execution_graph
    from aisecops_langchain.forensics.text import name

    log = load_log(*paths)
    graph = execution_graph(log.traces, notes=log.faults())
    radius = blast_radius(graph, source)
    if as_json:
        print_json({"log": log.to_json(), "blast_radius": radius.model_dump(mode="json")})
    else:
        from aisecops_langchain.cli.render_graph import show_radius
        from aisecops_langchain.cli.render_log import show_verdicts

        out = console()
        show_verdicts(out, log)
        if radius.sources:
            show_radius(out, radius)
    if not radius.sources:
        raise UnsoundError(
            f"no source goes by {name(source)}; expected: its name, door:name or digits of its digest; "
            f"there are: {_sources(graph)}"
        )
    end(log)


@click.command("origin")
@click.argument("effect")
@logs_argument
@trace_option
@as_json_option
def origin_command(*, effect: str, paths: tuple[Path, ...], trace_id: str | None, as_json: bool) -> None:
    """Find everything that an effect followed from: sources, arguments, decisions, persons.

    EFFECT is a tool's name, a call id or the id of an event. Refused calls are told as well, after the effects.
    """
    from aisecops_langchain.cli.output import UnsoundError, console, print_json
    from aisecops_langchain.cli.source import end, load_log
    from aisecops_langchain.forensics.graph import execution_graph, origin
    from aisecops_langchain.forensics.text import name

    log = load_log(*paths)
    found = origin(execution_graph(log.traces, notes=log.faults()), effect)
    found = tuple(item for item in found if trace_id is None or item.effect.trace == trace_id)
    if as_json:
        print_json({"log": log.to_json(), "origins": [item.model_dump(mode="json") for item in found]})
    else:
        from aisecops_langchain.cli.render_graph import show_origin
        from aisecops_langchain.cli.render_log import show_verdicts

        out = console()
        show_verdicts(out, log)
        for item in found:
            show_origin(out, item)
    if not found:
        raise UnsoundError(
            f"no effect or call goes by {name(effect)}; expected: a tool's name, a call id or an event's id"
        )
    end(log)


def _sources(graph: Graph) -> str:
    from aisecops_langchain.forensics.graph import NodeKind
    from aisecops_langchain.forensics.text import name

    known = {f"{node.facts['door']}:{node.facts['name']}" for node in graph.nodes if node.kind is NodeKind.SOURCE}
    shown = ", ".join(name(source) for source in sorted(known)[:_SHOWN_SOURCES]) or "none"
    return shown + (f" and {len(known) - _SHOWN_SOURCES} more" if len(known) > _SHOWN_SOURCES else "")


def _drawn(log: LoadedLog, graph: Graph, form: str) -> str:
    if form == "json":
        from aisecops_langchain.cli.output import json_text

        return json_text({"log": log.to_json(), "graph": graph.model_dump(mode="json")}) + "\n"
    from aisecops_langchain.forensics.drawings import DRAWINGS

    return DRAWINGS[form](graph)


def _show_text(log: LoadedLog, graph: Graph) -> None:
    from aisecops_langchain.cli.output import console
    from aisecops_langchain.cli.render_graph import show_graph
    from aisecops_langchain.cli.render_log import show_verdicts

    out = console()
    show_verdicts(out, log)
    show_graph(out, graph)
