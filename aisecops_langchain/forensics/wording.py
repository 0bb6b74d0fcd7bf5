"""One sentence per event: who, what and why.

Invariant: every event kind has a sentence of its own, and every word in it that comes from the log went through
``text``, so that a sentence is one printable line that log content cannot forge.
"""

from __future__ import annotations

from functools import singledispatchmethod

from aisecops_langchain.domain.decision import Effect
from aisecops_langchain.domain.events import (
    AnyEvent,
    ApprovalAnswerRefused,
    ApprovalEscalated,
    ApprovalExpired,
    ApprovalGranted,
    ApprovalRejected,
    ApprovalRequested,
    ApprovalResponded,
    ApprovalVoted,
    ArgumentsEndorsed,
    BudgetExhausted,
    CapabilityAllowed,
    CapabilityBlocked,
    CheckpointRefused,
    ContentAdmitted,
    ContentBlocked,
    ContentSanitized,
    DecisionMade,
    EffectResolved,
    Event,
    ExecutionBlocked,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionLate,
    ExecutionRetried,
    ExecutionStarted,
    ExecutionUnknown,
    GrantEnded,
    GrantGiven,
    GrantRevoked,
    GrantUsed,
    IdentityRefused,
    MemoryBlocked,
    MemoryErased,
    MemoryRead,
    MemoryTampered,
    MemoryWritten,
    ModelFailed,
    ModelFinished,
    ModelStarted,
    OutputAllowed,
    OutputBlocked,
    PermitIssued,
    PlanCreated,
    PlanRejected,
    PolicyAllowed,
    PolicyBlocked,
    PolicyLoaded,
    PromptAllowed,
    PromptBlocked,
    RetrievalFailed,
    RetrievalFinished,
    RetrievalStarted,
    RunFinished,
    RunPaused,
    RunResumed,
    RunStarted,
    StopLifted,
    StopOrdered,
    StopReported,
    TaskScoped,
    ToolFailed,
    ToolFinished,
    ToolStarted,
    WarrantIssued,
    WarrantRefused,
)
from aisecops_langchain.forensics.calls import Calls
from aisecops_langchain.forensics.grants import tell_grant
from aisecops_langchain.forensics.phrases import because, node, person
from aisecops_langchain.forensics.text import call_text, name, names, reasons, said, short
from aisecops_langchain.forensics.trace import Trace
from aisecops_langchain.forensics.wording_content import content_told, memory_told

_VERBS = {Effect.ALLOW: "allowed", Effect.DENY: "denied", Effect.REQUIRE_APPROVAL: "left to a person"}


