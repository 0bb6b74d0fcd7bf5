"""Sentences about what tools did, and what the host was seen doing.

Invariant: every word that comes from the log went through ``text``.
"""

from __future__ import annotations

from aisecops_langchain.domain.events import (
    EffectResolved,
    ExecutionBlocked,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionLate,
    ExecutionRetried,
    ExecutionStarted,
    ExecutionUnknown,
    ModelFailed,
    ModelFinished,
    ModelStarted,
    RetrievalFailed,
    RetrievalFinished,
    RetrievalStarted,
    ToolFailed,
    ToolFinished,
    ToolStarted,
)
from aisecops_langchain.forensics.calls import Calls
from aisecops_langchain.forensics.phrases import because, node
from aisecops_langchain.forensics.sentences.telling import tell
from aisecops_langchain.forensics.text import name, short


@tell.register
def _(event: ExecutionStarted, calls: Calls) -> str:
    return f"{calls.show(event)} was started under permit {short(event.permit)}"


@tell.register
def _(event: ExecutionCompleted, calls: Calls) -> str:
    return f"{calls.show(event)} completed; its result is {event.label.integrity}"


@tell.register
def _(event: ExecutionFailed, calls: Calls) -> str:
    return f"{calls.show(event)} failed with {name(event.error)}"


@tell.register
def _(event: ExecutionUnknown, calls: Calls) -> str:
    return f"Nobody knows whether {calls.show(event)} took effect{because(event.reason)}"


@tell.register
def _(event: ExecutionRetried, calls: Calls) -> str:
    return f"Attempt {event.attempt} of {calls.show(event)} failed with {name(event.error)}; it is tried again"


@tell.register
def _(event: ExecutionLate, calls: Calls) -> str:
    how = "returned" if event.outcome == "completed" else f"failed with {name(event.error)}"
    return f"{calls.show(event)} {how} after nobody waited for it any more"


@tell.register
def _(event: EffectResolved, calls: Calls) -> str:
    who = f"{event.resolver.capitalize()} {name(event.by)}"
    return f"{who} found out that {calls.show(event)} {event.outcome}{because(event.reason)}"


@tell.register
def _(event: ExecutionBlocked, calls: Calls) -> str:
    return f"{calls.show(event)} was kept from running ({name(event.code)}){because(event.reason)}"


@tell.register
def _(event: ModelStarted, _: Calls) -> str:
    return f"Model {name(event.name)} was called with {event.messages} messages{node(event.node)}"


@tell.register
def _(event: ModelFinished, _: Calls) -> str:
    tokens = f"{event.input_tokens} tokens in, {event.output_tokens} out"
    return f"Model {name(event.name)} answered with {event.tool_calls} tool calls ({tokens})"


@tell.register
def _(event: ToolStarted, _: Calls) -> str:
    return f"The host began tool {name(event.name)}{node(event.node)}"


@tell.register
def _(event: ToolFinished, _: Calls) -> str:
    return f"The host saw tool {name(event.name)} return"


@tell.register
def _(event: RetrievalStarted, _: Calls) -> str:
    return f"Retriever {name(event.name)} was asked{node(event.node)}"


@tell.register
def _(event: RetrievalFinished, _: Calls) -> str:
    return f"Retriever {name(event.name)} answered with {event.documents} documents"


@tell.register
def _(event: ModelFailed | ToolFailed | RetrievalFailed, _: Calls) -> str:
    what = {ModelFailed: "Model", ToolFailed: "Tool", RetrievalFailed: "Retriever"}[type(event)]
    return f"{what} {name(event.name)} failed with {name(event.error)}"
