"""Messages between agents: the label of what their sender saw travels with the words, under a seal.

Invariant: the label opens only for these very words, on their way to this very recipient; an edited, moved or home-made
envelope gives ``None``, which callers read as untrusted and secret.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypedDict

from pydantic import ValidationError

from aisecops_langchain.canonical import JsonValue, canonical_bytes, digest_text
from aisecops_langchain.domain.labels import Confidentiality, Integrity, Label
from aisecops_langchain.errors import CanonicalizationError
from aisecops_langchain.sealing import Sealer

UNKNOWN_SENDER: Final = Label(integrity=Integrity.UNTRUSTED, confidentiality=Confidentiality.RESTRICTED)
"""Label of an agent's words when nobody can say what it saw: worth nothing, and perhaps a secret."""

_DOMAIN: Final = "agent-message"


class Envelope(TypedDict):
    """What travels beside the words: plain JSON."""

    sender: str
    warrant: str
    label: str
    seal: str


@dataclass(frozen=True, slots=True)
class Carried:
    """What a message proved."""

    sender: str
    """The agent whose words these are."""
    warrant: str
    """Digest of the warrant that connects sender and recipient."""
    label: Label
    """Join of everything that the sender saw."""


class MessageSeals:
    """Seals messages between agents and opens them again.

    Args:
        sealer: Holds the key, which no message carries.
    """

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def close_over(self, text: str, *, recipient: str, sender: str, warrant: str, label: Label) -> Envelope:
        """Seal a label to words on their way.

        Args:
            text: The words.
            recipient: Who may open it: one place, named by the caller.
            sender: The agent whose words these are.
            warrant: Digest of the warrant between the two.
            label: Join of everything that the sender saw.

        Returns:
            Plain JSON to send along.

        Raises:
            CanonicalizationError: If a name is not valid Unicode.
        """
        said = label.model_dump_json()
        seal = self._sealer.seal_bytes(_DOMAIN, _bound(text, recipient, sender, warrant, said))
        return Envelope(sender=sender, warrant=warrant, label=said, seal=seal)

    def open(self, text: str, *, recipient: str, found: object) -> Carried | None:
        """Open an envelope.

        Args:
            text: The words as they arrived.
            recipient: Where they arrived.
            found: What came along; anything at all.

        Returns:
            What it proves, or ``None`` if it was not sealed for these words and this recipient.
        """
        if not isinstance(found, dict):
            return None
        sender, warrant, said = found.get("sender"), found.get("warrant"), found.get("label")
        if not isinstance(sender, str) or not isinstance(warrant, str) or not isinstance(said, str):
            return None
        try:
            bound = _bound(text, recipient, sender, warrant, said)
            if not self._sealer.verifies(_DOMAIN, bound, found.get("seal")):
                return None
            return Carried(sender, warrant, Label.model_validate_json(said))
        except (CanonicalizationError, ValidationError):
            return None


def _bound(text: str, recipient: str, sender: str, warrant: str, label: str) -> bytes:
    bound: JsonValue = [digest_text("agent-message", text), recipient, sender, warrant, label]
    return canonical_bytes(bound)
