"""Labels that survive in untrusted state: each is sealed to one piece of content on one thread.

Invariant: a label opens only for the very content and thread that it was sealed for; whoever edits the content, moves
it or writes a label of his own gets ``None``, which callers read as untrusted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Required, TypedDict

import orjson
from pydantic import TypeAdapter, ValidationError

from aisecops_langchain.canonical import JsonValue, canonical_bytes
from aisecops_langchain.domain.labels import Label
from aisecops_langchain.errors import CanonicalizationError
from aisecops_langchain.provenance.fields import FieldValue
from aisecops_langchain.sealing import Sealer

_DOMAIN = "label"
_MEMORY_LIMIT = 4096
_LABEL: TypeAdapter[Label] = TypeAdapter(Label)


class SealedLabel(TypedDict, total=False):
    """A label as it lies in state: plain JSON."""

    label: Required[str]
    """JSON of the label."""
    seal: Required[str]
    fields: str
    """JSON of the first-party values in the content, where there are any; under the same seal."""
    speaker: str
    """The agent whose model said it, if one did; under the same seal."""


class Opened(NamedTuple):
    """What a seal vouches for."""

    label: Label
    fields: frozenset[str] = frozenset()
    """First-party values in the content."""
    speaker: str = ""
    """The agent whose model said it; empty for anything else, and where it was sealed before speakers were."""


class LabelSeals:
    """Seals labels to content and opens them again.

    Args:
        sealer: Holds the key, which never lies in state.
    """

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer
        self._opened: dict[tuple[str, str, str, str, str | None, str], Opened] = {}

    def close_over(
        self, thread: str, content: str, label: Label, fields: Sequence[FieldValue] = (), speaker: str = ""
    ) -> SealedLabel:
        """Seal a label to content.

        Args:
            thread: The thread that the content belongs to.
            content: Digest of the content.
            label: Its label.
            fields: First-party values in it.
            speaker: The agent whose model said it, if one did.

        Returns:
            Plain JSON for the state.
        """
        text = label.model_dump_json()
        held = orjson.dumps([[item.path, item.value] for item in fields]).decode() if fields else None
        made = SealedLabel(
            label=text, seal=self._sealer.seal_bytes(_DOMAIN, _bound(thread, content, text, held, speaker))
        )
        if held is not None:
            made["fields"] = held
        if speaker:
            made["speaker"] = speaker
        return made

    def open(self, thread: str, content: str, sealed: object) -> Label | None:
        """Open a sealed label.

        Args:
            thread: The thread that the content was found on.
            content: Digest of the content as found.
            sealed: What state holds; anything at all.

        Returns:
            The label, or ``None`` if it was not sealed for this content on this thread.
        """
        opened = self.open_whole(thread, content, sealed)
        return None if opened is None else opened.label

    def open_whole(self, thread: str, content: str, sealed: object) -> Opened | None:
        """Open a sealed label with the first-party values that were sealed beside it.

        Args:
            thread: The thread that the content was found on.
            content: Digest of the content as found.
            sealed: What state holds; anything at all.

        Returns:
            Both, or ``None`` if they were not sealed together for this content on this thread.
        """
        parts = _parts(sealed)
        if parts is None:
            return None
        text, seal, held, speaker = parts
        memory = (thread, content, text, seal, held, speaker)
        known = self._opened.get(memory)
        if known is not None:
            return known
        try:
            if not self._sealer.verifies(_DOMAIN, _bound(thread, content, text, held, speaker), seal):
                return None
            opened = Opened(_LABEL.validate_json(text), _fields(held), speaker)
        except (CanonicalizationError, ValidationError, orjson.JSONDecodeError, TypeError, ValueError):
            return None
        if len(self._opened) >= _MEMORY_LIMIT:
            self._opened.clear()
        self._opened[memory] = opened
        return opened


def _parts(sealed: object) -> tuple[str, str, str | None, str] | None:
    """Take label, seal, fields and speaker out of what state holds, if it holds such a thing."""
    if not isinstance(sealed, dict):
        return None
    text, seal, held = (sealed.get(key) for key in ("label", "seal", "fields"))
    speaker = sealed.get("speaker", "")
    if isinstance(text, str) and isinstance(seal, str) and isinstance(held, str | None) and isinstance(speaker, str):
        return text, seal, held, speaker
    return None


def _bound(thread: str, content: str, label: str, fields: str | None, speaker: str) -> bytes:
    bound: list[JsonValue] = [thread, content, label]
    if fields is not None or speaker:
        bound.append(fields)
    return canonical_bytes([*bound, speaker] if speaker else bound)


def _fields(held: str | None) -> frozenset[str]:
    return frozenset() if held is None else frozenset(str(value) for _path, value in orjson.loads(held))
