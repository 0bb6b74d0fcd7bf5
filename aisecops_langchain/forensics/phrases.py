"""Parts of sentences that several event kinds share.

Invariant: every word in them that comes from the log went through ``text``.
"""

from __future__ import annotations

from collections.abc import Iterable

from aisecops_langchain.domain.events import ContentAdmitted, ContentBlocked, ContentSanitized, FindingRecord
from aisecops_langchain.domain.principal import Approver
from aisecops_langchain.forensics.text import name, names, said


def person(approver: Approver) -> str:
    """Name somebody who answered, and say where nobody vouched for the name."""
    return name(approver.id) + ("" if approver.verified else " (identity not verified)")


def content(event: ContentAdmitted | ContentSanitized | ContentBlocked) -> str:
    """Name a piece of content by its door, with its trust and size."""
    kind = event.source.kind.value.replace("_", " ").capitalize()
    beside = f", and {names(event.uninspected)} that nobody read" if event.uninspected else ""
    return f"{kind} {name(event.source.name)} ({event.label.integrity}, {event.size} characters{beside})"


def findings(found: Iterable[FindingRecord]) -> str:
    """Tell what detectors saw, if they saw anything."""
    seen = sorted({f"{item.category}/{item.severity}" for item in found})
    return f"; found {names(seen)}" if seen else ""


def kept(is_kept: bool) -> str:  # noqa: FBT001 - a fact
    """Tell that withheld content can still be read by those who investigate."""
    return "; it is kept in quarantine" if is_kept else ""


def because(reason: str) -> str:
    """Give a reason, if there is one."""
    return f": {said(reason)}" if reason else ""


def node(where: str) -> str:
    """Name the node of a graph, if it is known."""
    return f" in node {name(where)}" if where else ""
