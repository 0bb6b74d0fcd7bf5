"""Draws what a run wanted and did: plans, arguments, calls, decisions, approvals, permits, effects.

Invariant: a node belongs to exactly one call as its digest names it; an effect hangs on a permit only where the log
holds that very permit for that very call.
"""

from __future__ import annotations

from aisecops_langchain.domain.events import (
    AnyEvent,
    ApprovalExpired,
    ApprovalGranted,
    ApprovalRejected,
    ApprovalRequested,
    ApprovalResponded,
    DecisionMade,
    EffectResolved,
    ExecutionBlocked,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionLate,
    ExecutionRetried,
    ExecutionStarted,
    ExecutionUnknown,
    GrantGiven,
    GrantUsed,
    PermitIssued,
    PlanCreated,
    PlanRejected,
    RecordedCall,
)
from aisecops_langchain.domain.plan import ArgumentProvenance
from aisecops_langchain.forensics.calls import CallKey, NamesCall, call_key, effect_key
from aisecops_langchain.forensics.effects import effects_of
from aisecops_langchain.forensics.graph.contents import Contents, ordered
from aisecops_langchain.forensics.graph.model import EdgeKind, NodeKind
from aisecops_langchain.forensics.graph.sketch import Sketch, node_id
from aisecops_langchain.forensics.graph.written import Written
from aisecops_langchain.forensics.phrases import person
from aisecops_langchain.forensics.text import call_text, name, names, reasons, said, short
from aisecops_langchain.forensics.trace import Trace

_EXECUTIONS = (
    *(ExecutionStarted, ExecutionCompleted, ExecutionFailed, ExecutionUnknown),
    *(ExecutionRetried, ExecutionLate, ExecutionBlocked, EffectResolved),
)


