"""How words get out: inspected, cleaned and recorded before anybody outside the run sees them.

Invariant: what passes here carries the label of everything that it may depend on, and is on record; words let out piece
by piece are accounted for when they are out, whole or not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from aisecops_langchain.canonical import JsonValue, digest_text
from aisecops_langchain.domain.events import OutputAllowed, OutputBlocked
from aisecops_langchain.domain.labels import Label, Source, SourceKind
from aisecops_langchain.domain.scope import Scope
from aisecops_langchain.runtime.content.inspecting import Inspecting
from aisecops_langchain.runtime.content.outcomes import Admitted, AdmittedValue, admitted, admitted_value, why
from aisecops_langchain.runtime.plans.reference import context_name
from aisecops_langchain.runtime.recorder import Recorder
from aisecops_langchain.sanitize import Sanitized, SanitizedValue, content_text
from aisecops_langchain.sanitize.flow import TextFlow

MISFIT_NOTICE: Final = "[content withheld: without what had to be taken out it is not what it should be]"
"""Stands for an object of which what is left does not fit its type."""


class Delivery:
    """The door out.

    Args:
        inspecting: Inspects, and keeps what is withheld.
        recorder: Writes what was found.
    """

    def __init__(self, inspecting: Inspecting, recorder: Recorder) -> None:
        self.inspecting = inspecting
        """Inspects pieces of words that are let out one by one; ``account`` makes the record of all of them."""
        self._recorder = recorder

    def release(
        self, text: str, scope: Scope, *, name: str, label: Label, uninspected: tuple[str, ...] = ()
    ) -> Admitted:
        """Inspect the model's final words on their way out.

        Args:
            text: What the model said.
            scope: Where.
            name: The agent that speaks.
            label: Join of everything that the words may depend on.
            uninspected: Types of what goes out with them and cannot be read as text.

        Returns:
            What may be let out.

        Raises:
            SanitizeError: If it could not be inspected.
            QuarantineError: If it was withheld, and could not be kept.
            AuditWriteError: If that could not be recorded.
        """
        found = self.inspecting.text(text, scope, kind=SourceKind.OUTPUT)
        outcome = admitted(found, label, "")
        facts = self.inspecting.facts(found, _speaker(name, found.raw_digest), label, text)
        facts |= {"uninspected": uninspected}
        identity = (found.raw_digest, context_name(label))  # the same words on other grounds are another fact
        return replace(outcome, event=self._tell(found, scope, identity, facts, is_withheld=outcome.withheld))

    def release_value(
        self, value: JsonValue, scope: Scope, *, name: str, label: Label, fits: Callable[[JsonValue], bool]
    ) -> AdmittedValue:
        """Inspect an object that goes out beside the model's final words, field by field.

        Args:
            value: Plain JSON.
            scope: Where.
            name: The agent that speaks.
            label: Join of everything that it may depend on.
            fits: Tells whether what would be left of it is still what its reader expects; if not, it is withheld.

        Returns:
            What may be let out. It has an event of its own only if something was found in it.

        Raises:
            SanitizeError: If it could not be inspected.
            QuarantineError: If something was withheld, and could not be kept.
            AuditWriteError: If that could not be recorded.
        """
        found = self.inspecting.value(value, scope, kind=SourceKind.OUTPUT)
        outcome = admitted_value(found, value, label, "")
        if not found.changed and not found.findings:
            return outcome
        if found.changed and not outcome.withheld and not fits(found.value):
            outcome = replace(outcome, value=MISFIT_NOTICE, withheld=True)
        facts = self.inspecting.facts(found, _speaker(name, found.raw_digest), label, content_text(value))
        identity = ("beside", found.raw_digest, context_name(label))
        return replace(outcome, event=self._tell(found, scope, identity, facts, is_withheld=outcome.withheld))

    def account(
        self, text: str, flow: TextFlow, scope: Scope, *, name: str, label: Label, complete: bool = True
    ) -> str:
        """Record what became of words that went out piece by piece.

        Args:
            text: All of them, as far as they came.
            flow: What let them out.
            scope: Where.
            name: Who speaks.
            label: Join of everything that the words may depend on.
            complete: Whether they were listened to until their end.

        Returns:
            Id of the event.

        Raises:
            QuarantineError: If they were withheld, and could not be kept.
            AuditWriteError: If that could not be recorded.
        """
        digest = digest_text("content", text)
        facts: dict[str, Any] = {
            "source": _speaker(name, digest),
            "label": label,
            "size": len(text),
            "findings": tuple(finding.record() for finding in flow.findings),
            "kept": flow.closed and self.inspecting.keep(digest, text),
            "removals": tuple(removal.record() for removal in flow.removals),
        }
        if flow.closed:
            reason = why(flow.findings)
            return self._recorder.record(OutputBlocked, scope, "piecewise", digest, reason=reason, **facts)
        clean = digest_text("content", "".join(flow.shown)) if flow.actions else ""
        facts |= {"clean_digest": clean, "actions": tuple(flow.actions), "complete": complete}
        return self._recorder.record(OutputAllowed, scope, "piecewise", digest, **facts)

    def _tell(
        self,
        found: Sanitized | SanitizedValue,
        scope: Scope,
        identity: tuple[str, ...],
        facts: dict[str, Any],
        *,
        is_withheld: bool,
    ) -> str:
        if is_withheld:
            return self._recorder.record(OutputBlocked, scope, *identity, reason=why(found.findings), **facts)
        clean = found.clean_digest if found.changed else ""
        return self._recorder.record(
            OutputAllowed, scope, *identity, clean_digest=clean, actions=found.actions, **facts
        )


def _speaker(name: str, digest: str) -> Source:
    return Source(kind=SourceKind.AGENT_MESSAGE, name=name, digest=digest)
