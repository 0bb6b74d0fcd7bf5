"""``aisecops watch``: follow a log while it is written.

Invariant: it only reads; every new event that passes the filters is one line, in which nothing is obeyed by a terminal;
what is wrong with the log is shown whatever the filters say.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from aisecops_langchain.audit import LogEntry

_PAUSE_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class _Filter:
    """What a person wants to see; an empty tuple is everything."""

    tools: tuple[str, ...]
    decisions: tuple[str, ...]
    agents: tuple[str, ...]
    kinds: tuple[str, ...]
    traces: tuple[str, ...]

    def passes(self, entry: LogEntry) -> bool:
        fields = entry.fields or {}
        wanted = (
            (self.kinds, entry.kind),
            (self.traces, fields.get("trace")),
            (self.agents, _inside(fields.get("principal"), "agent")),
            (self.decisions, _inside(fields.get("decision"), "effect")),
            (self.tools, fields.get("tool") or _inside(fields.get("call"), "tool")),
        )
        return entry.is_event and all(value in allowed for allowed, value in wanted if allowed)


@click.command("watch")
@click.argument("path", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--tool", "tools", multiple=True, help="Only events about this tool. All filters may be repeated.")
@click.option("--decision", "decisions", multiple=True, type=click.Choice(["allow", "deny", "require_approval"]))
@click.option("--agent", "agents", multiple=True, help="Only events of this agent.")
@click.option("--kind", "kinds", multiple=True, help="Only events of this kind.")
@click.option("--trace", "traces", multiple=True, metavar="ID", help="Only events of this run.")
@click.option("--from-start", is_flag=True, help="Begin with what is there already.")
@click.option("--for", "seconds", type=click.FloatRange(min=0), help="End after so many seconds.")
@click.option("--count", type=click.IntRange(min=1), help="End after so many events.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def watch_command(
    *,
    path: Path,
    tools: tuple[str, ...],
    decisions: tuple[str, ...],
    agents: tuple[str, ...],
    kinds: tuple[str, ...],
    traces: tuple[str, ...],
    from_start: bool,
    seconds: float | None,
    count: int | None,
    as_json: bool,
) -> None:
    """Show events as they are recorded, by all processes, until Ctrl-C. Chains are checked, signatures are not."""
    from aisecops_langchain.audit.follow import Follower
    from aisecops_langchain.cli.source import find_log

    wanted = _Filter(tools, decisions, agents, kinds, traces)
    follower = Follower(find_log(path), from_start=from_start)
    end = time.monotonic() + seconds if seconds is not None else None
    shown = 0
    try:
        for entry in _entries(follower.poll, end):
            if entry.error is None and not wanted.passes(entry):
                continue
            _print(entry, as_json=as_json)
            shown += entry.error is None
            if shown == count:
                return
    except KeyboardInterrupt:
        return


def _entries(poll: Callable[[], Iterator[LogEntry]], end: float | None) -> Iterator[LogEntry]:
    while True:
        yield from poll()
        if end is not None and time.monotonic() >= end:
            return
        time.sleep(_PAUSE_SECONDS)


def _print(entry: LogEntry, *, as_json: bool) -> None:
    if as_json:
        from aisecops_langchain.cli.output import print_json_line

        print_json_line(entry.fields if entry.fields is not None else _problem(entry))
        return
    from aisecops_langchain.cli.output import one_line

    click.echo(one_line(_told(entry)))


def _problem(entry: LogEntry) -> dict[str, object]:
    return {"problem": str(entry.error), "segment": entry.segment, "offset": entry.offset}


def _told(entry: LogEntry) -> str:
    from aisecops_langchain.audit import SegmentClosed, SegmentOpened
    from aisecops_langchain.errors import AuditFormatError
    from aisecops_langchain.forensics.text import name
    from aisecops_langchain.forensics.timeline import timeline
    from aisecops_langchain.forensics.trace import traces_of

    try:
        event = entry.parse()
    except AuditFormatError as error:
        return f"PROBLEM in {entry.segment} at byte {entry.offset}: {error}"
    if isinstance(event, SegmentOpened | SegmentClosed):
        return f"{event.time:%H:%M:%S} {entry.segment}"
    (trace,) = traces_of([event])
    (told,) = timeline(trace)
    return f"{event.time:%H:%M:%S.%f} {name(event.trace)[:12]} {name(event.principal.agent)} {told.stage}: {told.text}"


def _inside(value: object, key: str) -> object:
    return value.get(key) if isinstance(value, dict) else None
