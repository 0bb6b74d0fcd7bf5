"""Tokens of a governed graph on their way to a client, inspected before they get there.

Invariant: no chunk of a model's words reaches the client before the guard let its text out, whichever node or tool the
model spoke in.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Final, cast

from langchain_core.messages import BaseMessage, BaseMessageChunk
from langchain_core.runnables import RunnableConfig
from langgraph.graph.state import CompiledStateGraph

from aisecops_langchain.adapters.guards.outlets import MessageOutlet, Release
from aisecops_langchain.adapters.guards.rewriting import rewritten
from aisecops_langchain.adapters.guards.runnables import OutputGuard
from aisecops_langchain.domain.labels import SourceKind
from aisecops_langchain.errors import ConfigurationError

Streamed = tuple[BaseMessage, dict[str, Any]]
"""What LangGraph streams in the mode ``messages``: a message or a chunk of one, and where it came from."""

_MODE: Final = "messages"


def guarded_stream(
    graph: CompiledStateGraph[Any, Any, Any, Any],
    input: Any,  # noqa: A002 - LangGraph's signature
    config: RunnableConfig | None = None,
    *,
    guard: OutputGuard,
    **kwargs: Any,
) -> Iterator[Streamed]:
    """Stream a graph's messages through an output guard.

    Args:
        graph: A governed graph, or any other.
        input: As for ``graph.stream``.
        config: As for ``graph.stream``.
        guard: Inspects what is let out; give it the graph's governor. It records what it withholds; the rest is
            recorded by the graph itself.
        **kwargs: Further arguments of ``graph.stream``, but ``stream_mode`` and ``subgraphs``.

    Yields:
        What ``stream_mode="messages"`` yields, up to ``hold`` characters later.

    Raises:
        ConfigurationError: If another mode is asked for.
        ContentBlockedError: If policy lets nothing of an answer through; what was let out before stays out.
        SanitizeError: If something cannot be inspected.
        AuditWriteError: If something withheld could not be recorded.
    """
    _require_mode(kwargs)
    switch = _Switch(guard)
    try:
        for item in graph.stream(input, config, stream_mode=_MODE, **kwargs):
            yield from switch.feed(*cast("Streamed", item))
        yield from switch.end()
    finally:
        switch.close()


async def guarded_astream(
    graph: CompiledStateGraph[Any, Any, Any, Any],
    input: Any,  # noqa: A002 - LangGraph's signature
    config: RunnableConfig | None = None,
    *,
    guard: OutputGuard,
    **kwargs: Any,
) -> AsyncIterator[Streamed]:
    """Do as ``guarded_stream`` does, without blocking the event loop."""
    _require_mode(kwargs)
    switch = _Switch(guard)
    try:
        async for item in graph.astream(input, config, stream_mode=_MODE, **kwargs):
            for shown in await asyncio.to_thread(switch.feed, *cast("Streamed", item)):
                yield shown
        for shown in await asyncio.to_thread(switch.end):
            yield shown
    finally:
        await asyncio.to_thread(switch.close)


class _Switch:
    """Keeps the outlets of the messages that are under way.

    Args:
        guard: Lets texts out.
    """

    def __init__(self, guard: OutputGuard) -> None:
        self._guard = guard
        self._open: dict[tuple[str, str | None], tuple[MessageOutlet, dict[str, Any]]] = {}

    def feed(self, message: BaseMessage, where: dict[str, Any]) -> list[Streamed]:
        """Take in what the graph streamed next, and return what may be let out now."""
        if not isinstance(message, BaseMessageChunk):
            return [(self._whole(message, where), where)]
        key = (str(where.get("langgraph_checkpoint_ns") or ""), message.id)
        if key not in self._open:
            self._open[key] = (MessageOutlet(self._release(where)), where)
        return [(shown, where) for shown in self._open[key][0].feed(message)]

    def end(self) -> list[Streamed]:
        """Return what is still held back."""
        return [(shown, where) for outlet, where in self._open.values() for shown in outlet.end()]

    def close(self) -> None:
        """Record what was withheld."""
        for outlet, _where in self._open.values():
            outlet.close()

    def _whole(self, message: BaseMessage, where: Mapping[str, Any]) -> BaseMessage:
        release = self._release(where)
        shown: BaseMessage = rewritten(message, lambda text, _door: release.whole(text), SourceKind.AGENT_MESSAGE)
        return shown

    def _release(self, where: Mapping[str, Any]) -> Release:
        return self._guard.release(RunnableConfig(metadata=dict(where)), only_withheld=True)


def _require_mode(kwargs: Mapping[str, Any]) -> None:
    asked = sorted({"stream_mode", "subgraphs"} & kwargs.keys())
    if asked:
        raise ConfigurationError(
            "a guarded stream has one mode", expected=f"stream_mode={_MODE!r}, which is set here", got=", ".join(asked)
        )
