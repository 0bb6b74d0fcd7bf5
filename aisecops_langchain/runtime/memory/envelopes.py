"""The seal that each memory lies under in its store, inside its value.

Invariant: an envelope opens only for this very value, under this very key, namespace and store; whoever edits one of
them, moves the memory, or writes an envelope of his own gets ``None``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from pydantic import Field, ValidationError

from aisecops_langchain.canonical import MAX_DEPTH, JsonValue, canonical_bytes, digest_texts
from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.domain.labels import Label, Source, SourceKind
from aisecops_langchain.errors import CanonicalizationError
from aisecops_langchain.sealing import Sealer

ENVELOPE: Final = "aisecops"
"""The field of a memory's value that the envelope stands in."""

MAX_SOURCES: Final = 64
"""Most sources that a memory carries by name; memories of memories would otherwise grow without end."""

_DOMAIN: Final = "memory"
_WHOLE: Final = 2.0**63


class MemoryPlace(NamedTuple):
    """Where a memory lies."""

    store: str
    namespace: tuple[str, ...]
    key: str


class Written(Frozen):
    """Who wrote a memory, and what it was based on."""

    agent: str
    user: str
    tenant: str
    trace: str
    event: str
    """Id of the event that recorded it."""
    label: Label


class _Envelope(Frozen):
    v: int = Field(default=1, ge=1, le=1)
    written: str
    """JSON of ``Written``."""
    seal: str


class MemoryEnvelopes:
    """Seals memories and opens them again.

    Args:
        sealer: Holds the key, which no store holds.
    """

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def name(self, place: MemoryPlace) -> str:
        """Name a memory without telling what it is called; any text has a name, also what is not valid Unicode."""
        store, key = _valid(place.store), _valid(place.key)
        return self._sealer.seal("memory-name", [store, [_valid(part) for part in place.namespace], key])

    def close_over(self, place: MemoryPlace, value: Mapping[str, JsonValue], written: Written) -> dict[str, JsonValue]:
        """Seal a memory.

        Args:
            place: Where it will lie.
            value: What it says, without an envelope.
            written: Who says so.

        Returns:
            The envelope, as plain JSON.

        Raises:
            CanonicalizationError: If the value is not plain JSON.
        """
        told = written.model_dump_json()
        return {"v": 1, "written": told, "seal": self._sealer.seal_bytes(_DOMAIN, _bound(place, value, told))}

    def open(self, place: MemoryPlace, value: Mapping[str, JsonValue], found: object) -> tuple[Written, str] | None:
        """Open an envelope.

        Args:
            place: Where the memory was found.
            value: What it says, without the envelope.
            found: What stands in the envelope's place; anything at all.

        Returns:
            Who wrote it and the seal, or ``None`` if it was not sealed for this value in this place.
        """
        try:
            envelope = _Envelope.model_validate(found)
            if not self._sealer.verifies(_DOMAIN, _bound(place, value, envelope.written), envelope.seal):
                return None
            return Written.model_validate_json(envelope.written), envelope.seal
        except (CanonicalizationError, ValidationError):
            return None


def condensed(label: Label) -> Label:
    """Bound the sources of a label; those beyond the bound stand together as one.

    Args:
        label: Any label.

    Returns:
        The same trust and secrecy, and at most ``MAX_SOURCES`` sources.
    """
    if len(label.sources) <= MAX_SOURCES:
        return label
    ordered = sorted(label.sources, key=lambda source: (source.kind, source.name, source.digest))
    kept, rest = ordered[: MAX_SOURCES - 1], ordered[MAX_SOURCES - 1 :]
    digest = digest_texts("sources", *(text for item in rest for text in (item.kind.value, item.name, item.digest)))
    together = Source(kind=SourceKind.MEMORY, name=f"{len(rest)} more", digest=digest)
    return label.model_copy(update={"sources": frozenset((*kept, together))})


def _valid(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _bound(place: MemoryPlace, value: Mapping[str, JsonValue], written: str) -> bytes:
    bound: JsonValue = [place.store, [*place.namespace], place.key, _same({**value}), written]
    return canonical_bytes(bound)


def _same(value: JsonValue, depth: int = 0) -> JsonValue:
    """Give numbers the form that every store hands back: PostgreSQL turns ``1e3`` and ``-0.0`` into whole numbers."""
    if depth > MAX_DEPTH:
        raise CanonicalizationError("value is nested too deeply", expected=f"at most {MAX_DEPTH} levels")
    if isinstance(value, float) and value.is_integer() and abs(value) < _WHOLE:
        return int(value)
    if isinstance(value, dict):
        return {key: _same(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_same(item, depth + 1) for item in value]
    return value
