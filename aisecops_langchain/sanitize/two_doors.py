"""One text through two doors, the second of which sees what the first lets through.

Invariant: every place counts in the raw text. Where the first door rewrote more than it took out, what the second one
found is somewhere in that text, and the whole of it is named.
"""

from __future__ import annotations

from dataclasses import replace

from aisecops_langchain.sanitize.finding import Finding
from aisecops_langchain.sanitize.normalize import MAX_REMOVALS, Removal
from aisecops_langchain.sanitize.outcome import Sanitized
from aisecops_langchain.sanitize.steps import Edit, Locate, Span, edits_trace, same_span


def joined(first: Sanitized, second: Sanitized, length: int) -> Sanitized:
    """Join what two doors made of a text.

    Args:
        first: What the first made of the raw text.
        second: What the second made of what the first let through.
        length: Length of the raw text.

    Returns:
        What both together made of it; of a rule that both found, what the first found.
    """
    known = {finding.rule for finding in first.findings}
    if not second.findings and not second.removals:
        findings, removals = first.findings, first.removals
    else:
        back = _way_back(first, length)
        later = (item for item in second.findings if item.rule not in known)
        findings = (*first.findings, *(_found(item, back) for item in later))
        moved = (_removed(item, back) for item in second.removals)
        removals = tuple(sorted((*first.removals, *moved), key=lambda removal: removal.start))
    return replace(
        second,
        raw_digest=first.raw_digest,
        findings=findings,
        actions=tuple(dict.fromkeys((*first.actions, *second.actions))),
        changed=first.changed or second.changed,
        blocked=first.blocked or second.blocked,
        removals=removals,
    )


def _way_back(first: Sanitized, length: int) -> Locate:
    if not first.changed:
        return same_span
    if set(first.actions) == {"normalized"} and len(first.removals) < MAX_REMOVALS:
        return edits_trace(Edit(item.start, item.end, item.replacement) for item in first.removals)
    return lambda _start, _end: (0, length)


def _span(item: Finding | Removal, back: Locate) -> Span:
    return back(item.start, item.end) if item.start < item.end else (item.start, item.end)


def _found(finding: Finding, back: Locate) -> Finding:
    start, end = _span(finding, back)
    return replace(finding, start=start, end=end)


def _removed(removal: Removal, back: Locate) -> Removal:
    start, end = _span(removal, back)
    return removal._replace(start=start, end=end)
