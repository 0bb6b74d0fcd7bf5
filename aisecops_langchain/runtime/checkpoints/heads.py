"""The ledger's side of sealed checkpoints: heads, lives of threads, writes that wait, and refusals on record.

Invariant: a head only ever moves forward within one life of its thread. The store is written first and the ledger
second; a genuine checkpoint that is newer than the head is what a process stored that died in between, and becomes the
head. So a crash loses nothing, and nothing older than the head is ever taken for the latest.

Whoever reads asks the ledger first and the store second, because the store is always ahead; if the answer is bad and
the ledger has moved meanwhile, he asks again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Final

from aisecops_langchain.canonical import digest_texts
from aisecops_langchain.domain.events import CheckpointRefused
from aisecops_langchain.domain.principal import Principal
from aisecops_langchain.domain.scope import Scope
from aisecops_langchain.errors import CheckpointError, LedgerError
from aisecops_langchain.runtime.checkpoints.envelopes import (
    CheckpointFacts,
    Envelope,
    WriteFacts,
    WriteSpot,
    close_envelope,
)
from aisecops_langchain.runtime.checkpoints.rules import (
    FoundCheckpoint,
    Genuine,
    Place,
    Standing,
    follows,
    judge,
    place_of,
    require_no_older,
)
from aisecops_langchain.runtime.ledger.records import (
    AnyRecord,
    CheckpointHead,
    CheckpointWrites,
    ThreadLife,
    close_row,
    open_row,
)
from aisecops_langchain.runtime.ports import Change, Ledger, Row, Table
from aisecops_langchain.runtime.recorder import Recorder
from aisecops_langchain.sealing import Sealer

_ATTEMPTS: Final = 100
_REMEMBERED: Final = 4096
_WHO: Final = Principal(agent="checkpointer")


class Checkpoints:
    """Seals checkpoints, judges what comes back, and remembers what was stored last.

    Args:
        ledger: Where heads and lives are kept.
        recorder: Writes refusals to the log.
        sealer: Holds the key.
        in_force: Digest of the policy in force, for the record.
    """

    def __init__(self, ledger: Ledger, recorder: Recorder, sealer: Sealer, in_force: Callable[[], str]) -> None:
        self._ledger = ledger
        self._recorder = recorder
        self._sealer = sealer
        self._in_force = in_force
        self._seen: dict[Place, tuple[int, int]] = {}
        self._lock = Lock()  # spares threads of one process the races between them; the ledger decides the others

    def standing(self, place: Place, checkpoint: str = "", *, newest: bool = False) -> Standing:
        """Look up what was stored.

        Args:
            place: Where.
            checkpoint: The checkpoint whose writes are wanted.
            newest: Whether the writes of the head are wanted.

        Returns:
            What the ledger says.

        Raises:
            LedgerError: If it cannot be read, or was edited at rest.
            CheckpointError: If it has gone back since this process last asked.
        """
        seen = self._seen.get(place, (0, 0))  # before the rows, so that another thread cannot make them look old
        lived = self._ledger.get(Table.CHECKPOINTS, _life_key(place))
        life = open_row(self._sealer, lived, ThreadLife).life if lived else 0
        headed = self._ledger.get(Table.CHECKPOINTS, _head_key(place))
        known = open_row(self._sealer, headed, CheckpointHead) if headed else None
        head = known if known is not None and known.life == life else None
        of = head.checkpoint if newest and head else checkpoint
        noted = self._ledger.get(Table.CHECKPOINTS, _writes_key(place, life, of)) if of else None
        writes = open_row(self._sealer, noted, CheckpointWrites).revisions if noted else {}
        versions = tuple(row.seal if row else "" for row in (lived, headed, noted))
        standing = Standing(place, life, head, of, writes, known.revision if known else 0, versions)
        self._compare(standing, seen)
        return standing

    def is_current(self, standing: Standing) -> bool:
        """Whether the ledger still says the same; raises as ``standing`` does."""
        return self.standing(standing.place, standing.writes_of).versions == standing.versions

    def judge(self, standing: Standing, found: FoundCheckpoint | None, wanted: str) -> Genuine | None:
        """Judge what the store gave; see ``checkpoint_rules.judge``."""
        return judge(self._sealer, standing, found, wanted)

    def seal(
        self, standing: Standing, checkpoint: str, *, parent: str, parent_seal: str, encoded: tuple[str, bytes]
    ) -> Envelope[CheckpointFacts]:
        """Seal a checkpoint for storing.

        Args:
            standing: What the ledger says of its place.
            checkpoint: Its id.
            parent: Id of the one that it follows; empty for none.
            parent_seal: Seal of that one.
            encoded: How it is encoded, and the bytes.

        Returns:
            The envelope.
        """
        place, (encoding, payload) = standing.place, encoded
        facts = CheckpointFacts(
            store=place.store,
            thread=place.thread,
            namespace=place.namespace,
            checkpoint=checkpoint,
            parent=parent,
            parent_seal=parent_seal,
            life=standing.life,
            sequence=standing.head.sequence + 1 if standing.head else 1,
            encoding=encoding,
        )
        return close_envelope(self._sealer, facts, payload)

    def seal_write(
        self, standing: Standing, spot: WriteSpot, encoded: tuple[str, bytes], *, anew: bool
    ) -> Envelope[WriteFacts]:
        """Seal one pending write for storing.

        Args:
            standing: What the ledger says of its checkpoint.
            spot: Where it waits.
            encoded: How it is encoded, and the bytes.
            anew: Whether the store replaces what it has there already.

        Returns:
            The envelope.
        """
        known = standing.writes.get(spot.task, {}).get(spot.index, 0)
        facts = WriteFacts(
            store=standing.place.store,
            thread=standing.place.thread,
            namespace=standing.place.namespace,
            checkpoint=standing.writes_of,
            life=standing.life,
            task=spot.task,
            path=spot.path,
            index=spot.index,
            channel=spot.channel,
            revision=known + 1 if anew else max(known, 1),
            encoding=encoded[0],
        )
        return close_envelope(self._sealer, facts, encoded[1])

    def advance(self, stored: Envelope[CheckpointFacts]) -> None:
        """Make a stored checkpoint the head of its place, unless a newer one is.

        Args:
            stored: What the store has.

        Raises:
            CheckpointError: If its thread was deleted meanwhile.
            LedgerError: If the ledger cannot be written.
        """
        facts = stored.facts

        def moved(standing: Standing) -> CheckpointHead | None:
            if standing.life != facts.life:
                raise _deleted(facts.checkpoint)
            if not follows(standing.head, facts):
                return None
            return CheckpointHead(
                life=facts.life,
                checkpoint=facts.checkpoint,
                sequence=facts.sequence,
                seal=stored.seal,
                root=standing.root,
            )

        self._replace_head(place_of(facts), moved)

    def note_writes(self, standing: Standing, stored: Sequence[Envelope[WriteFacts]]) -> None:
        """Remember that writes wait at a checkpoint.

        Args:
            standing: What the ledger said before they were stored.
            stored: The writes.

        Raises:
            CheckpointError: If the thread was deleted meanwhile.
            LedgerError: If the ledger cannot be written.
        """

        def attempt() -> bool:
            now = self.standing(standing.place, standing.writes_of)
            if now.life != standing.life:
                raise _deleted(standing.writes_of)
            merged = {task: dict(indexes) for task, indexes in now.writes.items()}
            for facts in (write.facts for write in stored):
                known = merged.setdefault(facts.task, {})
                known[facts.index] = max(facts.revision, known.get(facts.index, 0))
            record = CheckpointWrites(life=now.life, revisions=merged)
            return self._write(_writes_key(now.place, now.life, now.writes_of), record, now.versions[2])

        self._until(attempt)

    def end(self, place: Place) -> None:
        """End the life of a thread: whatever the store has of it is void from now on, even if it is put back.

        Args:
            place: Any place in the thread.

        Raises:
            LedgerError: If it could not be made durable.
        """

        def attempt() -> bool:
            now = self.standing(place)
            return self._write(_life_key(place), ThreadLife(life=now.life + 1), now.versions[0], durable=True)

        self._until(attempt)

    def cut(self, place: Place, root: str) -> None:
        """Take everything before a checkpoint for pruned; an empty root takes that back.

        Args:
            place: Where.
            root: The oldest checkpoint that is left.

        Raises:
            LedgerError: If the ledger cannot be written.
        """
        self._replace_head(place, lambda now: now.head.model_copy(update={"root": root}) if now.head else None)

    def clear(self, place: Place) -> None:
        """Expect nothing at a place any more, because pruning left nothing there; raises as ``cut`` does."""

        def emptied(now: Standing) -> CheckpointHead | None:
            beyond = f"{now.newest}~"  # after the last id and before any later one
            nothing = {"checkpoint": "", "seal": "", "root": beyond}
            return now.head.model_copy(update=nothing) if now.head and now.newest else None

        self._replace_head(place, emptied)

    def refuse(self, place: Place, checkpoint: str, error: CheckpointError) -> None:
        """Put a refusal on record.

        Args:
            place: Where.
            checkpoint: What was asked for or found.
            error: Why it was refused.

        Raises:
            AuditWriteError: If it could not be recorded; the checkpoint is refused nevertheless.
        """
        trace = digest_texts("checkpoints", place.store, place.thread, place.namespace)[7:39]
        scope = Scope(
            trace=trace, thread=place.thread, checkpoint_ns=place.namespace, principal=_WHO, policy=self._in_force()
        )
        identity = (checkpoint, error.code, str(error))
        self._recorder.record(
            CheckpointRefused,
            scope,
            *identity,
            store=place.store,
            checkpoint=checkpoint,
            code=error.code,
            reason=error.message,
        )
        self._recorder.commit()

    def _replace_head(self, place: Place, change: Callable[[Standing], CheckpointHead | None]) -> None:
        def attempt() -> bool:
            now = self.standing(place)
            head = change(now)
            if head is None:
                return True
            counted = head.model_copy(update={"revision": now.revision + 1})
            return self._write(_head_key(place), counted, now.versions[1])

        self._until(attempt)

    def _compare(self, standing: Standing, seen: tuple[int, int]) -> None:
        """Refuse a ledger that has gone back; remember what it says otherwise."""
        try:
            require_no_older(standing, seen)
        except CheckpointError as error:
            self.refuse(standing.place, "", error)
            raise
        if len(self._seen) >= _REMEMBERED:
            self._seen.clear()
        self._seen[standing.place] = max(seen, (standing.life, standing.revision))

    def _write(self, key: str, record: AnyRecord, replaces: str, *, durable: bool = False) -> bool:
        """Write one row; not waiting for the disk, where losing it makes the ledger lag, as after a crash."""
        row: Row = close_row(self._sealer, Table.CHECKPOINTS, key, record)
        return row.seal == replaces or self._ledger.apply([Change(row, replaces=replaces or None)], durable=durable)

    def _until(self, attempt: Callable[[], bool]) -> None:
        with self._lock:
            if not any(attempt() for _ in range(_ATTEMPTS)):
                raise LedgerError("a head of checkpoints keeps changing", expected="to be the next to write it once")


def _life_key(place: Place) -> str:
    return digest_texts("checkpoint-life", place.store, place.thread)


def _head_key(place: Place) -> str:
    return digest_texts("checkpoint-head", place.store, place.thread, place.namespace)


def _writes_key(place: Place, life: int, checkpoint: str) -> str:
    return digest_texts("checkpoint-writes", place.store, place.thread, place.namespace, str(life), checkpoint)


def _deleted(checkpoint: str) -> CheckpointError:
    return CheckpointError(
        "deleted",
        "the thread was deleted while its state was being stored",
        expected="a thread that nobody deletes during a run",
        got=f"{checkpoint:.60} of a thread that was deleted",
        remedy="begin the run again",
    )
