"""A campaign of kill -9 on governed runs: workers race for the same threads, die at random moments and are replaced.

Invariant: the campaign only starts, kills and waits; what came of it is judged by ``chaos_verdict`` from the files.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "crash"))

import psycopg
from crash_kit import Child, Nursery
from langgraph.checkpoint.postgres import PostgresSaver
from psycopg.conninfo import make_conninfo

from aisecops_langchain.keyfile import load_or_create_key

WORKERS = 4
THREADS = 10
"""How many threads the workers share before they are given new ones."""
HOSTS = 3
LONGEST_PAUSE_SECONDS = 0.4
"""Between two kills; longer than a worker needs to open its home, so that some get far."""

AT_WORK_SHARE = 0.8
"""How many of the killed have opened their home, if anybody has."""

WORKER = Path(__file__).with_name("chaos_worker.py")


@dataclass
class Campaign:
    """One place in which workers live and die.

    Attributes:
        root: The world, and the homes in it.
        schema: Where hosts share a PostgreSQL ledger; empty for one home with a SQLite ledger.
        kills: How many processes are to be killed while they work.
        seed: Decides whom and when, as far as the machine lets it.
        durability: Of each governor.
        batch: How many threads the workers share before they are given new ones.
    """

    root: Path
    schema: str
    kills: int
    seed: int
    durability: str
    batch: int = THREADS
    killed: int = 0
    started: int = 0
    ended: int = 0
    threads: list[str] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    seconds: float = 0

    @property
    def homes(self) -> list[Path]:
        """One home for all workers of one machine; one for each host otherwise."""
        return [self.root / f"host-{number}" for number in range(HOSTS if self.schema else 1)]

    def run(self, nursery: Nursery) -> None:
        """Kill until enough are dead, and let those who live finish their work."""
        began = time.monotonic()
        share_key(self.homes)
        chance = random.Random(self.seed)
        while self.killed < self.kills or not self.threads:
            batch = [f"thread-{len(self.threads) + number}" for number in range(self.batch)]
            self.threads += batch
            self._carry_out(nursery, batch, chance)
        self.seconds = time.monotonic() - began

    def _carry_out(self, nursery: Nursery, batch: list[str], chance: random.Random) -> None:
        at_work = [self._start(nursery, batch, chance) for _ in range(WORKERS)]
        while at_work:
            if self.killed >= self.kills:
                for child in at_work:
                    self._note(child, child.end())
                return
            time.sleep(chance.uniform(0, LONGEST_PAUSE_SECONDS))
            victim = self._pick(at_work, chance)
            at_work.remove(victim)
            status = victim.kill()
            if status == -9:
                self.killed += 1
                at_work.append(self._start(nursery, batch, chance))
            else:
                self._note(victim, status)

    def _pick(self, at_work: list[Child], chance: random.Random) -> Child:
        """Choose whom to kill: mostly who is at work, now and then somebody who may still be opening its home."""
        up = [child for child in at_work if child.is_up()]
        return chance.choice(up if up and chance.random() < AT_WORK_SHARE else at_work)

    def _start(self, nursery: Nursery, batch: list[str], chance: random.Random) -> Child:
        self.started += 1
        home = self.homes[self.started % len(self.homes)]
        job = {
            "threads": batch,
            "seed": chance.randrange(2**32),
            "mode": chance.choice(["sync", "async"]),
            "durability": self.durability,
            "world": str(self.root),
            "schema": self.schema,
        }
        return nursery.start(home, "work", **job)

    def _note(self, child: Child, status: int) -> None:
        """A worker that was not killed must have ended well, whatever it met on the way."""
        assert status == 0, f"a worker ended with {status}, having met {child.result()}"
        self.ended += 1
        self.faults.update(json.loads(child.result() or "{}"))


def share_key(homes: list[Path]) -> None:
    """Give all hosts the one key under which rows are sealed."""
    key = homes[0] / "keys" / "seal.key"
    load_or_create_key(key)
    for home in homes[1:]:
        (home / "keys").mkdir(parents=True, mode=0o700)
        shutil.copy(key, home / "keys" / "seal.key")


@contextmanager
def shared_schema(url: str) -> Iterator[str]:
    """A schema of its own with the tables of a checkpointer, dropped afterwards."""
    schema = f"chaos_{uuid.uuid4().hex[:16]}"
    with psycopg.connect(url, autocommit=True) as session:
        session.execute(f"CREATE SCHEMA {schema}")
    try:
        with PostgresSaver.from_conn_string(make_conninfo(url, options=f"-c search_path={schema}")) as saver:
            saver.setup()
        yield schema
    finally:
        with psycopg.connect(url, autocommit=True) as session:
            session.execute(f"DROP SCHEMA {schema} CASCADE")


@contextmanager
def chaos_nursery() -> Iterator[Nursery]:
    """The server that forks the workers."""
    os.environ.setdefault("LANGGRAPH_STRICT_MSGPACK", "true")
    nursery = Nursery(WORKER)
    try:
        yield nursery
    finally:
        nursery.close()
