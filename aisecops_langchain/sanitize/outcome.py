"""What comes of inspecting a text or a value, and what stands in place of what is withheld.

Invariant: an outcome that withholds carries a notice and nothing of the content.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from pydantic import JsonValue

from aisecops_langchain.canonical import digest_text
from aisecops_langchain.sanitize.finding import Finding
from aisecops_langchain.sanitize.normalize import Removal
from aisecops_langchain.sanitize.values import digest_value

NOTICE: Final = "[content withheld: it contained text that reads like instructions]"
"""Stands for text that was quarantined or blocked because of what it says."""

UNREADABLE_NOTICE: Final = "[content withheld: it could not be inspected]"
"""Stands for content beyond the limits of inspection."""

PRIVATE_NOTICE: Final = "[content withheld: it contained private data]"
"""Stands for text that was blocked because of secrets or personal data in it."""

CUT: Final = "[removed]"
"""Stands for a span that was cut."""

NOTICES: Final = frozenset({NOTICE, UNREADABLE_NOTICE, PRIVATE_NOTICE})
OUTCOMES: Final = ("normalized", "cleaned", "redacted", "quarantined", "blocked")


@dataclass(frozen=True, slots=True)
class Sanitized:
    """One text, inspected."""

    text: str
    """What may be passed on."""
    raw_digest: str
    """Digest of the text as it came."""
    clean_digest: str
    """Digest of what may be passed on."""
    findings: tuple[Finding, ...]
    actions: tuple[str, ...]
    """What was done: ``normalized``, ``cleaned``, ``redacted``, ``quarantined``, ``blocked``."""
    changed: bool
    blocked: bool
    removals: tuple[Removal, ...] = ()
    """What was not passed on, whatever it says: invisible characters, markup that readers do not see."""


@dataclass(frozen=True, slots=True)
class SanitizedValue:
    """One structured value, inspected; the fields are those of ``Sanitized``."""

    value: JsonValue
    raw_digest: str
    clean_digest: str
    findings: tuple[Finding, ...]
    """Offsets count from the start of the field that the finding is in."""
    actions: tuple[str, ...]
    changed: bool
    blocked: bool


class Outcome(NamedTuple):
    """What became of one text, before it is hashed."""

    text: str
    findings: tuple[Finding, ...] = ()
    actions: tuple[str, ...] = ()
    removals: tuple[Removal, ...] = ()


def findings_of(outcomes: Sequence[Outcome]) -> tuple[Finding, ...]:
    """Collect the findings of several outcomes.

    Args:
        outcomes: The outcomes.

    Returns:
        Their findings, in order.
    """
    return tuple(finding for outcome in outcomes for finding in outcome.findings)


def withheld_value(
    value: JsonValue, notice: str, findings: tuple[Finding, ...], actions: tuple[str, ...]
) -> SanitizedValue:
    """Withhold a value.

    Args:
        value: The value.
        notice: What stands in its place.
        findings: Why.
        actions: What was done.

    Returns:
        The outcome.
    """
    digest = digest_text("content", notice)
    blocked = "blocked" in actions
    return SanitizedValue(notice, digest_value(value), digest, findings, actions, changed=True, blocked=blocked)
