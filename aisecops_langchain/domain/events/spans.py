"""Spans seen by the callback handler: a witness of what the host did, never a gate."""

from __future__ import annotations

from typing import Literal

from aisecops_langchain.domain.events.base import Event


class _SpanEvent(Event):
    """One edge of a span."""

    run: str
    """LangChain run id; both edges of a span share it."""
    parent_run: str | None = None
    name: str
    node: str = ""
    """LangGraph node, where there is one."""


class _SpanFailed(_SpanEvent):
    error: str
    """Type of the error."""


class ModelStarted(_SpanEvent):
    """A model was called."""

    kind: Literal["model_started"] = "model_started"
    messages: int = 0
    input_digest: str


class ModelFinished(_SpanEvent):
    """A model answered."""

    kind: Literal["model_finished"] = "model_finished"
    output_digest: str
    tool_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


class ModelFailed(_SpanFailed):
    """A model call raised."""

    kind: Literal["model_failed"] = "model_failed"


class ToolStarted(_SpanEvent):
    """The host began a tool."""

    kind: Literal["tool_started"] = "tool_started"
    input_digest: str


class ToolFinished(_SpanEvent):
    """The host saw a tool return."""

    kind: Literal["tool_finished"] = "tool_finished"
    output_digest: str


class ToolFailed(_SpanFailed):
    """The host saw a tool raise."""

    kind: Literal["tool_failed"] = "tool_failed"


class RetrievalStarted(_SpanEvent):
    """A retriever was asked."""

    kind: Literal["retrieval_started"] = "retrieval_started"
    input_digest: str


class RetrievalFinished(_SpanEvent):
    """A retriever answered."""

    kind: Literal["retrieval_finished"] = "retrieval_finished"
    documents: int
    output_digest: str


class RetrievalFailed(_SpanFailed):
    """A retriever raised."""

    kind: Literal["retrieval_failed"] = "retrieval_failed"
