"""Governance violations: authority that the log does not account for.

Invariant: a trace has no violation only if every execution follows a permit for exactly its call, every permit a
decision (and, where the decision asked for it, an approval) for exactly its call, and every start has one end. What
stands later in causal order accounts for nothing earlier.
"""

from __future__ import annotations

from collections.abc import Iterator

from aisecops_langchain.domain.decision import Decision, Effect
from aisecops_langchain.domain.events import (
    AnyEvent,
    ApprovalExpired,
    ApprovalGranted,
    ApprovalRejected,
    ApprovalRequested,
    ApprovalResponded,
    DecisionMade,
    EffectResolved,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionLate,
    ExecutionRetried,
    ExecutionStarted,
    ExecutionUnknown,
    GrantUsed,
    PermitIssued,
)
from aisecops_langchain.domain.permit import EffectState
from aisecops_langchain.domain.principal import one_spelling
from aisecops_langchain.forensics.calls import CallKey, Calls, EffectKey, NamesCall, call_key, effect_key, recorded_in
from aisecops_langchain.forensics.gaps import gaps_of
from aisecops_langchain.forensics.problems import Problem, ProblemCode
from aisecops_langchain.forensics.text import name, short
from aisecops_langchain.forensics.trace import Trace

_AfterStart = (
    ExecutionCompleted | ExecutionFailed | ExecutionUnknown | EffectResolved | ExecutionRetried | ExecutionLate
)


def problems_of(trace: Trace) -> tuple[Problem, ...]:
    """Find everything that a trace fails to account for.

    Args:
        trace: The trace.

    Returns:
        Gaps in the record first, then violations in causal order; empty for a lawful, complete trace.
    """
    walk = _Walk(Calls(trace.events))
    violations = [problem for event in trace.events for problem in walk.visit(event)]
    return (*gaps_of(trace), *violations, *walk.unended())


