"""Sentences about content on its way in and out.

Invariant: every word that comes from the log went through ``text``.
"""

from __future__ import annotations

from aisecops_langchain.domain.events import (
    ContentAdmitted,
    ContentBlocked,
    ContentSanitized,
    MarkRepeated,
    OutputAllowed,
    OutputBlocked,
    PromptAllowed,
    PromptBlocked,
)
from aisecops_langchain.forensics.calls import Calls
from aisecops_langchain.forensics.phrases import because, content, findings, kept
from aisecops_langchain.forensics.sentences.telling import tell
from aisecops_langchain.forensics.text import name, names, short


@tell.register
def _(event: ContentAdmitted, _: Calls) -> str:
    return f"{content(event)} was admitted unchanged{findings(event.findings)}"


@tell.register
def _(event: ContentSanitized, _: Calls) -> str:
    actions = names(event.actions) or "changed"
    return f"{content(event)} was {actions} before use{findings(event.findings)}{kept(event.kept)}"


@tell.register
def _(event: ContentBlocked, _: Calls) -> str:
    return f"{content(event)} was withheld{findings(event.findings)}{because(event.reason)}{kept(event.kept)}"


@tell.register
def _(event: MarkRepeated, _: Calls) -> str:
    return f"Content {short(event.content)} ({event.size} characters) holds the mark of this run"


@tell.register
def _(event: PromptAllowed, _: Calls) -> str:
    return f"The prompt of user {name(event.principal.user)} was let through{findings(event.findings)}"


@tell.register
def _(event: PromptBlocked, _: Calls) -> str:
    why = f"{findings(event.findings)}{because(event.reason)}{kept(event.kept)}"
    return f"The prompt of user {name(event.principal.user)} was refused{why}"


@tell.register
def _(event: OutputAllowed, _: Calls) -> str:
    whole = "" if event.complete else ", until nobody listened any more"
    done = f", {names(event.actions)}" if event.actions else ""
    return f"The answer was let out as {event.label.integrity}{whole}{done}{findings(event.findings)}"


@tell.register
def _(event: OutputBlocked, _: Calls) -> str:
    return f"The answer was withheld{findings(event.findings)}{because(event.reason)}{kept(event.kept)}"
