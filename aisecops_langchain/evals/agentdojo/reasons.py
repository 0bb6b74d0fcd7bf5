"""Why calls were refused or let through, read from the audit log.

Invariant: a reason holds names of rules, codes and arguments, never a value.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import Final, TypeAlias

from aisecops_langchain.audit import read_log
from aisecops_langchain.domain.decision import Effect
from aisecops_langchain.domain.events import DecisionMade, PlanRejected
from aisecops_langchain.domain.labels import Integrity, Label

UNKNOWN: Final = "not in the log"

Reasons: TypeAlias = Mapping[tuple[str, str], str]
"""Reason by trace and call id."""

_KINDS: Final = frozenset({"decision_made", "plan_rejected"})


def read_reasons(log: Path, traces: Container[str]) -> Reasons:
    """Read the first decision on every call.

    Args:
        log: Directory of the log.
        traces: The runs wanted.

    Returns:
        The reasons; a call that was never decided on has none.

    Raises:
        AuditFormatError: If the log cannot be read.
    """
    reasons: dict[tuple[str, str], str] = {}
    for entry in read_log(log):
        if entry.kind not in _KINDS or entry.fields is None or entry.fields.get("trace") not in traces:
            continue
        event = entry.parse()
        if isinstance(event, DecisionMade):
            reasons.setdefault((event.trace, event.call.call_id), _decision(event))
        elif isinstance(event, PlanRejected):
            for rejected in event.rejected:
                reasons.setdefault((event.trace, rejected.call_id), f"rejected: {rejected.code}")
    return reasons


def _decision(event: DecisionMade) -> str:
    return "; ".join(_parts(event))


def _parts(event: DecisionMade) -> Iterator[str]:
    decision, given = event.decision, event.call.arguments
    rules = ", ".join(decision.rules)
    match decision.effect:
        case Effect.DENY if not rules:
            yield ", ".join(dict.fromkeys(reason.code for reason in decision.reasons))
        case _:
            yield f"{decision.effect.value} by {rules or decision.stage.value}"
    labels = event.argument_labels.items()
    untrusted = sorted(name for name, label in labels if _is_untrusted(label) and given.get(name) is not None)
    if untrusted:
        yield f"untrusted: {', '.join(untrusted)}"
    if _is_untrusted(event.context):
        yield "untrusted context"


def _is_untrusted(label: Label) -> bool:
    return label.integrity is Integrity.UNTRUSTED
