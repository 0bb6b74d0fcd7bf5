"""Traces: the events of one run, put back into the order in which they followed from each other.

Invariant: a trace is a function of the set of events, not of their order or repetition in the input. An event never
stands before one of its parents, and what the log does not hold is listed, not dropped.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

from aisecops_langchain.domain.events import (
    AnyEvent,
    ModelFailed,
    ModelFinished,
    ModelStarted,
    RetrievalFailed,
    RetrievalFinished,
    RetrievalStarted,
    ToolFailed,
    ToolFinished,
    ToolStarted,
)
from aisecops_langchain.domain.principal import Principal
from aisecops_langchain.forensics.stages import RANK_OF

_Key: TypeAlias = tuple[datetime, int, str]

_SPANS: Final = (
    *(ModelStarted, ModelFinished, ModelFailed),
    *(ToolStarted, ToolFinished, ToolFailed),
    *(RetrievalStarted, RetrievalFinished, RetrievalFailed),
)


@dataclass(frozen=True, slots=True)
class Trace:
    """One run of an agent, kept across pauses and processes."""

    id: str
    thread: str
    """Thread of the first event that is not a span."""
    principal: Principal
    """Principal of the first event that is not a span."""
    events: tuple[AnyEvent, ...]
    """Never empty; causes before effects, else by time."""
    missing_parents: tuple[tuple[str, str], ...] = ()
    """Pairs of an event's id and the id of a parent that the log does not hold."""
    conflicting: tuple[str, ...] = ()
    """Ids under which the log holds different events; the earliest is kept."""
    cyclic: tuple[str, ...] = ()
    """Ids of events that claim, through others, to be their own cause."""


def traces_of(events: Iterable[AnyEvent]) -> tuple[Trace, ...]:
    """Group events into traces.

    Args:
        events: Events in any order, repeated or not.

    Returns:
        The traces by the time of their first event.
    """
    groups: defaultdict[str, list[AnyEvent]] = defaultdict(list)
    for event in events:
        groups[event.trace].append(event)
    traces = [_trace(trace_id, group) for trace_id, group in groups.items()]
    return tuple(sorted(traces, key=lambda trace: (min(event.time for event in trace.events), trace.id)))


def is_span(event: AnyEvent) -> bool:
    """Whether an event is what the callback handler witnessed, rather than what governance did.

    Args:
        event: The event.

    Returns:
        True for the edges of model, tool and retrieval spans; their scope is only as good as the host's metadata.
    """
    return isinstance(event, _SPANS)


def _trace(trace_id: str, group: list[AnyEvent]) -> Trace:
    """Rebuild one trace from its events."""
    unique, conflicting = _unique(group)
    ordered, cyclic = _causal_order(unique)
    missing = sorted((event.id, parent) for event in ordered for parent in set(event.parents) if parent not in unique)
    first = next((event for event in ordered if not is_span(event)), ordered[0])
    return Trace(
        id=trace_id,
        thread=first.thread,
        principal=first.principal,
        events=tuple(ordered),
        missing_parents=tuple(missing),
        conflicting=tuple(conflicting),
        cyclic=tuple(cyclic),
    )


def _unique(group: list[AnyEvent]) -> tuple[dict[str, AnyEvent], list[str]]:
    """Keep the earliest event per id, and report ids under which the log holds different facts."""
    variants: defaultdict[str, list[AnyEvent]] = defaultdict(list)
    for event in group:
        if event not in variants[event.id]:
            variants[event.id].append(event)
    unique: dict[str, AnyEvent] = {}
    conflicting: list[str] = []
    for event_id, several in variants.items():
        if len(several) > 1:
            several.sort(key=lambda event: (event.time, event.model_dump_json()))
        unique[event_id] = several[0]
        if not all(_say_the_same(several[0], other) for other in several[1:]):
            conflicting.append(event_id)
    return unique, sorted(conflicting)


def _say_the_same(event: AnyEvent, other: AnyEvent) -> bool:
    """Whether two events state one fact; a node that runs again in another process states it at another time."""
    return event.model_copy(update={"time": other.time, "parents": other.parents}) == other


def _causal_order(events: dict[str, AnyEvent]) -> tuple[list[AnyEvent], list[str]]:
    """Sort topologically, the earliest event first among those whose parents are all placed (Kahn, 1962)."""
    waiting = {event_id: set(event.parents) & events.keys() for event_id, event in events.items()}
    children: defaultdict[str, list[str]] = defaultdict(list)
    for event_id, parents in waiting.items():
        for parent in parents:
            children[parent].append(event_id)
    by_time = sorted(events, key=lambda event_id: _key(events[event_id]))
    ready = [_key(events[event_id]) for event_id in by_time if not waiting[event_id]]
    remaining = iter(by_time)
    ordered: dict[str, AnyEvent] = {}
    cyclic: list[str] = []
    while len(ordered) < len(events):
        if ready:
            event_id = heapq.heappop(ready)[2]
        else:
            # Only a cycle leaves events and none ready; the earliest of them goes first, so that all are shown.
            event_id = next(candidate for candidate in remaining if candidate not in ordered)
            cyclic.append(event_id)
        if event_id in ordered:
            continue
        ordered[event_id] = events[event_id]
        for child in children[event_id]:
            waiting[child].discard(event_id)
            if not waiting[child] and child not in ordered:
                heapq.heappush(ready, _key(events[child]))
    return list(ordered.values()), sorted(cyclic)


def _key(event: AnyEvent) -> _Key:
    return event.time, RANK_OF[event.kind], event.id
