"""Whether what lies in a checkpoint store is what the ledger says was stored last; pure functions, no I/O.

Invariant: a checkpoint passes only if our key sealed it for exactly this place, it belongs to the present life of its
thread, it is no older than the head that the ledger names, and every write that the ledger knows of waits beside it.
What the ledger itself calls gone (deleted, pruned) is as if it were not there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aisecops_langchain.errors import CheckpointError
from aisecops_langchain.runtime.checkpoints.envelopes import CheckpointFacts, Envelope, WriteFacts, open_envelope
from aisecops_langchain.runtime.ledger.records import CheckpointHead
from aisecops_langchain.sealing import Sealer

_TAMPERED = "treat the checkpoint database as tampered with, or restored from an older copy; compare it with a backup"


@dataclass(frozen=True, slots=True)
class Place:
    """One sequence of checkpoints: a thread and a namespace in it."""

    thread: str
    namespace: str
    store: str = ""
    """Name of the store; threads of two stores may have the same id."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the ledger says of a place."""

    place: Place
    life: int = 0
    head: CheckpointHead | None = None
    """The newest checkpoint of the present life."""
    writes_of: str = ""
    """The checkpoint whose writes were looked up."""
    writes: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    revision: int = 0
    """How often the record of the head was replaced."""
    versions: tuple[str, ...] = ()
    """Seals of the rows it was read from."""

    @property
    def newest(self) -> str:
        """Id of the head; empty where there is none."""
        return self.head.checkpoint if self.head else ""

    @property
    def root(self) -> str:
        """Id of the oldest checkpoint that pruning left; empty where nothing was pruned."""
        return self.head.root if self.head else ""


@dataclass(frozen=True, slots=True)
class FoundWrite:
    """A pending write as the store has it."""

    task: str
    channel: str
    envelope: object


@dataclass(frozen=True, slots=True)
class FoundCheckpoint:
    """A checkpoint as the store has it; nothing of it is believed."""

    checkpoint: object
    parent: object
    envelope: object
    writes: Sequence[FoundWrite] = ()


@dataclass(frozen=True, slots=True)
class Genuine:
    """A checkpoint that passed, and its writes in the order in which the host applies them."""

    envelope: Envelope[CheckpointFacts]
    parent: str
    """Id of the checkpoint that it follows; empty for none, or where that one was pruned."""
    writes: tuple[Envelope[WriteFacts], ...]


def place_of(facts: CheckpointFacts | WriteFacts) -> Place:
    """Return the place that something was sealed for.

    Args:
        facts: What was sealed with it.

    Returns:
        The place.
    """
    return Place(facts.thread, facts.namespace, facts.store)


def follows(head: CheckpointHead | None, facts: CheckpointFacts) -> bool:
    """Tell whether a checkpoint is newer than the head.

    Ids grow with time and savers call the largest one the latest, so the head is the largest id that was stored.

    Args:
        head: The head, if there is one.
        facts: A genuine checkpoint of the same place and life.

    Returns:
        Whether it is the head from now on.
    """
    return head is None or (facts.checkpoint, facts.sequence) > (head.checkpoint, head.sequence)


def judge(sealer: Sealer, standing: Standing, found: FoundCheckpoint | None, wanted: str) -> Genuine | None:
    """Judge what the store gave for a checkpoint.

    Args:
        sealer: Holds the key.
        standing: What the ledger said before the store was asked.
        found: What the store gave.
        wanted: Id that was asked for; empty for the latest.

    Returns:
        The checkpoint; ``None`` if there is none by right.

    Raises:
        CheckpointError: If it is not what was stored, or something is missing that was.
    """
    if found is None:
        if standing.newest and wanted in ("", standing.newest):
            raise _missing("the newest checkpoint is gone", standing.newest, "none")
        return None
    envelope = open_envelope(sealer, CheckpointFacts, found.envelope)
    facts = envelope.facts
    _require_place(standing.place, facts, found, wanted)
    if _is_void(standing, facts.life) or facts.checkpoint < standing.root:
        if not wanted and standing.newest:
            raise _missing("the newest checkpoint is gone", standing.newest, "one that was deleted or pruned")
        return None
    _require_head(standing, envelope, wanted)
    parent = _parent(standing, facts, found.parent)
    return Genuine(envelope, parent, _judge_writes(sealer, standing, facts.checkpoint, found.writes))


def _require_place(place: Place, facts: CheckpointFacts, found: FoundCheckpoint, wanted: str) -> None:
    if place_of(facts) != place or facts.checkpoint != found.checkpoint or wanted not in ("", facts.checkpoint):
        raise CheckpointError(
            "moved",
            "a checkpoint lies where it was not stored",
            expected=f"a checkpoint that was stored there ({found.checkpoint!s:.60})",
            got="one of another store, thread, namespace or id",
            remedy="copy threads with copy_thread; otherwise " + _TAMPERED,
        )


def _is_void(standing: Standing, life: int) -> bool:
    """Whether something belongs to a life of the thread that was ended by deleting it."""
    if life > standing.life:
        raise _behind(f"life {life} of the thread", f"life {standing.life}")
    return life < standing.life


