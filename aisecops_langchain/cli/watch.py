"""``aisecops watch``: follow a log while it is written.

Invariant: it only reads; every new event that passes the filters is one line, in which nothing is obeyed by a terminal;
what is wrong with the log is shown whatever the filters say, and makes exit code 1.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from aisecops_langchain.audit import LogEntry
    from aisecops_langchain.domain.events import AnyEvent

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
    """Show events as they are recorded, by all processes, until Ctrl-C. Chains are checked, signatures are not.

    Exit code 1 if something was wrong with the log.
    """
    from aisecops_langchain.audit.follow import Follower
    from aisecops_langchain.audit.layout import segment_paths
    from aisecops_langchain.cli.source import find_log

    wanted = _Filter(tools, decisions, agents, kinds, traces)
    log = find_log(path)
    follower = Follower(log, from_start=from_start)
    if not segment_paths(log):
        click.echo("there is no segment yet; waiting for the first", err=True)
    end = time.monotonic() + seconds if seconds is not None else None
    screen = _Screen(as_json=as_json)
    try:
        for entry in _entries(follower.poll, end):
            screen.show(entry, wanted)
            if screen.shown == count:
                break
    except KeyboardInterrupt:
        pass
    if screen.problems:
        raise SystemExit(1)


def _entries(poll: Callable[[], Iterator[LogEntry]], end: float | None) -> Iterator[LogEntry]:
    while True:
        yield from poll()
        if end is not None and time.monotonic() >= end:
            return
        time.sleep(_PAUSE_SECONDS)


class _Screen:
    """Prints entries; counts the events that it showed, and the problems."""

    def __init__(self, *, as_json: bool) -> None:
        from aisecops_langchain.forensics.wording import LiveNarrator

        self.shown = 0
        self.problems = 0
        self._as_json = as_json
        self._narrator = LiveNarrator()

    def show(self, entry: LogEntry, wanted: _Filter) -> None:
        from aisecops_langchain.audit import SegmentClosed, SegmentOpened
        from aisecops_langchain.errors import AuditFormatError

        try:
            event = entry.parse()
        except AuditFormatError as error:
            self._problem(entry, error)
            return
        if isinstance(event, SegmentOpened | SegmentClosed):
            return
        self._narrator.hear(event)
        if wanted.passes(entry):
            self._event(entry, event)
            self.shown += 1

    def _problem(self, entry: LogEntry, error: Exception) -> None:
        self.problems += 1
        if self._as_json:
            self._line({"problem": str(error), "segment": entry.segment, "offset": entry.offset})
        else:
            self._text(f"PROBLEM in {entry.segment} at byte {entry.offset}: {error}")

    def _event(self, entry: LogEntry, event: AnyEvent) -> None:
        from aisecops_langchain.forensics.stages import STAGE_OF
        from aisecops_langchain.forensics.text import name

        if self._as_json:
            self._line(entry.fields or {})
            return
        who = f"{name(event.trace)[:12]} {name(event.principal.agent)}"
        self._text(f"{event.time:%H:%M:%S.%f} {who} {STAGE_OF[event.kind]}: {self._narrator.tell(event)}")

    def _line(self, value: Mapping[str, object]) -> None:
        from aisecops_langchain.cli.output import print_json_line

        print_json_line(value)

    def _text(self, text: str) -> None:
        from aisecops_langchain.cli.output import one_line

        click.echo(one_line(text))


def _inside(value: object, key: str) -> object:
    return value.get(key) if isinstance(value, dict) else None
