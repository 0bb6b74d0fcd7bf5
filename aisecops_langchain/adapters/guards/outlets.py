"""Streams of text and of message chunks on their way out through a guard.

Invariant: chunks come out in the order in which they came in, each with as much text as may be let out by then; what
is held back leaves before the stream's end, and nothing follows what was withheld.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

from langchain_core.messages import AIMessageChunk, BaseMessageChunk

from aisecops_langchain.adapters.guards.rewriting import CALLS, rewritten
from aisecops_langchain.adapters.translate.words import OPAQUE
from aisecops_langchain.domain.labels import Label, SourceKind
from aisecops_langchain.domain.scope import Scope
from aisecops_langchain.errors import ContentBlockedError, SanitizeError
from aisecops_langchain.runtime.delivery import Delivery
from aisecops_langchain.sanitize import Sanitized, Sanitizer
from aisecops_langchain.sanitize.flow import TextFlow
from aisecops_langchain.sanitize.two_doors import joined

_CALL_BLOCKS: Final = frozenset({"tool_call", "tool_call_chunk", "tool_use", "input_json_delta", "function_call"})
"""Types of content blocks that are calls; as elsewhere, the gate decides on those."""

_LAST: Final = "last"


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """How texts are let out, and where that is recorded."""

    sanitizer: Sanitizer
    """Inspects where there is no governor."""
    delivery: Delivery | None
    scope: Scope | None
    name: str
    label: Label
    redact_pii: bool
    hold: int
    only_withheld: bool
    """Whether only what was withheld is recorded, because somebody else records the rest."""

    def flow(self) -> TextFlow:
        """Begin a text."""
        return TextFlow(self._inspect, hold=self.hold)

    def whole(self, text: str) -> str:
        """Let a whole text out.

        Args:
            text: The text.

        Returns:
            What may be shown.

        Raises:
            ContentBlockedError: If policy says that nothing may.
            SanitizeError: If it cannot be inspected.
            AuditWriteError: If it could not be recorded.
        """
        flow = self.flow()
        shown = flow.feed(text) + flow.end()
        self.account(text, flow)
        require_open(flow)
        return shown

    def account(self, text: str, flow: TextFlow, *, complete: bool = True) -> None:
        """Record what became of a text."""
        if self.delivery is None or self.scope is None or (self.only_withheld and not flow.closed):
            return
        self.delivery.account(text, flow, self.scope, name=self.name, label=self.label, complete=complete)

    def _inspect(self, text: str) -> Sanitized:
        """Hold a text to both doors: no agent would be told it, and the bundle lets it out as final words."""
        told = self._at(SourceKind.AGENT_MESSAGE, text, redact_pii=self.redact_pii)
        said = self._at(SourceKind.OUTPUT, told.text, redact_pii=False)
        return joined(told, said, len(text))

    def _at(self, door: SourceKind, text: str, *, redact_pii: bool) -> Sanitized:
        if self.delivery is None or self.scope is None:
            return self.sanitizer.sanitize_text(text, channel=door, redact_pii=redact_pii)
        return self.delivery.inspecting.text(text, self.scope, kind=door, redact_pii=redact_pii)


def require_open(flow: TextFlow) -> None:
    """Raise if policy blocks what a flow saw."""
    if flow.blocked:
        raise ContentBlockedError("an answer was blocked", expected="content that policy lets through")


@dataclass(slots=True)
class _Lane:
    """One text of a stream."""

    flow: TextFlow
    came: list[str] = field(default_factory=list)

    def feed(self, text: str) -> str:
        self.came.append(text)
        return self.flow.feed(text)


class Outlet:
    """Lets one stream out; close it whatever happens.

    Args:
        release: How.
    """

    def __init__(self, release: Release) -> None:
        self.release = release
        self._lanes: dict[tuple[Any, ...], _Lane] = {}
        self._accounted = False
        self._ended = False

    @abstractmethod
    def feed(self, part: Any) -> list[Any]:
        """Take in the next part of the stream, and return what may be let out now."""

    @abstractmethod
    def end(self) -> list[Any]:
        """Return what is left to be let out."""

    def close(self) -> None:
        """Record what became of the stream, also of one that nobody listened to until its end.

        Raises:
            AuditWriteError: If that could not be recorded.
        """
        if self._accounted:
            return
        self._accounted = True
        for lane in self._lanes.values():
            self.release.account("".join(lane.came), lane.flow, complete=self._ended)

    def _feed(self, key: tuple[Any, ...], text: str) -> str:
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane(self.release.flow())
        if self._closed():
            lane.came.append(text)
            return ""
        shown = lane.feed(text)
        require_open(lane.flow)
        return shown

    def _rest(self) -> dict[tuple[Any, ...], str]:
        """Return what each text still holds back, and end it."""
        rest: dict[tuple[Any, ...], str] = {}
        for key, lane in self._lanes.items():
            if not self._closed():
                rest[key] = lane.flow.end()
                require_open(lane.flow)
        self._ended = True
        return {key: text for key, text in rest.items() if text}

    def _closed(self) -> bool:
        return any(lane.flow.closed for lane in self._lanes.values())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class TextOutlet(Outlet):
    """Lets a stream of strings out."""

    def feed(self, part: Any) -> list[Any]:
        """Take in the next string."""
        if not isinstance(part, str):
            raise _mixed(part)
        shown = self._feed((), part)
        return [shown] if shown else []

    def end(self) -> list[Any]:
        """Return the rest of the text."""
        return list(self._rest().values())


class MessageOutlet(Outlet):
    """Lets a stream of message chunks out; every field of words is a text of its own."""

    def __init__(self, release: Release) -> None:
        super().__init__(release)
        self._last: BaseMessageChunk | None = None

    def feed(self, part: Any) -> list[Any]:
        """Take in the next chunk."""
        if not isinstance(part, BaseMessageChunk):
            raise _mixed(part)
        chunk = self._last = part
        shown = chunk.model_copy(update={"content": self._content(chunk), "additional_kwargs": self._extras(chunk)})
        if not isinstance(shown, AIMessageChunk) or shown.chunk_position != _LAST:
            return [] if _is_bare(shown) else [shown]
        before = shown.model_copy(update={"chunk_position": None, "usage_metadata": None, "response_metadata": {}})
        closing = shown.model_copy(update={"content": "", "additional_kwargs": {}, "tool_call_chunks": []})
        return [*([] if _is_bare(before) else [before]), *self.end(), closing]

    def end(self) -> list[Any]:
        """Return the rest of each text, in chunks of its own."""
        made = type(self._last) if self._last is not None else AIMessageChunk
        name = None if self._last is None else self._last.id
        return [made(id=name, **_holding(key, text)) for key, text in self._rest().items()]

    def _content(self, chunk: BaseMessageChunk) -> str | list[Any]:
        content = chunk.content
        if isinstance(content, str):
            return self._feed(("content",), content) if content else ""
        return [self._block(block) for block in content]

    def _block(self, block: Any) -> Any:
        if not isinstance(block, dict):
            return self._feed(("content",), block) if isinstance(block, str) else self._at_once(block)
        if block.get("type") in _CALL_BLOCKS:
            return block
        place = ("block", str(block.get("type")), block.get("index"))
        return {name: self._field((*place, name), name, item) for name, item in block.items()}

    def _extras(self, chunk: BaseMessageChunk) -> dict[str, Any]:
        extras = chunk.additional_kwargs
        return {
            name: item if name in CALLS else self._field(("extra", name), name, item) for name, item in extras.items()
        }

    def _field(self, key: tuple[Any, ...], name: str, item: Any) -> Any:
        if name in OPAQUE:
            return item
        return self._feed(key, item) if isinstance(item, str) else self._at_once(item)

    def _at_once(self, item: Any) -> Any:
        return rewritten(item, lambda text, _door: self.release.whole(text), SourceKind.AGENT_MESSAGE)


def outlet_for(first: Any, release: Release) -> Outlet | None:
    """Make the outlet for a stream.

    Args:
        first: Its first part.
        release: How texts are let out.

    Returns:
        The outlet, or ``None`` if such a stream cannot be let out in parts.
    """
    if isinstance(first, str):
        return TextOutlet(release)
    return MessageOutlet(release) if isinstance(first, BaseMessageChunk) else None


def _mixed(part: object) -> SanitizeError:
    return SanitizeError(
        "a stream cannot be inspected", expected="parts of one kind: text, or message chunks", got=type(part).__name__
    )


def _holding(key: tuple[Any, ...], text: str) -> dict[str, Any]:
    """Put a text back into the field that it came from."""
    match key:
        case ("block", kind, index, name):
            place = {"type": kind} if index is None else {"type": kind, "index": index}
            return {"content": [{**place, name: text}]}
        case ("extra", name):
            return {"content": "", "additional_kwargs": {name: text}}
        case _:
            return {"content": text}


def _is_bare(chunk: BaseMessageChunk) -> bool:
    """Whether a chunk says nothing at all, because its text is held back."""
    return not any(chunk.model_dump(exclude={"type", "id", "name"}).values())