class Acts:
    """Draws the calls of one run.

    Args:
        sketch: The graph in the making.
        trace: The run.
        contents: Where content entered the run.
        written: Learns what stood in arguments.
    """

    def __init__(self, sketch: Sketch, trace: Trace, contents: Contents, written: Written) -> None:
        self._sketch = sketch
        self._trace = trace.id
        self._contents = contents
        self._written = written
        self._effects = {(item.plan, item.call_id): item for item in effects_of(trace)}
        self._running: dict[str, None] = {}
        self._decisions: dict[CallKey, str] = {}
        self._permits: dict[tuple[str, CallKey], str] = {}
        self.effects: dict[str, None] = {}
        """Nodes of effects."""

    def visit(self, event: AnyEvent) -> None:
        """Draw one event, if it is about a call."""
        match event:
            case PlanCreated():
                self._plan(event)
            case PlanRejected():
                self._rejected(event)
            case DecisionMade():
                self._decision(event)
            case ApprovalRequested() | ApprovalGranted() | ApprovalRejected() | ApprovalResponded() | ApprovalExpired():
                self._approval(event)
            case GrantGiven() | GrantUsed():
                self._grant(event)
            case PermitIssued():
                self._permit(event)
            case _ if isinstance(event, _EXECUTIONS):
                self._execution(event)
            case _:
                pass

    def under_way(self) -> tuple[str, ...]:
        """Return the nodes of effects that have begun and not ended."""
        return tuple(self._running)

    def _plan(self, event: PlanCreated) -> None:
        count = len(event.steps)
        plan = self._sketch.add(
            NodeKind.PLAN,
            (self._trace, event.plan),
            label=f"the model proposed {count} {'call' if count == 1 else 'calls'}",
            trace=self._trace,
            event=event.id,
            integrity=event.context.integrity.value,
            facts={"plan": short(event.plan), "confidentiality": event.context.confidentiality.value},
        )
        self._contents.shown(event.context, plan)
        for step in event.steps:
            key = (event.plan, step.call.call_id, step.call.digest)
            call = node_id(NodeKind.CALL, self._trace, *key)
            for item in step.provenance:
                self._argument(event, step.call, item, plan, call)
            self._call(key, step.call, event.id)
            self._sketch.link(plan, call, EdgeKind.PROPOSED)

    def _rejected(self, event: PlanRejected) -> None:
        plan = node_id(NodeKind.PLAN, self._trace, event.plan)
        for item in event.rejected:
            node = self._sketch.add(
                NodeKind.DECISION,
                (self._trace, event.id, item.call_id),
                label=f"{name(item.tool)} refused before any decision: {name(item.code)}",
                trace=self._trace,
                event=event.id,
                state="deny",
                facts={"stage": "plan", "reasons": said(item.message)},
            )
            self._sketch.link(plan, node, EdgeKind.PROPOSED)

    def _argument(
        self, event: PlanCreated, call: RecordedCall, item: ArgumentProvenance, plan: str, target: str
    ) -> None:
        node = self._sketch.add(
            NodeKind.ARGUMENT,
            (self._trace, event.plan, call.call_id, call.digest, item.argument),
            label=f"{name(item.argument)} of {name(call.tool)}",
            trace=self._trace,
            event=event.id,
            integrity=item.label.integrity.value,
            facts={"argument": name(item.argument), "method": name(item.method)},
        )
        self._sketch.link(node, target, EdgeKind.ARGUMENT_OF)
        for source in ordered(item.sources):
            self._sketch.link(self._contents.entry(source), node, EdgeKind.FOUND, name(item.method))
        if not item.sources:
            self._sketch.link(plan, node, EdgeKind.CHOSEN)
        self._written.wrote(call.arguments.get(item.argument), node, event.time)

    def _call(self, key: CallKey, call: RecordedCall | None, event: str, tool: str = "") -> str:
        """Draw a call; an event that names it without its arguments takes none away that are known."""
        known = node_id(NodeKind.CALL, self._trace, *key)
        if call is None and known in self._sketch:
            return known
        label = call_text(call.tool, call.arguments) if call else call_text(tool, None)
        facts = {"tool": name(call.tool if call else tool), "call_id": name(key[1]), "digest": short(key[2])}
        facts["plan"] = short(key[0])
        return self._sketch.add(
            NodeKind.CALL, (self._trace, *key), label=label, trace=self._trace, event=event, facts=facts
        )

    def _decision(self, event: DecisionMade) -> None:
        made = event.decision
        key = (event.plan, event.call.call_id, event.call.digest)
        by = names(made.rules) if made.rules else f"gate {made.stage.value}"
        node = self._sketch.add(
            NodeKind.DECISION,
            (self._trace, event.id),
            label=f"{made.effect.value} by {by}",
            trace=self._trace,
            event=event.id,
            state=made.effect.value,
            facts={"policy": short(made.policy), "stage": made.stage.value, "reasons": reasons(made.reasons)},
        )
        self._sketch.link(self._call(key, event.call, event.id), node, EdgeKind.DECIDED)
        self._decisions[key] = node

    def _approval(
        self, event: ApprovalRequested | ApprovalGranted | ApprovalRejected | ApprovalResponded | ApprovalExpired
    ) -> None:
        facts = {}
        if not isinstance(event, ApprovalRequested | ApprovalExpired):
            facts["approver"] = person(event.approver)
        state = "pending" if isinstance(event, ApprovalRequested) else event.kind.removeprefix("approval_")
        node = self._sketch.add(
            NodeKind.APPROVAL,
            (self._trace, event.approval),
            label=f"a person was asked about {name(event.tool)}",
            trace=self._trace,
            event=event.id,
            state=state,
            facts=facts,
        )
        decision = self._decisions.get(call_key(event))
        if decision is not None:
            self._sketch.link(decision, node, EdgeKind.ASKED)
        if isinstance(event, ApprovalGranted) and event.edited is not None:
            changed = self._call((event.plan, event.call_id, event.edited), None, event.id, event.tool)
            self._sketch.link(node, changed, EdgeKind.EDITED)

    def _grant(self, event: GrantGiven | GrantUsed) -> None:
        label = f"standing grant {short(event.grant)} of {person(event.approver)}"
        node = self._sketch.add(NodeKind.GRANT, (event.grant,), label=label, event=event.id)
        approval = node_id(NodeKind.APPROVAL, self._trace, event.approval)
        if isinstance(event, GrantGiven) and approval in self._sketch:
            self._sketch.link(approval, node, EdgeKind.GRANTED)

    def _permit(self, event: PermitIssued) -> None:
        key = call_key(event)
        node = self._sketch.add(
            NodeKind.PERMIT,
            (self._trace, event.permit, *key),
            label=f"permit for {name(event.tool)}",
            trace=self._trace,
            event=event.id,
            facts={"permit": short(event.permit), "until": event.expires_at.isoformat()},
        )
        self._permits[event.permit, key] = node
        if key in self._decisions:
            self._sketch.link(self._decisions[key], node, EdgeKind.PERMITTED)
        if event.approval is not None:
            self._sketch.link(node_id(NodeKind.APPROVAL, self._trace, event.approval), node, EdgeKind.PERMITTED)
        if event.grant is not None:
            self._sketch.link(node_id(NodeKind.GRANT, event.grant), node, EdgeKind.PERMITTED)

    def _execution(self, event: NamesCall) -> None:
        record = self._effects.get(effect_key(event))
        state = record.state.value if record else "unknown"
        node = self._sketch.add(
            NodeKind.EFFECT,
            (self._trace, *effect_key(event)),
            label=f"effect of {name(event.tool)}: {state}",
            trace=self._trace,
            event=event.id,
            state=state,
            facts={
                "tool": name(event.tool),
                "call_id": name(event.call_id),
                "starts": str(record.starts if record else 0),
            },
        )
        self.effects[node] = None
        if isinstance(event, ExecutionStarted):
            self._running[node] = None
        elif isinstance(event, ExecutionCompleted | ExecutionFailed | ExecutionUnknown):
            self._running.pop(node, None)
        permit = self._permits.get((_permit_of(event), call_key(event)))
        if permit is not None:
            self._sketch.link(permit, node, EdgeKind.RAN)
            return
        self._sketch.link(self._call(call_key(event), None, event.id, event.tool), node, EdgeKind.TRIED)


def _permit_of(event: NamesCall) -> str:
    return event.permit if isinstance(event, _EXECUTIONS) else ""