def require_no_older(standing: Standing, seen: tuple[int, int]) -> None:
    """Hold the ledger to what it said before.

    Args:
        standing: What it says.
        seen: Life and revision that it named to this process before it was asked.

    Raises:
        CheckpointError: If it has gone back.
    """
    life, revision = seen
    if standing.life < life or standing.revision < revision:
        raise _behind(f"life {life}, revision {revision}", f"life {standing.life}, revision {standing.revision}")


def _require_head(standing: Standing, envelope: Envelope[CheckpointFacts], wanted: str) -> None:
    facts, head = envelope.facts, standing.head
    if head is None or (wanted and wanted != head.checkpoint):
        return
    if facts.checkpoint < head.checkpoint:
        raise _missing("the newest checkpoint is gone", head.checkpoint, facts.checkpoint)
    replaced = facts.sequence == head.sequence and envelope.seal != head.seal
    if facts.checkpoint == head.checkpoint and (facts.sequence < head.sequence or replaced):
        raise CheckpointError(
            "rolled_back",
            "a checkpoint was replaced by one that was stored before under its id",
            expected=f"version {head.sequence} of {head.checkpoint}",
            got=f"version {facts.sequence}",
            remedy=_TAMPERED,
        )


def _parent(standing: Standing, facts: CheckpointFacts, found: object) -> str:
    if (found or "") == facts.parent:
        return facts.parent
    if not found and facts.checkpoint == standing.root:
        return ""
    raise CheckpointError(
        "edited",
        "a checkpoint follows another one than it was stored after",
        expected=facts.parent or "none",
        got=f"{found!s:.60}",
        remedy=_TAMPERED,
    )


def _judge_writes(
    sealer: Sealer, standing: Standing, checkpoint: str, found: Sequence[FoundWrite]
) -> tuple[Envelope[WriteFacts], ...]:
    """Open the writes at a checkpoint; none may be missing, moved, doubled or older than the ledger says."""
    genuine: dict[tuple[str, int], Envelope[WriteFacts]] = {}
    for write in found:
        envelope = open_envelope(sealer, WriteFacts, write.envelope)
        facts = envelope.facts
        spot = place_of(facts), facts.checkpoint, facts.task, facts.channel
        if spot != (standing.place, checkpoint, write.task, write.channel) or (facts.task, facts.index) in genuine:
            raise CheckpointError(
                "write_moved",
                "a pending write lies where it was not stored",
                expected="each write once, at the checkpoint, task and channel that it was stored for",
                got=f"another one at {checkpoint}",
                remedy=_TAMPERED,
            )
        if not _is_void(standing, facts.life):
            genuine[facts.task, facts.index] = envelope
    if standing.writes_of == checkpoint:
        _require_all(standing, genuine)
    return tuple(sorted(genuine.values(), key=lambda item: (item.facts.path, item.facts.task, item.facts.index)))


def _require_all(standing: Standing, found: Mapping[tuple[str, int], Envelope[WriteFacts]]) -> None:
    for task, indexes in standing.writes.items():
        for index, revision in indexes.items():
            here = found.get((task, index))
            if here is None or here.facts.revision < revision:
                raise CheckpointError(
                    "write_missing" if here is None else "write_rolled_back",
                    "a pending write is not the one that was stored last",
                    expected=f"version {revision} of write {index} of task {task:.60}",
                    got="none" if here is None else f"version {here.facts.revision}",
                    remedy=_TAMPERED,
                )


def require_metadata(sealed: object, found: object) -> None:
    """Hold the metadata of a row, which stores can search, to what was sealed.

    Args:
        sealed: The sealed metadata, as plain JSON.
        found: What the row says, as plain JSON.

    Raises:
        CheckpointError: If they differ.
    """
    if sealed != found:
        raise CheckpointError(
            "edited",
            "the metadata of a checkpoint is not what was stored",
            expected="the metadata under the seal",
            got="other metadata",
            remedy=_TAMPERED,
        )


def require_link(child: CheckpointFacts, parent: Envelope[CheckpointFacts] | None) -> None:
    """Hold a checkpoint to the one that was stored after it.

    Args:
        child: The later one.
        parent: What was found under the id of its parent.

    Raises:
        CheckpointError: If the parent is gone, or another one took its place.
    """
    if parent is None:
        raise _missing("a checkpoint that a later one builds on is gone", child.parent, "none")
    if child.parent_seal and parent.seal != child.parent_seal:
        raise CheckpointError(
            "rolled_back",
            "a checkpoint is not the one that a later one was stored after",
            expected=f"the version of {child.parent} that {child.checkpoint} names",
            got="another version",
            remedy=_TAMPERED,
        )


def _behind(expected: str, got: str) -> CheckpointError:
    return CheckpointError(
        "ledger_behind",
        "the ledger is older than state that was stored under it",
        expected=expected,
        got=got,
        remedy="rows were removed from the ledger, or an older copy put in its place; restore the newest one",
    )


def _missing(message: str, expected: str, got: str) -> CheckpointError:
    return CheckpointError(
        "missing",
        message,
        expected=expected,
        got=got,
        remedy=f"{_TAMPERED}; end a thread that cannot be restored with delete_thread, and name each store differently",
    )
