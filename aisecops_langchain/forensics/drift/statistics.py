"""Whether a share differs between two groups of runs, and which of many differences to believe.

Invariant: plain arithmetic over counts; the same counts give the same answer.

Fewer than five runs expected in a cell: Fisher's exact test, two-sided (R. A. Fisher, Statistical Methods for Research
Workers, 1934). Otherwise Pearson's chi-squared test of homogeneity with one degree of freedom (K. Pearson, 1900; the
bound is Cochran's, 1954). Many tests: Benjamini and Hochberg, Controlling the False Discovery Rate, 1995.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

_COCHRAN: Final = 5
_TIE: Final = 1e-7
"""Tables as likely as the observed one, up to rounding, count as extreme."""


def p_value(before: int, runs_before: int, after: int, runs_after: int) -> float:
    """Test whether something is as common in one group as in the other.

    Args:
        before: Runs of the first group that have it.
        runs_before: Runs of the first group.
        after: Runs of the second group that have it.
        runs_after: Runs of the second group.

    Returns:
        The probability of a difference at least as large if there were none; 1 where a group is empty.
    """
    total, having = runs_before + runs_after, before + after
    if not runs_before or not runs_after or having in (0, total):
        return 1.0
    expected = min(runs_before, runs_after) * min(having, total - having) / total
    if expected < _COCHRAN:
        return _fisher(before, runs_before, having, total)
    return _chi_squared(before, runs_before, having, total)


def adjusted(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values of many tests for the false discovery rate.

    Args:
        p_values: One for each test.

    Returns:
        The adjusted values, in the same order.
    """
    count, least = len(p_values), 1.0
    found = [1.0] * count
    for rank, place in reversed(list(enumerate(sorted(range(count), key=p_values.__getitem__), 1))):
        least = min(least, max(p_values[place], p_values[place] * count / rank))  # rounding must not shrink it
        found[place] = least
    return found


def _chi_squared(before: int, runs_before: int, having: int, total: int) -> float:
    """With one degree of freedom the statistic is a squared normal, so its tail is the error function's."""
    difference = before * total - runs_before * having
    margins = runs_before * (total - runs_before) * having * (total - having)
    statistic = total * difference**2 / margins
    return math.erfc(math.sqrt(statistic / 2))


def _fisher(before: int, runs_before: int, having: int, total: int) -> float:
    lowest, highest = max(0, having + runs_before - total), min(having, runs_before)
    weights = [_log_ways(cell, runs_before, having, total) for cell in range(lowest, highest + 1)]
    observed = weights[before - lowest] + _TIE
    return min(1.0, math.fsum(math.exp(weight) for weight in weights if weight <= observed))


def _log_ways(cell: int, runs_before: int, having: int, total: int) -> float:
    """Return the logarithm of the hypergeometric probability of one table."""
    return _log_choose(having, cell) + _log_choose(total - having, runs_before - cell) - _log_choose(total, runs_before)


def _log_choose(total: int, chosen: int) -> float:
    return math.lgamma(total + 1) - math.lgamma(chosen + 1) - math.lgamma(total - chosen + 1)
