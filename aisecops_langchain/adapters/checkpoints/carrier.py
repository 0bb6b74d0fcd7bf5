"""How sealed bytes travel through somebody else's checkpointer, and how they are found again.

Invariant: the checkpointer beneath is handed nothing but plain data and bytes, and decodes nothing else. So no decoder
of Python objects ever meets what lies in its tables before its seal was checked.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any, Final

import ormsgpack
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)

from aisecops_langchain.canonical import JsonValue
from aisecops_langchain.errors import CheckpointError, ConfigurationError
from aisecops_langchain.runtime.checkpoints.envelopes import CheckpointFacts, Envelope
from aisecops_langchain.runtime.checkpoints.rules import FoundCheckpoint, FoundWrite

_CHANNEL: Final = "aisecops_sealed"
_FORMAT: Final = 4
"""The host's version of checkpoints without parts in other rows; savers complete older ones from there."""
_UNSEARCHABLE: Final = "writes"
"""A key that savers may leave out of the metadata that they store."""


class PlainSerde:
    """Encodes bytes and plain data, and nothing else: no class is looked up, nothing is called."""

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        """Encode plain data."""
        if isinstance(obj, bytes):
            return "bytes", obj
        return "msgpack", ormsgpack.packb(obj)

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """Decode plain data.

        Raises:
            CheckpointError: If it is anything else.
        """
        kind, encoded = data
        if not isinstance(encoded, bytes | bytearray | memoryview):  # of a number, bytes() would make so many zeros
            raise unreadable(type(encoded).__name__)
        if kind == "bytes":
            return bytes(encoded)
        if kind != "msgpack":
            raise unreadable(str(kind)[:40])
        try:
            return ormsgpack.unpackb(encoded)
        except (ValueError, TypeError) as error:
            raise unreadable(type(error).__name__) from None


def carrier_of(inner: BaseCheckpointSaver[Any]) -> BaseCheckpointSaver[Any]:
    """Make the checkpointer beneath carry plain data only.

    Args:
        inner: The checkpointer; it is left as it is.

    Returns:
        One over the same store.

    Raises:
        ConfigurationError: If it is none.
    """
    if not isinstance(inner, BaseCheckpointSaver):
        raise ConfigurationError("this cannot be sealed", expected="a checkpointer", got=type(inner).__name__)
    carrier = copy.copy(inner)  # as LangGraph itself does to give a checkpointer another serializer
    carrier.serde = PlainSerde()
    return carrier


def packed(
    checkpoint: Checkpoint, metadata: Mapping[str, Any], envelope: Envelope[CheckpointFacts]
) -> tuple[Checkpoint, CheckpointMetadata, ChannelVersions]:
    """Make what the checkpointer beneath is to store.

    Args:
        checkpoint: The checkpoint.
        metadata: Its metadata, complete.
        envelope: All of it, sealed.

    Returns:
        A checkpoint with one channel, metadata to search by, and the versions that are new.
    """
    versions: ChannelVersions = {_CHANNEL: envelope.seal}  # savers may keep the first of two values of one version
    carried: Any = {
        "v": _FORMAT,
        "id": checkpoint["id"],
        "ts": checkpoint["ts"],
        "channel_values": {_CHANNEL: envelope.to_bytes()},
        "channel_versions": dict(versions),
        "versions_seen": {},
        "updated_channels": None,
    }
    searchable: Any = plain(metadata)
    return carried, searchable, versions


def unpacked(found: CheckpointTuple) -> FoundCheckpoint:
    """Read what the checkpointer beneath gave.

    Args:
        found: A checkpoint of the carrier.

    Returns:
        Its parts, unchecked.
    """
    parent = found.parent_config["configurable"].get("checkpoint_id") if found.parent_config else None
    return FoundCheckpoint(
        checkpoint=found.config["configurable"].get("checkpoint_id"),
        parent=parent,
        envelope=found.checkpoint["channel_values"].get(_CHANNEL),
        writes=[FoundWrite(str(task), channel, value) for task, channel, value in found.pending_writes or ()],
    )


def plain(metadata: Mapping[str, Any]) -> JsonValue:
    """Return metadata as stores can search it: plain JSON, as it comes back from them.

    Args:
        metadata: Any metadata.

    Returns:
        The same as JSON; what JSON cannot say is told in words.
    """
    text = json.dumps({**metadata}, ensure_ascii=False, default=lambda thing: type(thing).__name__)
    value: JsonValue = json.loads(text.encode("utf-8", "ignore"))
    return value


def comparable(metadata: object) -> JsonValue:
    """Return metadata without what stores may leave out.

    Args:
        metadata: Any metadata, or what somebody put in its place.

    Returns:
        It as plain JSON; ``None`` for what is no metadata.
    """
    if not isinstance(metadata, Mapping):
        return None
    return plain({key: value for key, value in metadata.items() if key != _UNSEARCHABLE})


def at_checkpoint(config: RunnableConfig, namespace: str, checkpoint: str | None) -> RunnableConfig:
    """Name a checkpoint in the thread of a configuration.

    Args:
        config: Names the thread.
        namespace: The namespace.
        checkpoint: Its id, or ``None`` for the latest.

    Returns:
        A configuration.
    """
    named = {"thread_id": config["configurable"]["thread_id"], "checkpoint_ns": namespace}
    return {"configurable": {**named, **({"checkpoint_id": checkpoint} if checkpoint else {})}}


def unreadable(got: str) -> CheckpointError:
    """Say that stored state cannot even be read.

    Args:
        got: What was met; a name, never content.

    Returns:
        The error.
    """
    return CheckpointError(
        "unreadable",
        "stored state cannot be read",
        expected="state that was written through the sealed checkpointer",
        got=got,
        remedy="treat the checkpoint database as tampered with, or begin a new thread",
    )
