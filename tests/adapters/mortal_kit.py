"""A governed graph on disk that can die at any operation of its ports and be opened again, and what its tools did.

Invariant: after its death nothing reaches ledger, log or checkpoints; what a tool did before stays done. The journal is
written by the tools alone, each line with the facts of that moment.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import BaseTool, tool
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph.state import CompiledStateGraph

from aisecops_langchain import Governor, Principal, govern, parse_policy, warrant_of
from aisecops_langchain.adapters.core.acting import current_call, recipient_of
from aisecops_langchain.audit import AuditLog
from aisecops_langchain.canonical import JsonValue
from aisecops_langchain.domain.plan import CanonicalCall
from aisecops_langchain.domain.scope import Scope
from aisecops_langchain.domain.stop import StopRegister
from aisecops_langchain.domain.warrant import Warrant
from aisecops_langchain.errors import AuditWriteError, LedgerError
from aisecops_langchain.keyfile import load_or_create_key
from aisecops_langchain.runtime.ledger.records import ApprovalRecord, EffectRecord, open_row
from aisecops_langchain.runtime.ledger.sqlite import SqliteLedger
from aisecops_langchain.runtime.ports import Table
from aisecops_langchain.sanitize import Sanitizer
from aisecops_langchain.sealing import Sealer
from aisecops_langchain.testing import FixedClock, ScriptedChatModel

T = TypeVar("T")

PERMIT_SECONDS, APPROVAL_SECONDS = 60, 600
MOST = 1000
"""The most that may be paid, even with a person's word."""

OFFICE = """
version: 1
id: {name}
agents:
  clerk: {{capabilities: [read, repeat, pay]}}
  helper: {{capabilities: [read, repeat, pay]}}
capabilities:
  read: {{tools: [search], risk: low}}
  repeat: {{tools: [sync], risk: low, idempotent: true}}
  pay: {{tools: [pay], risk: high, arguments: {{amount: {{max: {most}}}}}}}
rules:
  - {{id: reading, effect: allow, tools: [search, sync]}}
  - {{id: paying, effect: {paying}, tools: [pay]}}
limits: {{permit_ttl_seconds: 60, approval_ttl_seconds: 600, max_denials_per_run: 50, max_repeated_denials: 50}}
"""
ASKING = parse_policy(OFFICE.format(name="asking", most=MOST, paying="require_approval"))
STRICT = parse_policy(OFFICE.format(name="strict", most=MOST, paying="deny"))

SANITIZER = Sanitizer()
CLERK = Principal(agent="clerk")


class Killed(BaseException):
    """The process is gone; nobody who catches this lives."""


class Life:
    """Whether the process lives, and how many operations of its ports it has left."""

    def __init__(self) -> None:
        self.dead = False
        self.left: int | None = None
        self.in_tool = False
        """Whether the next tool is the last thing that happens."""

    def spend(self, work: Callable[[], T], error: Exception) -> T:
        """Do an operation, unless the process is dead; the last one takes place, and nobody hears of it."""
        if self.dead:
            raise error
        done = work()
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                self.dead = True
                raise error
        return done


class MortalLedger(SqliteLedger):
    """A ledger on disk."""

    life: Life

    def get(self, table, key):
        return self.life.spend(lambda: super(MortalLedger, self).get(table, key), LedgerError("killed"))

    def apply(self, changes, *, durable, charges=()):
        write = lambda: super(MortalLedger, self).apply(changes, durable=durable, charges=charges)  # noqa: E731
        return self.life.spend(write, LedgerError("killed"))

    def increment(self, counter):
        return self.life.spend(lambda: super(MortalLedger, self).increment(counter), LedgerError("killed"))


class MortalSink:
    """A log on disk."""

    def __init__(self, log: AuditLog, life: Life) -> None:
        self.log = log
        self._life = life

    def append_lines(self, events: Sequence[tuple[str, bytes]], /) -> None:
        self._life.spend(lambda: self.log.append_lines(events), AuditWriteError("killed"))

    def commit(self) -> None:
        self._life.spend(self.log.commit, AuditWriteError("killed"))


class MortalSaver(SqliteSaver):
    """Checkpoints on disk."""

    life: Life

    def put(self, *given: Any, **kw: Any) -> Any:
        return self.life.spend(lambda: super(MortalSaver, self).put(*given, **kw), RuntimeError("killed"))

    def put_writes(self, *given: Any, **kw: Any) -> Any:
        return self.life.spend(lambda: super(MortalSaver, self).put_writes(*given, **kw), RuntimeError("killed"))


@dataclass(frozen=True)
class Act:
    """A tool ran: what, where, when, and what stood at that moment."""

    tool: str
    call: str
    """Digest of what ran."""
    scope: Scope
    recipient: str
    """Names the permit without giving it away."""
    at: int
    process: int
    policy: str
    stopped: bool
    intended: bool
    """Whether the log held the intent when the tool began."""


