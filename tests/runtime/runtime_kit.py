"""A small governed world without LangChain: tools as contracts, a policy with every answer, and ports that fail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hypothesis import HealthCheck, settings

from aisecops_langchain.canonical import JsonValue, canonical_bytes, digest, digest_text
from aisecops_langchain.domain.labels import Source, SourceKind, label_for
from aisecops_langchain.domain.permit import Binding
from aisecops_langchain.domain.plan import CanonicalCall
from aisecops_langchain.domain.principal import Approver, Principal
from aisecops_langchain.domain.scope import Scope
from aisecops_langchain.errors import AisecopsError, AuditWriteError, LedgerError
from aisecops_langchain.policy import parse_policy
from aisecops_langchain.provenance import LabelledText
from aisecops_langchain.runtime.approvals.service import Approve
from aisecops_langchain.runtime.decisions.case import Proposal
from aisecops_langchain.runtime.decisions.verdicts import NeedsApproval, Permitted
from aisecops_langchain.runtime.governor import Governor
from aisecops_langchain.runtime.ledger.records import EffectRecord, open_row
from aisecops_langchain.runtime.plans.planner import ProposedCall
from aisecops_langchain.runtime.ports import ClockError, Row, Table
from aisecops_langchain.sanitize import Sanitizer
from aisecops_langchain.sealing import Sealer
from aisecops_langchain.testing import FixedClock, MemoryLedger, MemorySink

LAW = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
"""How thoroughly a law is tried; no deadline, since machines differ."""

ROOT_KEY = bytes(range(32))
PERMIT_SECONDS = 60
APPROVAL_SECONDS = 600

POLICY = parse_policy(f"""
version: 1
id: runtime-tests
agents: {{clerk: {{capabilities: [reading, syncing, paying, wiping]}}}}
capabilities:
  reading: {{tools: [look], risk: low}}
  syncing: {{tools: [sync], risk: low, idempotent: true}}
  paying: {{tools: [pay], risk: high}}
  wiping: {{tools: [wipe]}}
rules:
  - {{id: look, effect: allow, tools: [look]}}
  - {{id: sync, effect: allow, tools: [sync]}}
  - {{id: pay, effect: require_approval, tools: [pay]}}
  - {{id: huge, effect: deny, tools: [pay], when: {{args.amount: {{gt: 1000}}}}}}
  - {{id: wipe, effect: deny, tools: [wipe]}}
limits: {{permit_ttl_seconds: {PERMIT_SECONDS}, approval_ttl_seconds: {APPROVAL_SECONDS}}}
""")

SANITIZER = Sanitizer()  # compiled once; it keeps nothing between uses

ALICE = Approver(id="alice", verified=True)
MALLORY = Approver(id="mallory")
CLERK = Principal(agent="clerk", user="ann", tenant="acme")


@dataclass(frozen=True)
class PlainTool:
    """A tool contract that takes any plain JSON arguments."""

    name: str
    version: str = "1"

    def definition(self) -> str:
        return digest("tool", [self.name, self.version])

    def canonical_arguments(self, raw: Mapping[str, object]) -> dict[str, JsonValue]:
        canonical_bytes(dict(raw))
        return dict(raw)


TOOLS = {name: PlainTool(name) for name in ("look", "sync", "pay", "wipe")}


def labelled(text: str, kind: SourceKind = SourceKind.USER_PROMPT) -> LabelledText:
    """A piece of context with the label of its door."""
    return LabelledText(text, label_for(Source(kind=kind, name="test", digest=digest_text("content", text))))


class World:
    """One governor over ports that the test holds in its hands."""

    def __init__(self, *, ledger=None, sink=None, clock=None, policy=POLICY):
        self.ledger = MemoryLedger() if ledger is None else ledger
        self.sink = MemorySink() if sink is None else sink
        self.clock = FixedClock() if clock is None else clock
        self.sealer = Sealer(ROOT_KEY)
        self.policy = policy
        self.governor = self.new_governor()
        self.scope = self.governor.scope(trace="ab" * 16, thread="thread-1", checkpoint_ns="", principal=CLERK)

    def new_governor(self, *, clock=None) -> Governor:
        """What another process, or the same one after a crash, would open."""
        return Governor(
            policy=self.policy,
            sink=self.sink,
            ledger=self.ledger,
            sealer=self.sealer,
            clock=clock or self.clock,
            sanitizer=SANITIZER,
        )

    def propose(
        self, tool="look", call_id="call-1", turn="turn-1", scope: Scope | None = None, **arguments
    ) -> Proposal:
        """Plan one call of one turn."""
        proposals = [ProposedCall(call_id, tool, arguments)]
        plan = self.governor.planner.plan(proposals, [labelled("do it")], TOOLS, scope or self.scope, turn=turn)
        (step,) = plan.steps
        return Proposal(step=step, plan=plan.id, context=plan.context, planned_call=step.call.digest)

    def binding(self, proposal: Proposal, scope: Scope | None = None) -> Binding:
        """What an executor computes of the call itself."""
        step = proposal.step
        return Binding(
            call_id=step.call_id,
            call=step.call.digest,
            tool=step.call.tool,
            tool_definition=step.tool_definition,
            plan=proposal.plan,
            scope=scope or self.scope,
        )

    def decide(self, proposal: Proposal):
        return self.governor.gate.decide(proposal, self.scope)

    def ask(self, proposal: Proposal) -> Binding:
        """Decide, and ask a person as the guard does."""
        verdict = self.decide(proposal)
        assert isinstance(verdict, NeedsApproval)
        self.governor.approvals.request(verdict.binding, verdict.briefing, verdict.requires, parents=(verdict.event,))
        return verdict.binding

    def permit(self, proposal: Proposal):
        """Take a step through the gate, with a person's yes where one is needed."""
        verdict = self.decide(proposal)
        if isinstance(verdict, NeedsApproval):
            self.governor.approvals.request(verdict.binding, verdict.briefing, verdict.requires)
            self.governor.approvals.answer(verdict.binding, Approve(), ALICE)
            verdict = self.decide(proposal)
        assert isinstance(verdict, Permitted)
        return verdict.permit

    def begin(self, proposal: Proposal, permit_id: str | None = None):
        """Permit and begin a step."""
        identity = self.permit(proposal).id if permit_id is None else permit_id
        return self.governor.execution.begin(identity, self.binding(proposal))

    def effect(self, proposal: Proposal) -> EffectRecord | None:
        """What the ledger says of a step."""
        row = self.ledger.get(Table.EFFECTS, self.binding(proposal).effect_key())
        return None if row is None else open_row(self.sealer, row, EffectRecord)

    def kinds(self) -> list[str]:
        return [event.kind for event in self.sink.events]

    def only(self, kind: str):
        """The one event of a kind."""
        (event,) = [event for event in self.sink.events if event.kind == kind]
        return event


