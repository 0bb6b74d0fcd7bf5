"""Guards for plain chains and for graphs of your own: prompts on their way in, answers on their way out.

Invariant: a guard changes texts and nothing else, and lets nothing through that it could not inspect. What an output
guard lets out of a stream is, joined, what it lets out of the whole.
"""

from __future__ import annotations

import asyncio
import secrets
from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing
from itertools import chain
from typing import Any, Final

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import Runnable, RunnableConfig, ensure_config
from langchain_core.runnables.config import get_callback_manager_for_config

from aisecops_langchain.adapters.core.place import PrincipalSource, principal_in, scope_of_run
from aisecops_langchain.adapters.guards.outlets import Outlet, Release, outlet_for
from aisecops_langchain.adapters.guards.rewriting import rewritten
from aisecops_langchain.adapters.nodes.node import mapping_of
from aisecops_langchain.adapters.state import MESSAGES
from aisecops_langchain.domain.labels import UNLABELLED, Label, SourceKind
from aisecops_langchain.domain.principal import Principal
from aisecops_langchain.domain.scope import Scope
from aisecops_langchain.errors import ContentBlockedError
from aisecops_langchain.runtime.governor import Governor
from aisecops_langchain.sanitize import Sanitizer
from aisecops_langchain.sanitize.flow import DEFAULT_HOLD

_NOBODY: Final = Principal(agent="chain")


class _Guard(Runnable[Any, Any]):
    """What both guards share.

    Args:
        governor: Inspects and records; without one nothing is recorded.
        sanitizer: Inspects where there is no governor.
        principal: Who the events are attributed to: fixed, or a function of the run's configuration.
        name: Names the speaker in the log.
        redact_pii: Whether personal data is replaced by markers.
    """

    def __init__(
        self,
        governor: Governor | None = None,
        *,
        sanitizer: Sanitizer | None = None,
        principal: PrincipalSource = _NOBODY,
        name: str,
        redact_pii: bool = False,
    ) -> None:
        self.name = name
        self._governor = governor
        self._sanitizer = sanitizer or Sanitizer()
        self._principal = principal
        self._redact = redact_pii

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002, ARG002
        """Inspect a value: a string, messages, a prompt, an object, or lists and dicts of these.

        Raises:
            ContentBlockedError: If policy lets nothing of a text through.
            SanitizeError: If something cannot be inspected.
            AuditWriteError: If it could not be recorded.
        """
        return self._guarded(input, ensure_config(config))

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002, ARG002
        """The same without blocking the event loop."""
        return await asyncio.to_thread(self._guarded, input, ensure_config(config))

    def as_node(self, messages: str = MESSAGES) -> Runnable[Any, dict[str, Any]]:
        """Make a node for a graph of your own, which guards the conversation's newest words.

        Args:
            messages: The channel that holds the conversation; its reducer must replace messages by id.

        Returns:
            The node.
        """
        return _GuardNode(self, messages)

    @abstractmethod
    def concerns(self, conversation: list[Any]) -> list[BaseMessage]:
        """Name the messages of a conversation that this guard is for."""

    @abstractmethod
    def _guarded(self, value: Any, config: RunnableConfig) -> Any: ...

    def _scope(self, config: RunnableConfig) -> Scope | None:
        if self._governor is None:
            return None
        parent = get_callback_manager_for_config(config).parent_run_id
        trace = secrets.token_hex(16) if parent is None else parent.hex
        return scope_of_run(self._governor, principal_in(self._principal, config), config, otherwise=trace)


class PromptGuard(_Guard):
    """Inspects prompts before a chain sees them: ``PromptGuard() | prompt | model``.

    Each message is judged by the door that its type stands for, and everything else as the user's words; by default
    nothing in those is withheld, only recorded, and hidden characters are taken out.

    Args:
        governor: Inspects and records; without one nothing is recorded.
        sanitizer: Inspects where there is no governor.
        principal: Who the events are attributed to: fixed, or a function of the run's configuration.
        name: Names the speaker in the log.
        redact_pii: Whether personal data is replaced by markers.
    """

    def __init__(
        self,
        governor: Governor | None = None,
        *,
        sanitizer: Sanitizer | None = None,
        principal: PrincipalSource = _NOBODY,
        name: str = "prompt",
        redact_pii: bool = False,
    ) -> None:
        super().__init__(governor, sanitizer=sanitizer, principal=principal, name=name, redact_pii=redact_pii)

    def concerns(self, conversation: list[Any]) -> list[BaseMessage]:
        """Name what the user said since the model last spoke."""
        last = max((index for index, item in enumerate(conversation) if isinstance(item, AIMessage)), default=-1)
        return [message for message in conversation[last + 1 :] if isinstance(message, HumanMessage)]

    def _guarded(self, value: Any, config: RunnableConfig) -> Any:
        scope = self._scope(config)

        def change(text: str, door: SourceKind) -> str:
            clean, blocked = self._admit(text, door, scope)
            if blocked:
                raise ContentBlockedError("a prompt was blocked", expected="content that policy lets through")
            return clean

        return rewritten(value, change, SourceKind.USER_PROMPT)

    def _admit(self, text: str, door: SourceKind, scope: Scope | None) -> tuple[str, bool]:
        if self._governor is None or scope is None:
            found = self._sanitizer.sanitize_text(text, channel=door, redact_pii=self._redact)
            return found.text, found.blocked
        name = str(self.name)
        admitted = self._governor.admission.admit(text, scope, kind=door, name=name, redact_pii=self._redact)
        return admitted.text, admitted.blocked


