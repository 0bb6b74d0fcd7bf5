"""Envelopes: bytes with the facts about them under one seal, for keeping where nobody can be trusted.

Invariant: what an envelope holds is handed out only after its seal was found to be ours, so that no decoder ever meets
bytes that somebody else wrote. The bytes themselves are sealed, not what they mean: nothing depends on encoding the
same value twice in the same way.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final, Generic, TypeVar

import orjson

from aisecops_langchain.canonical import fact_bytes
from aisecops_langchain.errors import CheckpointError
from aisecops_langchain.sealing import Sealer

_MAGIC: Final = b"AISCKPT1"
_SEAL: Final = slice(len(_MAGIC), len(_MAGIC) + 32)
_COUNT: Final = slice(_SEAL.stop, _SEAL.stop + 4)


@dataclass(frozen=True, slots=True)
class CheckpointFacts:
    """What is sealed together with a checkpoint."""

    store: str
    thread: str
    namespace: str
    checkpoint: str
    parent: str
    """Id of the checkpoint that it follows; empty for none."""
    parent_seal: str
    """Seal of that checkpoint; empty where it was not stored."""
    life: int
    """How often the thread had been deleted before."""
    sequence: int
    """Its place in the order of storing, in its thread and namespace."""
    encoding: str
    """How the bytes are encoded, in the words of the host's serializer."""


@dataclass(frozen=True, slots=True)
class WriteSpot:
    """Where at a checkpoint a pending write waits."""

    task: str
    """Id of the task that wrote it."""
    path: str
    """Path of that task."""
    index: int
    """Its place among the writes of the task."""
    channel: str
    """Where it goes."""


@dataclass(frozen=True, slots=True)
class WriteFacts:
    """What is sealed together with one pending write."""

    store: str
    thread: str
    namespace: str
    checkpoint: str
    life: int
    task: str
    path: str
    index: int
    channel: str
    revision: int
    """How often this place was written."""
    encoding: str


Facts = TypeVar("Facts", CheckpointFacts, WriteFacts)
_DOMAINS: Final[dict[type, str]] = {CheckpointFacts: "checkpoint", WriteFacts: "checkpoint-write"}


@dataclass(frozen=True, slots=True)
class Envelope(Generic[Facts]):
    """Bytes, what is known of them, and the seal over both."""

    facts: Facts
    payload: bytes
    seal: str

    def to_bytes(self) -> bytes:
        """Return its stored form."""
        return _MAGIC + bytes.fromhex(self.seal) + _sealed_bytes(self.facts, self.payload)


def close_envelope(sealer: Sealer, facts: Facts, payload: bytes) -> Envelope[Facts]:
    """Seal bytes together with the facts about them.

    Args:
        sealer: Holds the key.
        facts: What is known of them.
        payload: The bytes.

    Returns:
        The envelope.

    Raises:
        CanonicalizationError: If a name in the facts is not valid Unicode.
    """
    return Envelope(facts, payload, sealer.seal_bytes(_DOMAINS[type(facts)], _sealed_bytes(facts, payload)))


def open_envelope(sealer: Sealer, kind: type[Facts], stored: object) -> Envelope[Facts]:
    """Check the seal of stored bytes and read them.

    Args:
        sealer: Holds the key.
        kind: What kind of facts it must hold.
        stored: What was found where an envelope belongs.

    Returns:
        The envelope.

    Raises:
        CheckpointError: If there is no envelope, or this key did not seal it as one of this kind.
    """
    if not isinstance(stored, bytes) or not stored.startswith(_MAGIC) or len(stored) < _COUNT.stop:
        raise CheckpointError(
            "unsealed",
            "stored state carries no seal",
            expected="state that was written through the sealed checkpointer",
            got=type(stored).__name__ if not isinstance(stored, bytes) else "other bytes",
            remedy="find out who wrote it; state from before sealing cannot be taken over, begin a new thread",
        )
    seal, sealed = stored[_SEAL].hex(), stored[_SEAL.stop :]
    if not sealer.verifies(_DOMAINS[kind], sealed, seal):
        raise CheckpointError(
            "forged",
            "stored state does not carry our seal",
            expected="a seal made with this governor's key over exactly these bytes",
            got="state edited at rest, or sealed with another key",
            remedy="treat the checkpoint database as tampered with; keep it for comparison",
        )
    end = 4 + int.from_bytes(stored[_COUNT])
    return Envelope(kind(**orjson.loads(sealed[4:end])), sealed[end:], seal)


def _sealed_bytes(facts: CheckpointFacts | WriteFacts, payload: bytes) -> bytes:
    head = fact_bytes(asdict(facts))
    return len(head).to_bytes(4) + head + payload
