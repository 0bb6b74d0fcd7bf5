"""Shows execution graphs, blast radii and origins to people.

Invariant: notes and problems come first, and text from the log is never interpreted as markup or terminal control.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from rich.console import Console
from rich.table import Table

from aisecops_langchain.cli.render_log import line
from aisecops_langchain.forensics.graph import BlastRadius, EdgeKind, Graph, Node, NodeKind, Origin, TaintedArgument
from aisecops_langchain.forensics.graph.index import Index
from aisecops_langchain.forensics.graph.taint import Fate, tainted_arguments
from aisecops_langchain.forensics.text import name, short

_SHOWN_SOURCES: Final = 8
_BAD: Final = frozenset({"deny", "blocked", "unknown", "failed", "withheld", "rejected", "expired", "unfinished"})


def show_graph(out: Console, graph: Graph) -> None:
    """Show a graph as an outline: run by run what was read, proposed, decided and done, each under its cause.

    Args:
        out: Where to.
        graph: The graph.
    """
    _show_notes(out, graph.notes)
    index = Index(graph)
    told: set[str] = set()
    for node in graph.nodes:
        match node.kind:
            case NodeKind.RUN:
                _show_run(out, index, node)
            case NodeKind.CONTENT | NodeKind.OUTPUT | NodeKind.OUTCOME:
                _say(out, 1, node, _findings(node))
            case NodeKind.PLAN:
                _say(out, 1, node, f", having seen {_sources(index, _seen(index, node.id))}")
                for edge in index.after(node.id, EdgeKind.PROPOSED):
                    _show_proposed(out, index, index.nodes[edge.target], told)
            case NodeKind.CALL if node.id not in told and not any(index.before(node.id, EdgeKind.PROPOSED)):
                _show_call(out, index, node, told)
            case _:
                pass


def show_radius(out: Console, radius: BlastRadius) -> None:
    """Show everything that a source touched.

    Args:
        out: Where to.
        radius: What followed from it.
    """
    _show_notes(out, radius.graph.notes)
    for source in radius.sources:
        out.print(line(f"Source: {source.label} ({short(source.facts['digest'])})", "bold"))
    out.print(line(f"It, or what followed from it, was read {radius.contents} times in {len(radius.runs)} runs."))
    table = _table("run", "call", "led to it by", "effects between", "arguments", "what became of it")
    for item in radius.touched:
        arguments = [f"{each} found" for each in item.found] + [f"{each} chosen" for each in item.chosen]
        style = "yellow" if item.fate.effect in ("completed", "unknown") else ""
        cells = (short(item.trace), item.shown, item.how.value, str(item.hops), ", ".join(arguments), _fate(item.fate))
        table.add_row(*(line(cell, style) for cell in cells))
    out.print(table)
    for output in radius.outputs:
        out.print(line(f"run {short(output.trace)}: {output.label}"))


def show_origin(out: Console, found: Origin) -> None:
    """Show everything that an effect followed from.

    Args:
        out: Where to.
        found: The effect and its causes.
    """
    _show_notes(out, found.graph.notes)
    unmade = "no effect of " if found.effect.kind is NodeKind.CALL else ""
    out.print(line(f"Run {name(found.effect.trace)}: {unmade}{found.effect.label}{_accused(found.effect)}", "bold"))
    calls = (call for call in found.calls if call.id != found.effect.id)
    for node in (*calls, *found.decisions, *found.approvals):
        _say(out, 1, node, _details(node))
    nodes = {node.id: node for node in found.graph.nodes}
    for item in found.arguments:
        out.print(line(f"    {_argument(nodes, item)}"))
    table = _table("source", "digest", "trust", "effects between")
    for source in found.sources:
        cells = (
            source.node.label,
            short(source.node.facts["digest"]),
            source.integrity or "not read",
            str(source.hops),
        )
        table.add_row(*(line(cell, "yellow" if source.integrity == "untrusted" else "") for cell in cells))
    out.print(table)


def _show_notes(out: Console, notes: Iterable[str]) -> None:
    for note in notes:
        out.print(line(note, "bold red"))


def _show_run(out: Console, index: Index, run: Node) -> None:
    out.print(line(f"{run.label}, trace {run.facts['trace']}, thread {run.facts['thread']}{_accused(run)}", "bold"))
    for edge in index.before(run.id, EdgeKind.DELEGATED):
        giver = index.nodes[edge.source]
        out.print(line(f"  sent by {giver.label} in run {name(giver.trace)}"))


def _show_proposed(out: Console, index: Index, node: Node, told: set[str]) -> None:
    if node.kind is NodeKind.CALL:
        _show_call(out, index, node, told)
    else:
        _say(out, 2, node, _details(node))


def _show_call(out: Console, index: Index, call: Node, told: set[str]) -> None:
    """Show a call with its arguments, and below it everything that was said and done about it."""
    told.add(call.id)
    _say(out, 2, call)
    for item in tainted_arguments(index, call):
        out.print(line(f"      {_argument(index.nodes, item)}", "yellow" if item.integrity == "untrusted" else ""))
    for decided in index.after(call.id, EdgeKind.DECIDED, EdgeKind.TRIED):
        decision = index.nodes[decided.target]
        _say(out, 3, decision, _details(decision))
        for edge in index.after(decision.id, EdgeKind.ASKED, EdgeKind.PERMITTED):
            _show_authority(out, index, index.nodes[edge.target], told)


def _show_authority(out: Console, index: Index, node: Node, told: set[str]) -> None:
    _say(out, 3, node, _details(node))
    for edge in index.after(node.id, EdgeKind.RAN, EdgeKind.EDITED):
        following = index.nodes[edge.target]
        if following.kind is NodeKind.EFFECT:
            _say(out, 3, following)
        elif following.id not in told:
            out.print(line("      a person changed it into:"))
            _show_call(out, index, following, told)


def _say(out: Console, depth: int, node: Node, more: str = "") -> None:
    trust = f" [{node.integrity}]" if node.integrity else ""
    style = "bold red" if node.problems else "yellow" if node.state in _BAD else ""
    out.print(line(f"{'  ' * depth}{node.kind.value}: {node.label}{trust}{more}{_accused(node)}", style))


def _details(node: Node) -> str:
    match node.kind:
        case NodeKind.DECISION:
            return f": {node.facts.get('reasons', '')}"
        case NodeKind.APPROVAL:
            by = f" by {node.facts['approver']}" if "approver" in node.facts else ""
            return f": {node.state}{by}"
        case _:
            return ""


def _findings(node: Node) -> str:
    return f"; found {node.facts['findings']}" if "findings" in node.facts else ""


def _accused(node: Node) -> str:
    return f"  !! {', '.join(node.problems)}" if node.problems else ""


def _argument(nodes: dict[str, Node], item: TaintedArgument) -> str:
    if item.found:
        held = f"; that may hold {_named(nodes, item.held)}" if item.held else ""
        where = f"{item.method}, found in {_named(nodes, item.found)}{held}"
    else:
        where = f"found nowhere; the model had seen {_named(nodes, item.may)}"
    return f"{item.argument} [{item.integrity}]: {where}"


def _named(nodes: dict[str, Node], sources: Sequence[str]) -> str:
    labels = list(dict.fromkeys(nodes[source].label for source in sources if source in nodes))
    more = f" and {len(labels) - _SHOWN_SOURCES} more" if len(labels) > _SHOWN_SOURCES else ""
    return (", ".join(labels[:_SHOWN_SOURCES]) or "nothing that this graph holds") + more


def _seen(index: Index, plan: str) -> list[str]:
    return [edge.source for edge in index.before(plan, EdgeKind.IN_CONTEXT)]


def _sources(index: Index, nodes: Sequence[str]) -> str:
    direct = [edge.source for node in nodes for edge in index.before(node, EdgeKind.READ)]
    return _named(index.nodes, direct or list(nodes))


def _fate(fate: Fate) -> str:
    approval = f", {fate.approval}" if fate.approval else ""
    effect = f", {fate.effect}" if fate.effect else ""
    return f"{fate.decision or 'not decided'}{approval}{effect}"


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table