class Place:
    """Everything on disk, a clock, and the process of the moment.

    Args:
        root: A directory of its own.
        script: Says what the model proposes at a conversation.
    """

    def __init__(self, root: Path, script: Callable[[list[Any]], Any]) -> None:
        self.root = root
        self.clock = FixedClock()
        self.policy = ASKING
        self.acts: list[Act] = []
        self.stops: set[tuple[str, str]] = set()
        """The stops that stand, as who ordered them knows."""
        self.revoked: set[str] = set()
        """Warrants that were surely revoked."""
        self.process = 0
        self._script = script
        self._seal_key = load_or_create_key(root / "keys" / "seal.key")
        self._audit_key = load_or_create_key(root / "keys" / "audit.key")
        self.sealer = Sealer(self._seal_key)
        self.open()

    def open(self) -> None:
        """Begin a process on what is on disk."""
        self.process += 1
        self.life = Life()
        self.ledger = MortalLedger(self.root / "ledger.sqlite3", durable=False)
        self.ledger.life = self.life
        log = AuditLog.open(self.root / "audit", key=self._audit_key, durability="none", clock=self.clock.now)
        self.sink = MortalSink(log, self.life)
        self._closing = SqliteSaver.from_conn_string(str(self.root / "checkpoints.sqlite3"))
        self.saver = MortalSaver(self._closing.__enter__().conn)
        self.saver.life = self.life
        self.governor = Governor(
            policy=self.policy,
            sink=self.sink,
            ledger=self.ledger,
            sealer=self.sealer,
            clock=self.clock,
            sanitizer=SANITIZER,
        )
        self.graphs = {"clerk": self._govern(agent="clerk"), "helper": self._govern(agent="helper", warrant=warrant_of)}

    def _govern(self, **who: Any) -> CompiledStateGraph:
        model = ScriptedChatModel(script=[self._script], repeat_last=True)
        return govern(model, self._tools(), governor=self.governor, checkpointer=self.saver, spans=False, **who)

    def die(self) -> None:
        """End the process as a kill does: locks are let go, nothing is said."""
        self.life.dead = True
        self.ledger.close()
        self.sink.log._release()
        self._closing.__exit__(None, None, None)

    def close(self) -> None:
        """End the process in order."""
        self.governor.close()
        self.sink.log.close()
        self._closing.__exit__(None, None, None)

    def _tools(self) -> list[BaseTool]:
        def act(name: str, **arguments: JsonValue) -> str:
            now = current_call()
            self.acts.append(
                Act(
                    tool=name,
                    call=CanonicalCall.of(name, arguments).digest,
                    scope=now.scope,
                    recipient=now.recipient,
                    at=self.clock.now(),
                    process=self.process,
                    policy=self.policy.digest,
                    stopped=self._is_stopped(now.scope),
                    intended=now.recipient in set(self.intents()),
                )
            )
            if self.life.in_tool:
                self.life.dead = True
                raise Killed
            return f"did {name}"

        @tool
        def search(query: str) -> str:
            """Search the files."""
            return act("search", query=query)

        @tool
        def sync(number: int) -> str:
            """Do something that may be done again."""
            return act("sync", number=number)

        @tool
        def pay(to: str, amount: int) -> str:
            """Pay someone."""
            return act("pay", to=to, amount=amount)

        @tool
        def wipe(path: str) -> str:
            """Delete files."""
            return act("wipe", path=path)

        return [search, sync, pay, wipe]

    def _is_stopped(self, scope: Scope) -> bool:
        revoked = {warrant for text in self.revoked for warrant in json_warrants(text)}
        standing = {("run", scope.thread), ("agent", scope.principal.agent)}
        return bool(self.stops & standing or revoked & {item.warrant for item in scope.principal.delegators})

    def intents(self) -> Iterator[str]:
        """The calls whose intent this process has recorded so far, by the names of their permits."""
        segment = self.root / "audit" / f"{self.sink.log.segment}.jsonl"
        for line in segment.read_bytes().splitlines():
            if b'"execution_started"' in line:
                yield recipient_of(json.loads(line)["permit"])

    def effects(self) -> dict[str, EffectRecord]:
        """What the ledger says of effects, by the name of the permit."""
        rows = self.ledger.scan(Table.EFFECTS)
        records = (open_row(self.sealer, row, EffectRecord) for row in rows)
        return {recipient_of(record.permit.id): record for record in records}

    def standing(self) -> set[tuple[str, str]]:
        """The stops of runs and agents, as the ledger has them."""
        registers = [open_row(self.sealer, row, StopRegister) for row in self.ledger.scan(Table.STOPS)]
        return {order.key for register in registers for order in register.orders if order.kind != "warrant"}

    def approvals(self) -> dict[str, ApprovalRecord]:
        """What the ledger says of approvals, by key."""
        asked = (
            row for row in self.ledger.scan(Table.APPROVALS) if row.state != "heard"
        )  # marks of answers lie beside
        return {row.key: open_row(self.sealer, row, ApprovalRecord) for row in asked}


def json_warrants(text: str) -> set[str]:
    """Digests of the links of a warrant."""
    return {link.claims.digest() for link in Warrant.model_validate_json(text).links}


@contextmanager
def mortal(place: Place) -> Iterator[None]:
    """Let a process do something that may be its last; if it dies of it, another one is opened."""
    try:
        yield
    except (Killed, Exception):
        if not place.life.dead:
            raise
    finally:
        if place.life.dead:
            place.die()
            place.open()


def turn_of(messages: Sequence[Any]) -> tuple[str, int]:
    """Which turn of a conversation it is, by the user's message, and how often the model spoke in it."""
    said = 0
    for message in reversed(messages):
        if isinstance(message, HumanMessage):
            return str(message.content), said
        said += isinstance(message, AIMessage)
    return "", said