class _Walk:
    """Goes through a trace once and remembers the authority seen so far."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._recorded: set[CallKey] = set()
        self._decided: dict[CallKey, Decision] = {}
        self._requests: dict[str, ApprovalRequested] = {}
        self._answers: dict[str, AnyEvent] = {}
        self._granted: dict[str, set[CallKey]] = {}
        self._covered: set[tuple[str, str, CallKey]] = set()
        self._permits: dict[str, PermitIssued] = {}
        self._used: set[str] = set()
        self._starts: dict[EffectKey, ExecutionStarted] = {}
        self._ends: dict[EffectKey, AnyEvent] = {}

    def visit(self, event: AnyEvent) -> Iterator[Problem]:
        """Yield what the log so far does not account for in this event, then remember it."""
        match event:
            case DecisionMade():
                yield from self._decision(event)
            case ApprovalRequested():
                self._requests.setdefault(event.approval, event)
            case ApprovalGranted() | ApprovalRejected() | ApprovalResponded() | ApprovalExpired():
                yield from self._answer(event)
            case GrantUsed():
                self._covered.add((event.grant, event.permit, call_key(event)))
            case PermitIssued():
                yield from self._permit(event)
            case ExecutionStarted():
                yield from self._start(event)
            case ExecutionCompleted() | ExecutionFailed() | ExecutionUnknown() | EffectResolved():
                yield from self._end(event)
            case ExecutionRetried() | ExecutionLate():
                yield from self._begun(event)
            case _:
                pass
        self._recorded.update((plan, call.call_id, call.digest) for plan, call in recorded_in(event))

    def unended(self) -> Iterator[Problem]:
        """Yield the executions whose end the log does not hold."""
        for key, start in self._starts.items():
            if key not in self._ends:
                yield self._problem(
                    ProblemCode.NO_END, start, "was started and the log holds no end: its effect is unknown"
                )

    def _decision(self, event: DecisionMade) -> Iterator[Problem]:
        key = (event.plan, event.call.call_id, event.call.digest)
        if key not in self._recorded:
            yield Problem(
                code=ProblemCode.DECISION_WITHOUT_PLAN,
                message=f"a call of {name(event.call.tool)} was decided on that no earlier plan or edit contains",
                event=event.id,
                plan=event.plan,
                call_id=event.call.call_id,
            )
        self._decided[key] = event.decision

    def _answer(
        self, event: ApprovalGranted | ApprovalRejected | ApprovalResponded | ApprovalExpired
    ) -> Iterator[Problem]:
        request = self._requests.get(event.approval)
        if request is None or call_key(request) != call_key(event):
            yield self._problem(ProblemCode.ANSWER_WITHOUT_REQUEST, event, "was answered without having been asked")
        if event.approval in self._answers:
            yield self._problem(ProblemCode.ANSWERED_TWICE, event, "was answered a second time")
        self._answers[event.approval] = event
        if not isinstance(event, ApprovalGranted):
            self._granted.pop(event.approval, None)
            return
        if request is not None and event.time >= request.expires_at:
            yield self._problem(ProblemCode.APPROVED_AFTER_EXPIRY, event, "was approved after the request had expired")
        if request is not None and _persons(event) < max((item.approvers for item in request.requires), default=1):
            yield self._problem(ProblemCode.TOO_FEW_APPROVERS, event, "was approved by fewer persons than it takes")
        allowed = (event.plan, event.call_id, event.call if event.edited is None else event.edited)
        self._granted.setdefault(event.approval, set()).add(allowed)
        self._recorded.add(allowed)  # an edit is where the edited call comes from

    def _permit(self, event: PermitIssued) -> Iterator[Problem]:
        decision = self._decided.get(call_key(event))
        if decision is None:
            yield self._problem(
                ProblemCode.PERMIT_WITHOUT_DECISION, event, "got a permit without an earlier decision on it"
            )
        elif decision.effect is Effect.DENY:
            yield self._problem(ProblemCode.PERMIT_FOR_DENIED_CALL, event, "got a permit although it had been denied")
        elif decision.effect is Effect.REQUIRE_APPROVAL and not self._approved(event):
            yield self._problem(
                ProblemCode.PERMIT_WITHOUT_APPROVAL, event, "got a permit without the approval that policy asked for"
            )
        self._permits.setdefault(event.permit, event)

    def _approved(self, event: PermitIssued) -> bool:
        """Whether an approval of this call, or a grant that was counted for it, accounts for a permit."""
        if event.grant is not None:
            return (event.grant, event.permit, call_key(event)) in self._covered
        return event.approval is not None and call_key(event) in self._granted.get(event.approval, set())

    def _start(self, event: ExecutionStarted) -> Iterator[Problem]:
        permit = self._permits.get(event.permit)
        key = effect_key(event)
        if permit is None:
            yield self._problem(ProblemCode.EXECUTION_WITHOUT_PERMIT, event, "was started without an earlier permit")
        elif (call_key(permit), permit.tool) != (call_key(event), event.tool):
            yield self._problem(
                ProblemCode.EXECUTION_OF_OTHER_CALL,
                event,
                f"was started under permit {short(event.permit)}, which is for another call",
            )
        elif event.time >= permit.expires_at:
            yield self._problem(ProblemCode.EXECUTION_AFTER_EXPIRY, event, "was started after its permit had expired")
        if key in self._starts and key in self._ends and event.idempotent:
            # An end is recorded before the ledger keeps it: killed in between, the effect still counts as begun.
            what = "was started again after an end had been recorded; its tool is idempotent"
            yield self._problem(ProblemCode.RESTARTED_AFTER_END, event, what)
        elif key in self._starts and key in self._ends:
            yield self._problem(ProblemCode.EFFECT_STARTED_TWICE, event, "was started again after it had ended")
        elif key in self._starts and event.idempotent:
            pass  # lawful: the process that started it ended, and policy says that the tool may run again
        elif key in self._starts:
            what = "was started again though its first start has no end and its tool is not idempotent"
            yield self._problem(ProblemCode.RESTARTED_WITHOUT_END, event, what)
        elif event.permit in self._used:
            yield self._problem(
                ProblemCode.PERMIT_USED_TWICE, event, f"was started under permit {short(event.permit)}, used before"
            )
        self._used.add(event.permit)
        self._starts[key] = event
        self._ends.pop(key, None)

    def _end(
        self, event: ExecutionCompleted | ExecutionFailed | ExecutionUnknown | EffectResolved
    ) -> Iterator[Problem]:
        key = effect_key(event)
        yield from self._begun(event)
        earlier = self._ends.get(key)
        known = None if earlier is None else _outcome(earlier)
        if known is not None and _outcome(event) is None:
            return  # whoever saw the end died before the ledger had it; not to know is no contradiction
        if earlier is not None and known not in (None, _outcome(event)):
            yield self._problem(
                ProblemCode.CONFLICTING_ENDS, event, f"has a second end: {earlier.kind}, then {event.kind}"
            )
        self._ends[key] = event

    def _begun(self, event: _AfterStart) -> Iterator[Problem]:
        start = self._starts.get(effect_key(event))
        if start is None or (call_key(start), start.permit) != (call_key(event), event.permit):
            yield self._problem(ProblemCode.END_WITHOUT_START, event, f"has an end ({event.kind}) without a start")

    def _problem(self, code: ProblemCode, event: NamesCall, what: str) -> Problem:
        """State a fact about the call that an event is event."""
        return Problem(
            code=code,
            message=f"{self._calls.show(event)} {what}",
            event=event.id,
            plan=event.plan,
            call_id=event.call_id,
        )


def _persons(event: ApprovalGranted) -> int:
    """Count who said yes, each person once."""
    return len({one_spelling(approver.id) for approver in (event.approver, *event.voted)})


def _outcome(end: AnyEvent) -> str | None:
    """Tell how an effect ended, or that nobody knows."""
    match end:
        case ExecutionCompleted():
            return EffectState.COMPLETED
        case ExecutionFailed():
            return EffectState.FAILED
        case EffectResolved():
            return end.outcome
        case _:
            return None