class OutputGuard(_Guard):
    """Inspects answers before anybody sees them: ``prompt | model | OutputGuard()``, streamed or whole.

    A stream is let out while it comes in, but for the last ``hold`` characters, so that what spans chunks is found.
    What is withheld ends the text with a notice; what policy blocks raises. Calls of tools pass: the gate decides on
    those.

    Args:
        governor: Inspects and records; without one nothing is recorded.
        sanitizer: Inspects where there is no governor.
        principal: Who the events are attributed to: fixed, or a function of the run's configuration.
        name: Names the speaker in the log.
        redact_pii: Whether personal data is replaced by markers.
        hold: Characters held back in a stream, and the longest match that is sure to be found.
        label: What the answers may depend on.
    """

    def __init__(
        self,
        governor: Governor | None = None,
        *,
        sanitizer: Sanitizer | None = None,
        principal: PrincipalSource = _NOBODY,
        name: str = "output",
        redact_pii: bool = False,
        hold: int = DEFAULT_HOLD,
        label: Label = UNLABELLED,
    ) -> None:
        super().__init__(governor, sanitizer=sanitizer, principal=principal, name=name, redact_pii=redact_pii)
        self._hold = hold
        self._label = label

    def concerns(self, conversation: list[Any]) -> list[BaseMessage]:
        """Name the model's last words, if the conversation ends with them."""
        return [message for message in conversation[-1:] if isinstance(message, AIMessage)]

    def transform(
        self,
        input: Iterator[Any],  # noqa: A002 - LangChain's signature
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> Iterator[Any]:
        """Let a stream of text or message chunks out as it comes in; other values once they are whole.

        Raises:
            ContentBlockedError: If policy lets nothing of it through; what was let out before stays out.
            SanitizeError: If something cannot be inspected.
            AuditWriteError: If it could not be recorded.
        """
        parts = iter(input)
        for first in parts:
            outlet = outlet_for(first, self.release(config))
            if outlet is None:
                yield from super().transform(chain((first,), parts), config, **kwargs)
                return
            with outlet:
                for part in chain((first,), parts):
                    yield from outlet.feed(part)
                yield from outlet.end()

    async def atransform(
        self,
        input: AsyncIterator[Any],  # noqa: A002 - LangChain's signature
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        """The same without blocking the event loop."""
        parts = aiter(input)
        async for first in parts:
            outlet = outlet_for(first, await asyncio.to_thread(self.release, config))
            if outlet is None:
                async for part in super().atransform(_before(first, parts), config, **kwargs):
                    yield part
                return
            async with aclosing(_drained(outlet, first, parts)) as shown:  # a listener may leave at any time
                async for part in shown:
                    yield part

    def release(self, config: RunnableConfig | None, *, only_withheld: bool = False) -> Release:
        """Prepare to let texts out; a log that cannot be written says so now, not when they are out already."""
        scope = self._scope(ensure_config(config))
        if self._governor is not None:
            self._governor.recorder.commit()
        return Release(
            sanitizer=self._sanitizer,
            delivery=None if self._governor is None else self._governor.delivery,
            scope=scope,
            name=str(self.name),
            label=self._label,
            redact_pii=self._redact,
            hold=self._hold,
            only_withheld=only_withheld,
        )

    def _guarded(self, value: Any, config: RunnableConfig) -> Any:
        release = self.release(config)
        return rewritten(value, lambda text, _door: release.whole(text), SourceKind.AGENT_MESSAGE)


class _GuardNode(Runnable[Any, dict[str, Any]]):
    """Guards the newest words of a conversation, and returns those that changed."""

    def __init__(self, guard: _Guard, channel: str) -> None:
        self._guard = guard
        self._channel = channel
        self.name = guard.name

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> dict[str, Any]:  # noqa: A002, ARG002
        """Guard; LangGraph calls this."""
        found = self._found(mapping_of(input))
        return self._changed(found, self._guard.invoke(found, config))

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> dict[str, Any]:  # noqa: A002, ARG002
        """Guard without blocking the event loop; LangGraph calls this."""
        found = self._found(mapping_of(input))
        return self._changed(found, await self._guard.ainvoke(found, config))

    def _found(self, state: Mapping[str, Any]) -> list[BaseMessage]:
        conversation = state.get(self._channel)
        return self._guard.concerns(conversation if isinstance(conversation, list) else [])

    def _changed(self, found: list[BaseMessage], shown: list[BaseMessage]) -> dict[str, Any]:
        changed = [after for before, after in zip(found, shown, strict=True) if after != before]
        return {self._channel: changed} if changed else {}


async def _drained(outlet: Outlet, first: Any, parts: AsyncIterator[Any]) -> AsyncGenerator[Any]:
    try:
        for shown in await asyncio.to_thread(outlet.feed, first):
            yield shown
        async for part in parts:
            for shown in await asyncio.to_thread(outlet.feed, part):
                yield shown
        for shown in await asyncio.to_thread(outlet.end):
            yield shown
    finally:
        await asyncio.to_thread(outlet.close)


async def _before(first: Any, rest: AsyncIterator[Any]) -> AsyncIterator[Any]:
    yield first
    async for part in rest:
        yield part
