"""One run against another: the same task under another model, prompt or policy.

Invariant: arguments are compared as the log shows them; a withheld value differs where its commitment does, and
commitments of two governance homes cannot be compared, which is said.
"""

from __future__ import annotations

from collections.abc import Iterable

from aisecops_langchain.canonical import JsonValue
from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.domain.decision import Effect
from aisecops_langchain.domain.events import ContentAdmitted, ContentBlocked, ContentSanitized, ModelStarted
from aisecops_langchain.domain.labels import Source
from aisecops_langchain.forensics.diff.align import MOST_STEPS, align
from aisecops_langchain.forensics.diff.steps import DecidedCall, Step, steps_of
from aisecops_langchain.forensics.effects import RecordedState
from aisecops_langchain.forensics.outcome import outcome_of
from aisecops_langchain.forensics.text import clip, is_withheld, name, value_text
from aisecops_langchain.forensics.trace import Trace

_HAPPENED = (RecordedState.COMPLETED, RecordedState.UNKNOWN)


class ArgumentChange(Frozen):
    """One argument that differs, in printable words."""

    argument: str
    first: str
    second: str
    withheld: bool
    """Whether the log withholds a value, so that only commitments were compared."""


class ChangedStep(Frozen):
    """Two steps that belong together and differ, or one that has no partner."""

    tool: str
    first: Step | None
    second: Step | None
    arguments: tuple[ArgumentChange, ...] = ()
    decision: tuple[Effect | None, Effect | None] | None = None
    """The last decisions on them, where they differ."""
    rules: tuple[tuple[str, ...], tuple[str, ...]] | None = None
    """The rules that matched, where they differ."""
    effect: tuple[RecordedState | None, RecordedState | None] | None = None
    """What became of them, where that differs."""


class Facts(Frozen):
    """What two runs have in common, or not, before any step."""

    trace: str
    agent: str
    user: str
    tenant: str
    policies: tuple[str, ...]
    models: tuple[str, ...]
    outcome: str
    sources: tuple[Source, ...]
    """Content that it read and the other did not."""


class RunDiff(Frozen):
    """How two runs differ."""

    first: Facts
    second: Facts
    same: int
    """Steps that are the same in both."""
    changed: tuple[ChangedStep, ...]
    """Steps in both that differ, in order."""
    only_first: tuple[ChangedStep, ...]
    only_second: tuple[ChangedStep, ...]
    flipped: int
    """Steps that were decided differently."""
    effects_only_first: tuple[Step, ...]
    """Effects that happened, or may have, in the first run and not in the second."""
    effects_only_second: tuple[Step, ...]
    notes: tuple[str, ...] = ()


def compare_runs(first: Trace, second: Trace) -> RunDiff:
    """Compare two runs.

    Args:
        first: The one.
        second: The other.

    Returns:
        How they differ.
    """
    steps, others = steps_of(first), steps_of(second)
    pairs = [_compared(one, other) for one, other in align(steps, others)]
    both = [item for item in pairs if item.first is not None and item.second is not None]
    changed = tuple(item for item in both if item.arguments or item.decision or item.rules or item.effect)
    longest = max(len(steps), len(others))
    cut = (f"CUT: only the first {MOST_STEPS} of {longest} steps are compared",) if longest > MOST_STEPS else ()
    read, also = _read(first), _read(second)
    return RunDiff(
        first=_facts(first, read - also),
        second=_facts(second, also - read),
        same=len(both) - len(changed),
        changed=changed,
        only_first=tuple(item for item in pairs if item.second is None),
        only_second=tuple(item for item in pairs if item.first is None),
        flipped=sum(item.decision is not None for item in changed),
        effects_only_first=tuple(_only(pairs, of_first=True)),
        effects_only_second=tuple(_only(pairs, of_first=False)),
        notes=cut,
    )


def _compared(one: Step | None, other: Step | None) -> ChangedStep:
    tool = one.tool if one is not None else other.tool if other is not None else ""
    if one is None or other is None:
        return ChangedStep(tool=tool, first=one, second=other)
    before, after = _decided(one.final), _decided(other.final)
    rules = (_rules(one.final), _rules(other.final))
    return ChangedStep(
        tool=tool,
        first=one,
        second=other,
        arguments=_arguments(one.arguments, other.arguments),
        decision=None if before == after else (before, after),
        rules=None if rules[0] == rules[1] else rules,
        effect=None if one.state == other.state else (one.state, other.state),
    )


def _decided(decision: DecidedCall | None) -> Effect | None:
    return None if decision is None else decision.effect


def _rules(decision: DecidedCall | None) -> tuple[str, ...]:
    return () if decision is None else decision.rules


def _arguments(one: dict[str, JsonValue] | None, other: dict[str, JsonValue] | None) -> tuple[ArgumentChange, ...]:
    """Compare arguments; ones that the log does not hold are no arguments."""
    first, second = one or {}, other or {}
    return tuple(
        ArgumentChange(
            argument=name(key),
            first=_shown(first, key),
            second=_shown(second, key),
            withheld=is_withheld(first.get(key)) or is_withheld(second.get(key)),
        )
        for key in sorted(first.keys() | second.keys())
        if (key in first, first.get(key)) != (key in second, second.get(key))
    )


def _shown(arguments: dict[str, JsonValue], key: str) -> str:
    return clip(value_text(arguments[key])) if key in arguments else "(absent)"


def _read(trace: Trace) -> frozenset[Source]:
    kinds = (ContentAdmitted, ContentSanitized, ContentBlocked)
    return frozenset(event.source for event in trace.events if isinstance(event, kinds))


def _facts(trace: Trace, sources: Iterable[Source]) -> Facts:
    who = trace.principal
    models = {event.name for event in trace.events if isinstance(event, ModelStarted)}
    decided = {item.policy for step in steps_of(trace) for item in step.decided}
    return Facts(
        trace=trace.id,
        agent=who.agent,
        user=who.user,
        tenant=who.tenant,
        policies=tuple(sorted(decided)),
        models=tuple(sorted(models)),
        outcome=outcome_of(trace)[0].value,
        sources=tuple(sorted(sources, key=lambda source: (source.kind.value, source.name, source.digest))),
    )


def _only(pairs: Iterable[ChangedStep], *, of_first: bool) -> Iterable[Step]:
    """Steps that took effect, or may have, in one run while their partner did not, or there was none."""
    for item in pairs:
        mine, other = (item.first, item.second) if of_first else (item.second, item.first)
        if mine is not None and mine.state in _HAPPENED and (other is None or other.state not in _HAPPENED):
            yield mine
