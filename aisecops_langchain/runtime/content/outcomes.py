"""What an inspection came to: what may be passed on, and what events say of it.

Invariant: pure functions over what was found; where content is withheld, only a notice is passed on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aisecops_langchain.canonical import JsonValue
from aisecops_langchain.domain.labels import Label
from aisecops_langchain.sanitize import Finding, Sanitized, SanitizedValue


@dataclass(frozen=True, slots=True)
class Admitted:
    """Content after inspection."""

    text: str
    """What may be passed on; a neutral notice where the content was withheld."""
    label: Label
    changed: bool
    blocked: bool
    withheld: bool
    """Whether nothing of it is passed on; ``text`` is a notice then."""
    event: str
    """Id of the event that records it."""


@dataclass(frozen=True, slots=True)
class AdmittedValue:
    """A structured value after inspection; the fields are those of ``Admitted``."""

    value: JsonValue
    label: Label
    changed: bool
    blocked: bool
    withheld: bool
    """Whether nothing of it is passed on; ``value`` is a notice then."""
    event: str
    """Id of the event that records it; empty where it passed unchanged and nothing was found in it."""


def admitted(found: Sanitized, label: Label, event: str) -> Admitted:
    """Say what may be passed on of a text.

    Args:
        found: What was found in it.
        label: Its label.
        event: Id of the event that records it.

    Returns:
        What may be passed on.
    """
    return Admitted(
        found.text, label, changed=found.changed, blocked=found.blocked, withheld=is_withheld(found), event=event
    )


def admitted_value(found: SanitizedValue, raw: JsonValue, label: Label, event: str) -> AdmittedValue:
    """Say what may be passed on of a value; single fields of it may be withheld, or all of it as a notice.

    Args:
        found: What was found in it.
        raw: The value as it came.
        label: Its label.
        event: Id of the event that records it.

    Returns:
        What may be passed on.
    """
    withheld = found.changed and isinstance(found.value, str) and (found.blocked or not isinstance(raw, str))
    return AdmittedValue(
        found.value, label, changed=found.changed, blocked=found.blocked, withheld=withheld, event=event
    )


def is_withheld(found: Sanitized | SanitizedValue) -> bool:
    """Whether something of the content is not passed on."""
    return found.blocked or "quarantined" in found.actions


def seen(found: Sanitized | SanitizedValue) -> dict[str, Any]:
    """Return what events say was found: ``findings`` and ``removals``."""
    removals = found.removals if isinstance(found, Sanitized) else ()
    return {
        "findings": tuple(finding.record() for finding in found.findings),
        "removals": tuple(removal.record() for removal in removals),
    }


def why(findings: Sequence[Finding]) -> str:
    """Name the rules for which content was blocked."""
    if not findings:
        return "not inspected"
    return "findings: " + ", ".join(sorted({item.rule for item in findings}))
