"""Many texts: the same inspection as for one, over several processes, in the order in which they came.

Invariant: how many processes work changes how long it takes and nothing else. At most a few batches are under way, so
that memory does not grow with the number of texts.
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final, NamedTuple

from aisecops_langchain.domain.labels import Integrity, Label, Source, SourceKind, label_for
from aisecops_langchain.sanitize.config import Action, SanitizeConfig, SeverityActions
from aisecops_langchain.sanitize.detect import HiddenTextDetector, RuleDetector
from aisecops_langchain.sanitize.finding import Finding
from aisecops_langchain.sanitize.outcome import Sanitized
from aisecops_langchain.sanitize.pack_check import require_examples
from aisecops_langchain.sanitize.pipeline import Sanitizer
from aisecops_langchain.sanitize.rules import core_rules, load_rules
from aisecops_langchain.sanitize.yara import YaraDetector

UNTRUSTED_ACTIONS: Final = SanitizeConfig(channels={SourceKind.SYSTEM_PROMPT: SeverityActions()})
"""Actions as for content that nobody vouches for, whatever its door: a scanner judges texts, not speakers."""

_BATCH_TEXTS: Final = 64
_BATCH_CHARACTERS: Final = 1_000_000
_AHEAD: Final = 2
"""Batches under way for each process."""

_WORTH_PROCESSES: Final = 2_000_000
"""Characters; less is inspected sooner than other processes start."""


class Piece(NamedTuple):
    """One text and the door that it came through."""

    text: str
    channel: SourceKind


class Scanned(NamedTuple):
    """What the scanner says of one text."""

    action: Action
    """The strictest thing that is done about it."""
    findings: tuple[Finding, ...]
    label: Label
    """What its door makes of it; untrusted where anything was found that is acted upon."""


@dataclass(frozen=True, slots=True)
class ScanSetup:
    """What a process needs to know to make its scanner."""

    config: SanitizeConfig = UNTRUSTED_ACTIONS
    packs: tuple[Path, ...] = ()
    """Rule packs beside the one that ships."""
    yara: tuple[Path, ...] = ()
    """Files or folders of YARA rules."""

    def open(self) -> Scanner:
        """Make the scanner.

        Returns:
            The scanner.

        Raises:
            ConfigurationError: If a pack cannot be read, is not sound, or an example of it fails.
        """
        packs = [load_rules(path) for path in self.packs]
        for pack in packs:
            require_examples(pack)
        rules = [rule for pack in (core_rules(), *packs) for rule in pack.rules]
        others = [YaraDetector(path) for path in self.yara]
        return Scanner(Sanitizer(self.config, detectors=(RuleDetector(rules), HiddenTextDetector(), *others)))


class Scanner:
    """Says of one text what would be done about it.

    Args:
        sanitizer: Inspects it.
    """

    def __init__(self, sanitizer: Sanitizer) -> None:
        self._sanitizer = sanitizer

    def scan(self, piece: Piece) -> Scanned:
        """Inspect one text.

        Args:
            piece: The text and its door.

        Returns:
            What was found, and what would be done.

        Raises:
            SanitizeError: If it could not be inspected.
        """
        found = self._sanitizer.sanitize_text(piece.text, channel=piece.channel)
        action = _action(found)
        label = label_for(Source(kind=piece.channel, name="scan", digest=found.raw_digest))
        if action is not Action.PASS:
            label = label.model_copy(update={"integrity": Integrity.UNTRUSTED})
        return Scanned(action, found.findings, label)


def scan_all(pieces: Iterable[Piece], setup: ScanSetup, *, jobs: int) -> Iterator[Scanned]:
    """Inspect texts.

    Args:
        pieces: The texts; read only as far as they are worked on.
        setup: Makes the scanner of each process.
        jobs: Processes; with one, and for few texts, everything happens in this process.

    Yields:
        What was found, in the order of the texts.

    Raises:
        ConfigurationError: If a pack cannot be read or is not sound.
        SanitizeError: If a text could not be inspected.
    """
    scanner = setup.open()  # here too, so that a faulty pack is told of by this process
    rest = iter(pieces)
    first, many = _first(rest) if jobs > 1 else ([], False)
    every = chain(first, rest)
    yield from _in_processes(_batches(every), setup, jobs) if many else map(scanner.scan, every)


def _first(pieces: Iterator[Piece]) -> tuple[list[Piece], bool]:
    """Take texts until it is clear whether there are enough for several processes."""
    first: list[Piece] = []
    size = 0
    for piece in pieces:
        first.append(piece)
        size += len(piece.text)
        if size >= _WORTH_PROCESSES:
            return first, True
    return first, False


def _in_processes(batches: Iterator[list[Piece]], setup: ScanSetup, jobs: int) -> Iterator[Scanned]:
    # Spawned, not forked: a fork would copy the locks and threads of this process in whatever state they are.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin, initargs=(setup,)) as pool:
        waiting: deque[Future[list[Scanned]]] = deque()
        try:
            for batch in batches:
                waiting.append(pool.submit(_scan_batch, batch))
                if len(waiting) > _AHEAD * jobs:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _batches(pieces: Iterator[Piece]) -> Iterator[list[Piece]]:
    batch: list[Piece] = []
    size = 0
    for piece in pieces:
        batch.append(piece)
        size += len(piece.text)
        if len(batch) >= _BATCH_TEXTS or size >= _BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


_SCANNERS: Final[list[Scanner]] = []
"""The one scanner of a worker process."""


def _begin(setup: ScanSetup) -> None:
    _SCANNERS[:] = [setup.open()]


def _scan_batch(batch: list[Piece]) -> list[Scanned]:
    (scanner,) = _SCANNERS
    return [scanner.scan(piece) for piece in batch]


def _action(found: Sanitized) -> Action:
    if found.blocked:
        return Action.BLOCK
    if "quarantined" in found.actions:
        return Action.QUARANTINE
    return Action.CLEAN if "cleaned" in found.actions else Action.PASS
