"""Labels that survive in untrusted state: each is sealed to one piece of content on one thread.

Invariant: a label opens only for the very content and thread that it was sealed for; whoever edits the content, moves
it or writes a label of his own gets ``None``, which callers read as untrusted.
"""

from __future__ import annotations

from typing import TypedDict

from pydantic import TypeAdapter, ValidationError

from aisecops_langchain.canonical import JsonValue, canonical_bytes
from aisecops_langchain.domain.labels import Label
from aisecops_langchain.errors import CanonicalizationError
from aisecops_langchain.sealing import Sealer

_DOMAIN = "label"
_MEMORY_LIMIT = 4096
_LABEL: TypeAdapter[Label] = TypeAdapter(Label)


class SealedLabel(TypedDict):
    """A label as it lies in state: plain JSON."""

    label: str
    """JSON of the label."""
    seal: str


class LabelSeals:
    """Seals labels to content and opens them again.

    Args:
        sealer: Holds the key, which never lies in state.
    """

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer
        self._opened: dict[tuple[str, str, str, str], Label] = {}

    def close_over(self, thread: str, content: str, label: Label) -> SealedLabel:
        """Seal a label to content.

        Args:
            thread: The thread that the content belongs to.
            content: Digest of the content.
            label: Its label.

        Returns:
            Plain JSON for the state.
        """
        text = label.model_dump_json()
        return SealedLabel(label=text, seal=self._sealer.seal_bytes(_DOMAIN, _bound(thread, content, text)))

    def open(self, thread: str, content: str, sealed: object) -> Label | None:
        """Open a sealed label.

        Args:
            thread: The thread that the content was found on.
            content: Digest of the content as found.
            sealed: What state holds; anything at all.

        Returns:
            The label, or ``None`` if it was not sealed for this content on this thread.
        """
        if not isinstance(sealed, dict):
            return None
        text, seal = sealed.get("label"), sealed.get("seal")
        if not isinstance(text, str) or not isinstance(seal, str):
            return None
        memory = (thread, content, text, seal)
        known = self._opened.get(memory)
        if known is not None:
            return known
        try:
            if not self._sealer.verifies(_DOMAIN, _bound(thread, content, text), seal):
                return None
            label = _LABEL.validate_json(text)
        except (CanonicalizationError, ValidationError):
            return None
        if len(self._opened) >= _MEMORY_LIMIT:
            self._opened.clear()
        self._opened[memory] = label
        return label


def _bound(thread: str, content: str, label: str) -> bytes:
    bound: JsonValue = [thread, content, label]
    return canonical_bytes(bound)