def edited(proposal: Proposal, **arguments) -> Proposal:
    """The proposal as it stands after the arguments in the message were changed."""
    call = CanonicalCall.of(proposal.step.call.tool, arguments)
    return replace(proposal, step=proposal.step.model_copy(update={"call": call}))


class CountedFaults:
    """Raises at the n-th of the operations that ask it; from then on too, if told so."""

    def __init__(self, at: int = 0, *, error: type[Exception] = AisecopsError, lasting: bool = False) -> None:
        self.at = at
        self.count = 0
        self.error = error
        self.lasting = lasting

    def step(self) -> None:
        self.count += 1
        if self.at and (self.count == self.at or (self.lasting and self.count > self.at)):
            raise self.error("this fault was planned")


class FailingSink(MemorySink):
    """A sink whose n-th append or commit fails; tells what a loss of power would have left."""

    def __init__(self, at=0, *, error=AuditWriteError, lasting=False):
        super().__init__()
        self.faults = CountedFaults(at, error=error, lasting=lasting)
        self.durable = []

    def append_line(self, event_id, body, /):
        self.faults.step()
        super().append_line(event_id, body)

    def commit(self):
        self.faults.step()
        self.durable = list(self.events)


class FailingLedger(MemoryLedger):
    """A ledger whose n-th operation fails, before or, worse, after it took place."""

    def __init__(self, at=0, *, error=LedgerError, lasting=False, after=False):
        super().__init__()
        self.faults = CountedFaults(at, error=error, lasting=lasting)
        self.after = after

    def get(self, table: Table, key: str) -> Row | None:
        self.faults.step()
        return super().get(table, key)

    def apply(self, changes, *, durable, charges=()):
        if not self.after:
            self.faults.step()
            return super().apply(changes, durable=durable, charges=charges)
        applied = super().apply(changes, durable=durable, charges=charges)
        self.faults.step()
        return applied

    def is_alive(self, owner):
        self.faults.step()
        return super().is_alive(owner)

    def increment(self, counter):
        self.faults.step()
        return super().increment(counter)


class FailingClock(FixedClock):
    """A clock whose n-th reading fails: it raises, or it tells a time that is none."""

    def __init__(self, at=0, *, tells: int | None = None, error=ClockError, lasting=False):
        super().__init__()
        self.faults = CountedFaults(at, error=error, lasting=lasting)
        self.tells = tells

    def now(self):
        try:
            self.faults.step()
        except self.faults.error:
            if self.tells is None:
                raise
            return self.tells
        return super().now()
