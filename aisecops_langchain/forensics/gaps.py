"""Gaps: what the record of a trace lacks or contradicts, whatever was allowed.

Invariant: each check reads the recorded events only, and an absent event is reported where another one proves it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from aisecops_langchain.canonical import JsonValue
from aisecops_langchain.domain.events import ExecutionStarted, RunStarted, ToolStarted
from aisecops_langchain.domain.plan import CanonicalCall
from aisecops_langchain.errors import CanonicalizationError
from aisecops_langchain.forensics.calls import recorded_in
from aisecops_langchain.forensics.problems import Problem, ProblemCode
from aisecops_langchain.forensics.stages import STAGE_OF, TimelineStage
from aisecops_langchain.forensics.text import call_text, name, short
from aisecops_langchain.forensics.trace import Trace, is_span


def gaps_of(trace: Trace) -> Iterator[Problem]:
    """Find gaps and contradictions in a record.

    Args:
        trace: The trace.

    Yields:
        One problem per gap.
    """
    yield from _broken_links(trace)
    yield from _mixed_scope(trace)
    yield from _altered_calls(trace)
    yield from _unguarded_tools(trace)


def _broken_links(trace: Trace) -> Iterator[Problem]:
    for event_id in trace.conflicting:
        message = "the log holds different events under one id; the earliest is shown"
        yield Problem(code=ProblemCode.CONFLICTING_EVENT, message=message, event=event_id)
    for event_id in trace.cyclic:
        message = "the event claims, through others, to be its own cause"
        yield Problem(code=ProblemCode.CAUSAL_CYCLE, message=message, event=event_id)
    for event_id, parent in trace.missing_parents:
        message = f"the event follows from event {short(parent)}, which the log does not hold"
        yield Problem(code=ProblemCode.MISSING_PARENT, message=message, event=event_id)
    control = TimelineStage.CONTROL  # a stop, a refused warrant or a new policy has a trace of its own, and no run
    governed = [event for event in trace.events if not is_span(event) and STAGE_OF[event.kind] is not control]
    if governed and not any(isinstance(event, RunStarted) for event in governed):
        yield Problem(code=ProblemCode.NO_RUN_START, message="the log does not hold the start of the run")


def _mixed_scope(trace: Trace) -> Iterator[Problem]:
    """Report a run that changes hands; another agent of the same user and tenant is lawful delegation."""
    principal = trace.principal
    governed = [event for event in trace.events if not is_span(event)]
    for event in governed:
        if (event.principal.user, event.principal.tenant) != (principal.user, principal.tenant):
            other = f"user {name(event.principal.user)} of tenant {name(event.principal.tenant)}"
            message = f"the run of user {name(principal.user)} of tenant {name(principal.tenant)} goes on as {other}"
            yield Problem(code=ProblemCode.SEVERAL_PRINCIPALS, message=message, event=event.id)
            break
    for event in governed:
        if event.thread != trace.thread:
            message = f"the run of thread {name(trace.thread)} goes on in thread {name(event.thread)}"
            yield Problem(code=ProblemCode.SEVERAL_THREADS, message=message, event=event.id)
            break


def _altered_calls(trace: Trace) -> Iterator[Problem]:
    """Recompute the digest of every call that is recorded whole: the shown arguments must be the decided ones."""
    for event in trace.events:
        for plan, call in recorded_in(event):
            if call.complete and not _same_digest(call.tool, call.arguments, call.digest):
                yield Problem(
                    code=ProblemCode.CALL_NOT_AS_RECORDED,
                    message=f"{call_text(call.tool, call.arguments)} is not the call that its digest stands for",
                    event=event.id,
                    plan=plan,
                    call_id=call.call_id,
                )


def _same_digest(tool: str, arguments: dict[str, JsonValue], digest: str) -> bool:
    try:
        return CanonicalCall.of(tool, arguments).digest == digest
    except CanonicalizationError:
        return False


def _is_digest(policy: str) -> bool:
    """Whether a policy was in force; chains that are watched but not governed name none."""
    return policy.startswith("sha256:")


def _unguarded_tools(trace: Trace) -> Iterator[Problem]:
    """Compare what the host was seen to run with what was permitted; a tool inside a tool counts with the outer one."""
    spans = [event for event in trace.events if isinstance(event, ToolStarted) and _is_digest(event.policy)]
    tool_runs = {span.run for span in spans}
    seen = Counter(span.name for span in spans if span.parent_run not in tool_runs)
    started = Counter(event.tool for event in trace.events if isinstance(event, ExecutionStarted))
    for tool, times in sorted(seen.items()):
        if times > started[tool]:
            message = f"the host ran {name(tool)} {times} times, but {started[tool]} executions are recorded"
            yield Problem(code=ProblemCode.TOOL_OUTSIDE_GOVERNANCE, message=message)
