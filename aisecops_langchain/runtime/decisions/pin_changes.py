"""What changed between pinned and present tool definitions, line by line, for a person who pins anew.

Invariant: every difference that would deny a call shows as a change, and nothing else does.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from aisecops_langchain.domain.definition import ToolDefinition
from aisecops_langchain.runtime.decisions.pins import Pins


@dataclass(frozen=True, slots=True)
class PinChange:
    """One tool that is not as it was pinned."""

    tool: str
    kind: Literal["not_pinned", "definition_changed", "gone"]
    expected: str
    """The pinned digest, or empty."""
    got: str
    """The present digest, or empty."""
    lines: tuple[str, ...] = ()
    """Of a changed definition: lines that went (``-``), came (``+``) or stand between (`` ``)."""


def changes(pins: Pins, present: Pins) -> tuple[PinChange, ...]:
    """Compare present definitions with the pinned ones.

    Args:
        pins: What a person pinned.
        present: What the tools say now.

    Returns:
        The changes by name of the tool; none if everything is as it was pinned.
    """
    return tuple(_changes(pins.definitions, present.definitions))


def _changes(pinned: Mapping[str, ToolDefinition], present: Mapping[str, ToolDefinition]) -> Iterator[PinChange]:
    for name in sorted({*pinned, *present}):
        before, now = pinned.get(name), present.get(name)
        if before is None and now is not None:
            yield PinChange(name, "not_pinned", "", now.digest, tuple(f"+{line}" for line in _lines(now)))
        elif now is None and before is not None:
            yield PinChange(name, "gone", before.digest, "")
        elif before is not None and now is not None and before.digest != now.digest:
            told = list(difflib.unified_diff(_lines(before), _lines(now), lineterm="", n=1))[2:]
            yield PinChange(name, "definition_changed", before.digest, now.digest, tuple(told))


def _lines(definition: ToolDefinition) -> list[str]:
    """Spell a definition in ASCII, one fact a line, so that a look-alike letter shows as what it is."""
    told = [f"description: {json.dumps(line)[1:-1]}" for line in definition.description.split("\n")]
    return told + json.dumps(definition.parameters, indent=2, sort_keys=True).splitlines()