class Narrator:
    """Tells the events of one trace in words.

    Args:
        trace: The trace; its recorded arguments are shown wherever a call is named.
    """

    def __init__(self, trace: Trace) -> None:
        self._calls = Calls(trace)

    def tell(self, event: AnyEvent) -> str:
        """Tell one event.

        Args:
            event: An event of the trace.

        Returns:
            One printable sentence.
        """
        return self._tell(event)

    @singledispatchmethod
    def _tell(self, event: Event) -> str:
        raise TypeError(f"no sentence for events of kind {name(event.kind)}")

    @_tell.register
    def _(self, event: RunStarted) -> str:
        who = event.principal
        tools = names(event.tools) or "none"
        return f"Agent {name(who.agent)} began for user {name(who.user)} of tenant {name(who.tenant)}; tools: {tools}"

    @_tell.register
    def _(self, event: IdentityRefused) -> str:
        return f"Nobody was identified for agent {name(event.principal.agent)}{because(event.reason)}"

    @_tell.register
    def _(self, event: CheckpointRefused) -> str:
        which = f"Checkpoint {name(event.checkpoint)}" if event.checkpoint else "The state"
        where = f"thread {name(event.thread)} in store {name(event.store)}"
        return f"{which} of {where} was refused ({name(event.code)}){because(event.reason)}"

    @_tell.register
    def _(self, event: WarrantIssued) -> str:
        claims = event.claims
        return f"{name(claims.delegator)} let {name(claims.agent)} act in its place; tools: {names(claims.tools)}"

    @_tell.register
    def _(self, event: WarrantRefused) -> str:
        who = name(event.principal.agent)
        return f"Agent {who} was refused under warrant {short(event.warrant)}{because(event.reason)}"

    @_tell.register
    def _(self, event: StopOrdered) -> str:
        return f"{name(event.by) or 'Somebody'} stopped {event.stop} {name(event.target)}{because(event.reason)}"

    @_tell.register
    def _(self, event: StopLifted) -> str:
        who = name(event.by) or "Somebody"
        return f"{who} lifted the stop of {event.stop} {name(event.target)}{because(event.reason)}"

    @_tell.register
    def _(self, event: StopReported) -> str:
        begun = f"{event.running} running, {event.unknown} unknown, {event.ran} done, {event.failed} failed"
        return f"The stop of {event.stop} {name(event.target)} kept {event.stopped} effects from starting; {begun}"

    @_tell.register
    def _(self, event: PolicyLoaded) -> str:
        if event.fault:
            return f"The next policy could not be read, so everything is denied{because(event.fault)}"
        return f"Policy {name(event.bundle)} {short(event.policy)} came into force after {short(event.previous)}"

    @_tell.register
    def _(self, event: RunPaused) -> str:
        return f"The run waits for a person to answer approval {short(event.waiting_for)}"

    @_tell.register
    def _(self, event: RunResumed) -> str:
        return f"The run goes on after an answer to approval {short(event.answered)}"

    @_tell.register
    def _(self, event: RunFinished) -> str:
        return f"The run ended: {event.outcome}" + because(event.reason)

    @_tell.register
    def _(
        self,
        event: ContentAdmitted
        | ContentSanitized
        | ContentBlocked
        | PromptAllowed
        | PromptBlocked
        | OutputAllowed
        | OutputBlocked,
    ) -> str:
        return content_told(event)

    @_tell.register
    def _(self, event: MemoryWritten | MemoryRead | MemoryErased | MemoryBlocked | MemoryTampered) -> str:
        return memory_told(event)

    @_tell.register
    def _(self, event: BudgetExhausted) -> str:
        return f"The model was not asked again: {names(event.budgets)} used up"

    @_tell.register
    def _(self, event: TaskScoped) -> str:
        asked = names(event.asked.tools) if event.asked.tools else "no tool"
        return f"The user's own words ask for {asked}"

    @_tell.register
    def _(self, event: PlanCreated) -> str:
        steps = ", ".join(call_text(step.call.tool, step.call.arguments) for step in event.steps)
        return f"The model proposed {steps}, having seen {event.context.integrity} content"

    @_tell.register
    def _(self, event: ArgumentsEndorsed) -> str:
        told = (f"{name(item.argument)} ({name(item.method)}, {item.label.integrity})" for item in event.endorsed)
        return f"Of {name(event.tool)}, more trusted than what the model had seen: {', '.join(told)}"

    @_tell.register
    def _(self, event: PlanRejected) -> str:
        calls = "; ".join(f"{name(item.tool)} ({name(item.code)}) {said(item.message)}" for item in event.rejected)
        return f"Proposed calls were refused before any decision: {calls}"

    @_tell.register
    def _(self, event: CapabilityAllowed) -> str:
        who = name(event.principal.agent)
        return f"Capability {name(event.capability)} of agent {who} covers {self._calls.show(event)}"

    @_tell.register
    def _(self, event: CapabilityBlocked) -> str:
        who = name(event.principal.agent)
        return f"No capability of agent {who} covers {self._calls.show(event)}: {reasons(event.reasons)}"

    @_tell.register
    def _(self, event: PolicyAllowed) -> str:
        return f"Rules {names(event.rules)} allow {self._calls.show(event)}"

    @_tell.register
    def _(self, event: PolicyBlocked) -> str:
        by = f"Rules {names(event.rules)} deny" if event.rules else "Policy denies"
        return f"{by} {self._calls.show(event)}: {reasons(event.reasons)}"

    @_tell.register
    def _(self, event: DecisionMade) -> str:
        made = event.decision
        call = call_text(event.call.tool, event.call.arguments)
        rules = f"rules {names(made.rules)} of " if made.rules else ""
        by = f"{rules}policy {short(made.policy)}"
        return f"{call} was {_VERBS[made.effect]} by {by}: {reasons(made.reasons)}"

    @_tell.register
    def _(self, event: ApprovalRequested) -> str:
        persons = max((item.approvers for item in event.requires), default=1)
        who = "A person is" if persons == 1 else f"At least {persons} persons are"
        return f"{who} asked to approve {self._calls.show(event)} until {event.expires_at.isoformat()}"

    @_tell.register
    def _(self, event: ApprovalVoted) -> str:
        return f"{person(event.approver)} approved {self._calls.show(event)}; {event.missing} more must"

    @_tell.register
    def _(self, event: ApprovalResponded) -> str:
        return f"{person(event.approver)} told the model something instead of approving {self._calls.show(event)}"

    @_tell.register
    def _(self, event: ApprovalAnswerRefused) -> str:
        what = f"{name(event.answer)} of {person(event.approver)} for {self._calls.show(event)}"
        return f"The answer {what} does not count ({name(event.code)}); the question stays"

    @_tell.register
    def _(self, event: ApprovalEscalated) -> str:
        by = f" of rule {name(event.rule)}" if event.rule else ""
        waited = f"after {event.after_seconds} seconds{by}"
        return f"Nobody answered about {self._calls.show(event)}; {waited}, {names(event.roles)} may answer"

    @_tell.register
    def _(self, event: ApprovalGranted) -> str:
        if event.edited is not None:
            changed = self._calls.show(event, event.edited)
            return f"{person(event.approver)} changed {self._calls.show(event)} into {changed}"
        return f"{person(event.approver)} approved {self._calls.show(event)}"

    @_tell.register
    def _(self, event: ApprovalRejected) -> str:
        return f"{person(event.approver)} rejected {self._calls.show(event)}{because(event.reason)}"

    @_tell.register
    def _(self, event: ApprovalExpired) -> str:
        return f"Nobody answered in time about {self._calls.show(event)}; it is denied"

    @_tell.register
    def _(self, event: PermitIssued) -> str:
        basis = f" on approval {short(event.approval)}" if event.approval is not None else ""
        basis = f" on grant {short(event.grant)}" if event.grant is not None else basis
        until = event.expires_at.isoformat()
        return f"Permit {short(event.permit)} was issued{basis} for {self._calls.show(event)} until {until}"

    @_tell.register
    def _(self, event: GrantGiven | GrantUsed | GrantEnded | GrantRevoked) -> str:
        return tell_grant(event, self._calls)

    @_tell.register
    def _(self, event: ExecutionStarted) -> str:
        return f"{self._calls.show(event)} was started under permit {short(event.permit)}"

    @_tell.register
    def _(self, event: ExecutionCompleted) -> str:
        return f"{self._calls.show(event)} completed; its result is {event.label.integrity}"

    @_tell.register
    def _(self, event: ExecutionFailed) -> str:
        return f"{self._calls.show(event)} failed with {name(event.error)}"

    @_tell.register
    def _(self, event: ExecutionUnknown) -> str:
        return f"Nobody knows whether {self._calls.show(event)} took effect{because(event.reason)}"

    @_tell.register
    def _(self, event: ExecutionRetried) -> str:
        return (
            f"Attempt {event.attempt} of {self._calls.show(event)} failed with {name(event.error)}; it is tried again"
        )

    @_tell.register
    def _(self, event: ExecutionLate) -> str:
        how = "returned" if event.outcome == "completed" else f"failed with {name(event.error)}"
        return f"{self._calls.show(event)} {how} after nobody waited for it any more"

    @_tell.register
    def _(self, event: EffectResolved) -> str:
        who = f"{event.resolver.capitalize()} {name(event.by)}"
        return f"{who} found out that {self._calls.show(event)} {event.outcome}{because(event.reason)}"

    @_tell.register
    def _(self, event: ExecutionBlocked) -> str:
        return f"{self._calls.show(event)} was kept from running ({name(event.code)}){because(event.reason)}"

    @_tell.register
    def _(self, event: ModelStarted) -> str:
        return f"Model {name(event.name)} was called with {event.messages} messages{node(event.node)}"

    @_tell.register
    def _(self, event: ModelFinished) -> str:
        tokens = f"{event.input_tokens} tokens in, {event.output_tokens} out"
        return f"Model {name(event.name)} answered with {event.tool_calls} tool calls ({tokens})"

    @_tell.register
    def _(self, event: ToolStarted) -> str:
        return f"The host began tool {name(event.name)}{node(event.node)}"

    @_tell.register
    def _(self, event: ToolFinished) -> str:
        return f"The host saw tool {name(event.name)} return"

    @_tell.register
    def _(self, event: RetrievalStarted) -> str:
        return f"Retriever {name(event.name)} was asked{node(event.node)}"

    @_tell.register
    def _(self, event: RetrievalFinished) -> str:
        return f"Retriever {name(event.name)} answered with {event.documents} documents"

    @_tell.register
    def _(self, event: ModelFailed | ToolFailed | RetrievalFailed) -> str:
        what = {ModelFailed: "Model", ToolFailed: "Tool", RetrievalFailed: "Retriever"}[type(event)]
        return f"{what} {name(event.name)} failed with {name(event.error)}"
