"""What reading, storing and deleting sealed checkpoints takes, step by step, for both the sync and the async world.

Invariant: each course is a generator that yields what it wants of the checkpointer beneath and is handed the answer;
it talks to the ledger itself. Nothing that the checkpointer answered is returned before ``runtime.checkpoints`` judged
it, and nothing is decoded before that.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final, TypeVar

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    Checkpoint,
    CheckpointTuple,
    DeltaChannelHistory,
    get_checkpoint_id,
    get_checkpoint_metadata,
)
from langgraph.checkpoint.serde.base import SerializerProtocol

from aisecops_langchain.adapters.checkpoints.carrier import at_checkpoint, comparable, packed, unpacked, unreadable
from aisecops_langchain.errors import CheckpointError, LedgerError
from aisecops_langchain.runtime.checkpoints.envelopes import Envelope, WriteFacts, WriteSpot
from aisecops_langchain.runtime.checkpoints.heads import Checkpoints
from aisecops_langchain.runtime.checkpoints.rules import (
    Genuine,
    Place,
    Standing,
    follows,
    require_link,
    require_metadata,
)

_ATTEMPTS: Final = 20
_DAMAGED: Final = (ValueError, TypeError, KeyError, AttributeError)
"""What a checkpointer raises over rows that it did not write itself."""
_EVERYTHING: Final[Mapping[str, Any]] = {"filter": None, "before": None, "limit": None}

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Ask:
    """What a course wants of the checkpointer beneath."""

    method: str
    """Name of the synchronous method; the asynchronous one has an ``a`` before it."""
    args: tuple[Any, ...]
    options: Mapping[str, Any] = field(default_factory=dict)


Course = Generator[Ask, Any, Result]


@dataclass(frozen=True, slots=True)
class Opened:
    """A genuine checkpoint, decoded."""

    genuine: Genuine
    saved: CheckpointTuple


@dataclass(frozen=True, slots=True)
class Courses:
    """All that can be done with sealed checkpoints.

    Args:
        store: Name of the store.
        checkpoints: Seals and judges.
        serde: Encodes what is sealed, and decodes what has passed.
    """

    store: str
    checkpoints: Checkpoints
    serde: SerializerProtocol

    def read(self, config: RunnableConfig) -> Course[Opened | None]:
        """Ask the ledger, then the store; ask both again where somebody wrote in between.

        Args:
            config: Names the thread, and perhaps namespace and checkpoint.

        Returns:
            The checkpoint, or ``None``.
        """
        place, wanted = self._place(config), get_checkpoint_id(config) or ""
        for _ in range(_ATTEMPTS):
            standing = self.checkpoints.standing(place, wanted, newest=not wanted)
            try:
                opened = self._open(standing, (yield from _fetched("get_tuple", config)), wanted)
            except CheckpointError as error:
                if not self.checkpoints.is_current(standing):
                    continue
                self.checkpoints.refuse(place, wanted or standing.newest, error)
                raise
            if opened is None or not follows(standing.head, opened.genuine.envelope.facts):
                return opened
            self.checkpoints.advance(opened.genuine.envelope)  # whoever stored it died before he could
        raise LedgerError("a thread keeps changing while it is read", expected="a moment without writes")

    def listed(self, config: RunnableConfig | None, query: Mapping[str, Any] = _EVERYTHING) -> Course[list[Opened]]:
        """List what passes; a row that does not is read once more by itself, in the safe order.

        Args:
            config: Names thread, namespace or checkpoint.
            query: ``filter``, ``before`` and ``limit`` of the host.

        Returns:
            The checkpoints, in the order of the store.
        """
        whole = not (query["filter"] or query["before"])
        if config and whole and "checkpoint_ns" in config["configurable"] and not get_checkpoint_id(config):
            yield from self.read(config)  # a list that lacks its newest entry is not given out
        opened: list[Opened] = []
        for found in (yield from self._rows(config, query)):
            wanted = found.config["configurable"]["checkpoint_id"]
            standing = self.checkpoints.standing(self._place(found.config), wanted)
            try:
                one = self._open(standing, found, wanted)
            except CheckpointError:
                one = yield from self.read(found.config)
            if one is not None:
                opened.append(one)
        return opened

    def put(
        self, config: RunnableConfig, checkpoint: Checkpoint, metadata: Mapping[str, Any]
    ) -> Course[RunnableConfig]:
        """Store a checkpoint, then make it the head.

        Args:
            config: Names thread, namespace and parent.
            checkpoint: The checkpoint.
            metadata: Its metadata.

        Returns:
            A configuration that names it.
        """
        place, parent = self._place(config), get_checkpoint_id(config) or ""
        standing = self.checkpoints.standing(place)
        parent_seal = standing.head.seal if standing.head and parent == standing.newest else ""
        if parent and not parent_seal:
            before = yield from self.read(at_checkpoint(config, place.namespace, parent))
            parent_seal = before.genuine.envelope.seal if before else ""
        complete = get_checkpoint_metadata(config, {**metadata})  # type: ignore[typeddict-item]
        encoded = self.serde.dumps_typed({"checkpoint": checkpoint, "metadata": complete})
        sealed = self.checkpoints.seal(
            standing, checkpoint["id"], parent=parent, parent_seal=parent_seal, encoded=encoded
        )
        carried = packed(checkpoint, complete, sealed)
        stored: RunnableConfig = yield Ask("put", (at_checkpoint(config, place.namespace, parent), *carried))
        self.checkpoints.advance(sealed)
        return stored

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task: str, path: str
    ) -> Course[None]:
        """Store pending writes, then note that they wait.

        Args:
            config: Names the checkpoint.
            writes: Channels and values.
            task: The task that wrote them.
            path: Its path.
        """
        place, checkpoint = self._place(config), str(config["configurable"]["checkpoint_id"])
        standing = self.checkpoints.standing(place, checkpoint)
        anew = all(channel in WRITES_IDX_MAP for channel, _ in writes)  # when savers replace what they have
        sealed = [
            self.checkpoints.seal_write(
                standing,
                WriteSpot(task, path, WRITES_IDX_MAP.get(channel, index), channel),
                self.serde.dumps_typed(value),
                anew=anew,
            )
            for index, (channel, value) in enumerate(writes)
        ]
        carried = [(write.facts.channel, write.to_bytes()) for write in sealed]
        yield Ask("put_writes", (at_checkpoint(config, place.namespace, checkpoint), carried, task, path))
        if sealed:
            self.checkpoints.note_writes(standing, sealed)

    def delete(self, thread: str) -> Course[None]:
        """Declare a thread void, then delete it.

        Args:
            thread: The thread.
        """
        self.checkpoints.end(Place(str(thread), "", self.store))
        yield Ask("delete_thread", (thread,))

    def copy(self, source: str, target: str) -> Course[None]:
        """Store every checkpoint of a thread, and its writes, once more for another thread.

        Args:
            source: What to copy.
            target: Where to.
        """
        listed = yield from self.listed({"configurable": {"thread_id": source}})
        for opened in reversed(listed):
            there: RunnableConfig = {"configurable": {"thread_id": target}}
            parent = at_checkpoint(there, opened.genuine.envelope.facts.namespace, opened.genuine.parent)
            stored = yield from self.put(parent, opened.saved.checkpoint, opened.saved.metadata)
            pending = zip(opened.genuine.writes, opened.saved.pending_writes or (), strict=True)
            for (path, task, _), group in groupby(pending, lambda pair: _batch(pair[0])):
                writes = [(channel, value) for _, (_, channel, value) in group]
                yield from self.put_writes(stored, writes, task, path)

    def prune(self, threads: Sequence[str], strategy: str) -> Course[None]:
        """Prune threads as the checkpointer beneath does.

        Args:
            threads: The threads.
            strategy: ``keep_latest`` or ``delete``.
        """
        for thread in threads:
            yield from self.delete(thread) if strategy == "delete" else self._prune(thread, strategy)

    def history(self, config: RunnableConfig, channels: Sequence[str]) -> Course[dict[str, DeltaChannelHistory]]:
        """Go from parent to parent until each channel met a stored value.

        Args:
            config: Names the checkpoint.
            channels: Channels that are stored as changes.

        Returns:
            For each its changes, oldest first, and the value that they start from.
        """
        collected: dict[str, DeltaChannelHistory] = {name: {"writes": []} for name in channels}
        wanting = set(channels)
        child = (yield from self.read(config)) if channels else None
        while child is not None and child.saved.parent_config is not None and wanting:
            parent = yield from self.read(child.saved.parent_config)
            try:
                require_link(child.genuine.envelope.facts, parent.genuine.envelope if parent else None)
            except CheckpointError as error:
                self.checkpoints.refuse(self._place(config), child.genuine.parent, error)
                raise
            child = parent
            if parent is not None:
                _collect(parent.saved, collected, wanting)
        for changes in collected.values():
            changes["writes"].reverse()
        return collected

    def _place(self, config: RunnableConfig) -> Place:
        named = config["configurable"]
        return Place(str(named["thread_id"]), named.get("checkpoint_ns") or "", self.store)

    def _rows(self, config: RunnableConfig | None, query: Mapping[str, Any]) -> Course[list[CheckpointTuple]]:
        try:
            rows: list[CheckpointTuple] = yield from _fetched("list", config, query)
        except CheckpointError as error:
            self.checkpoints.refuse(self._place(config) if config else Place("", "", self.store), "", error)
            raise
        return rows

    def _open(self, standing: Standing, found: CheckpointTuple | None, wanted: str) -> Opened | None:
        """Judge what the store gave, and decode it once it has passed."""
        try:
            stored = unpacked(found) if found is not None else None
        except _DAMAGED as error:
            raise unreadable(type(error).__name__) from None
        genuine = self.checkpoints.judge(standing, stored, wanted)
        if found is None or genuine is None:
            return None
        held = self._decoded(genuine.envelope)
        require_metadata(comparable(held["metadata"]), comparable(found.metadata))
        namespace, facts = standing.place.namespace, genuine.envelope.facts
        saved = CheckpointTuple(
            config=found.config if wanted else at_checkpoint(found.config, namespace, facts.checkpoint),
            checkpoint=held["checkpoint"],
            metadata=held["metadata"],
            parent_config=at_checkpoint(found.config, namespace, genuine.parent) if genuine.parent else None,
            pending_writes=[(one.facts.task, one.facts.channel, self._decoded(one)) for one in genuine.writes],
        )
        return Opened(genuine, saved)

    def _decoded(self, envelope: Envelope[Any]) -> Any:
        return self.serde.loads_typed((envelope.facts.encoding, envelope.payload))

    def _prune(self, thread: str, strategy: str) -> Course[None]:
        """Let the ledger forget first: what is void may lie about, but what counts must not be missing."""
        config: RunnableConfig = {"configurable": {"thread_id": thread}}
        places = {self._place(one.saved.config) for one in (yield from self.listed(config))}
        standings = [self.checkpoints.standing(place) for place in places]
        for standing in standings:
            self.checkpoints.cut(standing.place, standing.newest)
        try:
            yield Ask("prune", ([thread],), {"strategy": strategy})
        except NotImplementedError:  # nothing was pruned
            for standing in standings:
                self.checkpoints.cut(standing.place, standing.root)
            raise
        left = {self._place(found.config) for found in (yield from self._rows(config, _EVERYTHING))}
        for place in places - left:
            self.checkpoints.clear(place)


def _fetched(method: str, config: RunnableConfig | None, query: Mapping[str, Any] | None = None) -> Course[Any]:
    try:
        return (yield Ask(method, (config,), query or {}))
    except _DAMAGED as error:
        raise unreadable(type(error).__name__) from None


def _batch(write: Envelope[WriteFacts]) -> tuple[str, str, bool]:
    """Savers number the writes of one batch, except those to channels of the host itself."""
    return write.facts.path, write.facts.task, write.facts.index < 0


def _collect(saved: CheckpointTuple, collected: Mapping[str, DeltaChannelHistory], wanting: set[str]) -> None:
    for write in reversed(saved.pending_writes or []):
        if write[1] in wanting:
            collected[write[1]]["writes"].append(write)
    values = saved.checkpoint["channel_values"]
    for channel in wanting & values.keys():
        collected[channel]["seed"] = values[channel]
        wanting.discard(channel)
