"""The audit callback handler: a witness that records model, tool and retrieval spans of any LangChain run.

Invariant: it records and never decides; LangChain swallows what a handler raises, so nothing here may be relied upon
to stop anything. Each edge of a span is written once, however often the handler is attached, and no content is.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, LLMResult
from langgraph.errors import GraphBubbleUp

from aisecops_langchain.adapters.core.place import trace_and_thread
from aisecops_langchain.adapters.translate.data import content_key
from aisecops_langchain.canonical import digest_text
from aisecops_langchain.domain.events import (
    Event,
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
from aisecops_langchain.domain.principal import Principal
from aisecops_langchain.domain.scope import Scope
from aisecops_langchain.runtime.governor import Governor
from aisecops_langchain.runtime.ports import AuditSink, Clock, SystemClock
from aisecops_langchain.runtime.recorder import Recorder
from aisecops_langchain.sealing import Sealer

NO_POLICY: Final = "none"
"""Policy digest in the events of chains that no policy governs."""

_OPEN_LIMIT: Final = 10_000
_NAME_LIMIT: Final = 100


class AuditCallbackHandler(BaseCallbackHandler):
    """Records spans of whatever it is attached to, governed or not.

    Args:
        target: An open governor, or an audit log alone for chains that are watched but not governed.
        principal: Who the spans are attributed to; a function of the configuration counts as unknown here, because
            callbacks are not shown the configuration.
        clock: Tells the time, where the target is a log.
    """

    run_inline = False

    def __init__(self, target: Governor | AuditSink, principal: object = None, *, clock: Clock | None = None) -> None:
        self._governor: Governor | None = None
        if isinstance(target, Governor):
            self._recorder, self._governor = target.recorder, target
        else:
            self._recorder = Recorder(target, clock or SystemClock(), Sealer(secrets.token_bytes(32)))
        self._principal = principal if isinstance(principal, Principal) else Principal(agent="unknown")
        self._roots: dict[UUID, UUID] = {}
        self._open: dict[UUID, tuple[Scope, dict[str, Any]]] = {}

    def on_chain_start(
        self,
        serialized: dict[str, Any],  # noqa: ARG002 - LangChain's signature
        inputs: dict[str, Any],  # noqa: ARG002 - LangChain's signature
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **_: Any,
    ) -> None:
        """Remember which run a chain belongs to, so that all its spans share a trace; nothing is written."""
        self._root(run_id, parent_run_id)

    def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Record that a chat model was called."""
        batch = [message for part in messages for message in part]
        seen = digest_text("messages", "\n".join(content_key(message) for message in batch))
        facts = {"messages": len(batch), "input_digest": seen}
        self._begin(ModelStarted, run_id, parent_run_id, metadata, _name(serialized, kwargs, "model"), **facts)

    def on_llm_start(
        self,
        serialized: dict[str, Any],
        prompts: list[str],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Record that a text model was called."""
        facts = {"messages": len(prompts), "input_digest": digest_text("messages", "\n".join(prompts))}
        self._begin(ModelStarted, run_id, parent_run_id, metadata, _name(serialized, kwargs, "model"), **facts)

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **_: Any) -> None:
        """Record that a model answered."""
        facts: dict[str, Any] = {"tool_calls": 0, "input_tokens": 0, "output_tokens": 0}
        seen: list[str] = []
        for generation in (item for part in response.generations for item in part):
            if not isinstance(generation, ChatGeneration):
                seen.append(generation.text)
                continue
            seen.append(content_key(generation.message))
            if isinstance(generation.message, AIMessage):
                facts["tool_calls"] += len(generation.message.tool_calls)
                usage: Mapping[str, Any] = generation.message.usage_metadata or {}
                facts["input_tokens"] += usage.get("input_tokens", 0)
                facts["output_tokens"] += usage.get("output_tokens", 0)
        self._end(ModelFinished, run_id, output_digest=digest_text("messages", "\n".join(seen)), **facts)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """Record that a model call raised."""
        self._end(ModelFailed, run_id, error=type(error).__name__)

    def on_tool_start(
        self,
        serialized: dict[str, Any],
        input_str: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Record that the host began a tool."""
        name = _name(serialized, kwargs, "tool")
        facts = {"input_digest": digest_text("tool-input", input_str)}
        self._begin(ToolStarted, run_id, parent_run_id, metadata, name, **facts)

    def on_tool_end(self, output: Any, *, run_id: UUID, **_: Any) -> None:
        """Record that the host saw a tool return."""
        seen = content_key(output) if isinstance(output, BaseMessage) else digest_text("tool-output", str(output))
        self._end(ToolFinished, run_id, output_digest=seen)

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """Record that the host saw a tool raise; a pause of the graph is not an error."""
        if not isinstance(error, GraphBubbleUp):
            self._end(ToolFailed, run_id, error=type(error).__name__)

    def on_retriever_start(
        self,
        serialized: dict[str, Any],
        query: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Record that a retriever was asked."""
        name = _name(serialized, kwargs, "retriever")
        facts = {"input_digest": digest_text("query", query)}
        self._begin(RetrievalStarted, run_id, parent_run_id, metadata, name, **facts)

    def on_retriever_end(self, documents: Sequence[Document], *, run_id: UUID, **_: Any) -> None:
        """Record that a retriever answered."""
        seen = digest_text("documents", "\n".join(digest_text("content", item.page_content) for item in documents))
        self._end(RetrievalFinished, run_id, documents=len(documents), output_digest=seen)

    def on_retriever_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """Record that a retriever raised."""
        self._end(RetrievalFailed, run_id, error=type(error).__name__)

    def _root(self, run_id: UUID, parent: UUID | None) -> UUID:
        if len(self._roots) >= _OPEN_LIMIT:
            self._roots.pop(next(iter(self._roots)), None)
        root = self._roots.get(parent, parent) if parent else run_id
        self._roots[run_id] = root
        return root

    def _begin(
        self,
        kind: type[Event],
        run_id: UUID,
        parent: UUID | None,
        metadata: Mapping[str, Any] | None,
        name: str,
        **facts: Any,
    ) -> None:
        known = metadata or {}
        trace, thread = trace_and_thread(known, otherwise=lambda: self._root(run_id, parent).hex)
        scope = Scope(
            trace=trace,
            thread=thread,
            checkpoint_ns=str(known.get("langgraph_checkpoint_ns") or "").rpartition("|")[0],
            principal=self._principal,
            policy=NO_POLICY if self._governor is None else self._governor.policy.digest,
        )
        span: dict[str, Any] = {
            "run": run_id.hex,
            "parent_run": parent.hex if parent else None,
            "name": name[:_NAME_LIMIT],
            "node": str(known.get("langgraph_node") or "")[:_NAME_LIMIT],
        }
        if len(self._open) >= _OPEN_LIMIT:  # spans whose end never came must not pile up for ever
            self._open.pop(next(iter(self._open)), None)
        self._open[run_id] = (scope, span)
        self._recorder.record(kind, scope, run_id.hex, **span, **facts)

    def _end(self, kind: type[Event], run_id: UUID, **facts: Any) -> None:
        # Kept until pushed out, so that the end seen by a second attachment names the same span.
        started = self._open.get(run_id)
        if started is not None:
            scope, span = started
            self._recorder.record(kind, scope, run_id.hex, **span, **facts)


def _name(serialized: Mapping[str, Any] | None, kwargs: Mapping[str, Any], otherwise: str) -> str:
    """Name a span as LangChain does: by its run's name, else by what was serialised."""
    return str(kwargs.get("name") or (serialized or {}).get("name") or otherwise)
