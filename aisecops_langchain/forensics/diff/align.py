"""Lines up the steps of two runs.

Invariant: steps are paired in order and only if they call the same tool; what has no partner is in one run only. Longer
runs than a bound are compared up to it, and that is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Final, TypeAlias

from aisecops_langchain.forensics.diff.steps import Step

Pairing: TypeAlias = tuple[Step | None, Step | None]
"""The step of the first and of the second run; one of them may be missing."""

MOST_STEPS: Final = 1_000
"""Steps of each run that are compared; the time grows with their product."""


def align(first: Sequence[Step], second: Sequence[Step]) -> tuple[Pairing, ...]:
    """Pair the steps of two runs.

    Args:
        first: Steps of the first run.
        second: Steps of the second.

    Returns:
        Pairs in the order of both runs.
    """
    first, second = first[:MOST_STEPS], second[:MOST_STEPS]
    matcher = SequenceMatcher(None, [step.tool for step in first], [step.tool for step in second], autojunk=False)
    pairs: list[Pairing] = []
    for tag, start, stop, other_start, other_stop in matcher.get_opcodes():
        if tag == "equal":
            pairs.extend(zip(first[start:stop], second[other_start:other_stop], strict=True))
            continue
        pairs.extend((step, None) for step in first[start:stop])
        pairs.extend((None, step) for step in second[other_start:other_stop])
    return tuple(pairs)
