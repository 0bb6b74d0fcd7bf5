"""From what a model proposed to an execution plan: canonical calls with the provenance of every argument.

Invariant: a step exists only for a call of a known tool whose arguments passed the tool's schema and whose id is
unique in its plan; everything else is rejected by name. Planning runs nothing and allows nothing.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from aisecops_langchain.canonical import JsonValue, digest
from aisecops_langchain.domain.events import ArgumentsEndorsed, PlanCreated, PlanRejected, RecordedStep, TaskScoped
from aisecops_langchain.domain.labels import Label, join_all
from aisecops_langchain.domain.plan import CanonicalCall, ExecutionPlan, PlanStep, RejectedCall
from aisecops_langchain.domain.scope import Scope
from aisecops_langchain.errors import AisecopsError
from aisecops_langchain.provenance import ContentIndex, LabelledText, attribute_in
from aisecops_langchain.runtime.content.pseudonyms import Pseudonyms
from aisecops_langchain.runtime.plans.reference import PlanReference, PlanReferences
from aisecops_langchain.runtime.plans.tasks import TaskReader, Toolbox
from aisecops_langchain.runtime.ports import ToolContract, is_described
from aisecops_langchain.runtime.recorder import Recorder
from aisecops_langchain.sanitize import Frame
from aisecops_langchain.sealing import Sealer

_MAX_NAME = 64
_MAX_CALL_ID = 256
_REMEMBERED_PLANS = 256
_MARKED = "the arguments hold the mark that sets untrusted content apart"


@dataclass(frozen=True, slots=True)
class ProposedCall:
    """One tool call as the model wrote it."""

    call_id: str
    tool: str
    arguments: Mapping[str, object] | None
    """``None`` where the arguments could not even be parsed."""


class Planner:
    """Makes plans, seals references to them and recognises them again.

    Args:
        recorder: Writes what was proposed.
        sealer: Seals references.
        max_calls: More calls than this in one plan are rejected.
        tasks: Reads the user's words for what they ask for; left out where no rule wants to know.
        today: Today's date from configuration, for dates that the user spells without a year.
        pseudonyms: Gives calls the values that pseudonyms stand for.

    Attributes:
        refer: Seals a reference to a plan: ``PlanReferences.refer``.
        recognise: Opens a reference found in state: ``PlanReferences.recognise``.
    """

    def __init__(
        self,
        recorder: Recorder,
        sealer: Sealer,
        *,
        max_calls: int,
        tasks: TaskReader | None = None,
        today: date | None = None,
        pseudonyms: Pseudonyms | None = None,
    ) -> None:
        self._recorder = recorder
        references = PlanReferences(sealer)
        self.refer = references.refer
        self.recognise = references.recognise
        self._max_calls = max_calls
        self._tasks = tasks
        self._today = today
        self._pseudonyms = pseudonyms
        self._made: dict[tuple[str, str], tuple[tuple[ProposedCall, ...], ExecutionPlan]] = {}

    def limit(self, max_calls: int) -> None:
        """Reject more calls than this in one plan from now on.

        Args:
            max_calls: The bound.
        """
        self._max_calls = max_calls

    def plan(
        self,
        proposals: Sequence[ProposedCall],
        contents: Sequence[LabelledText],
        tools: Toolbox,
        scope: Scope,
        *,
        turn: str,
        plan_id: str | None = None,
        in_doubt: bool = False,
        frame: Frame | None = None,
    ) -> ExecutionPlan:
        """Make the plan for one turn of the model; the same turn gives the same plan.

        Args:
            proposals: What the model proposed.
            contents: Everything that it saw, labelled.
            tools: What is within its reach.
            scope: Where.
            turn: Identity of the turn, stable when its node is executed again.
            plan_id: Identity of a plan made before for this turn, where one is known.
            in_doubt: Whether the contents are not those that the model saw; nobody then knows what was asked for.
            frame: How untrusted content was set apart in what it saw; its mark must not get into a call.

        Returns:
            The plan; malformed calls stand in ``rejected``.
        """
        context = join_all(item.label for item in contents)
        seen = ContentIndex(self._lifted(contents, scope), context, today=self._today)
        task = self._tasks.task(contents, tools, scope) if self._tasks and not in_doubt else None
        times = Counter(proposal.call_id for proposal in proposals)
        steps: list[PlanStep] = []
        rejected: list[RejectedCall] = []
        for position, proposal in enumerate(proposals):
            outcome = self._refuse(proposal, position, times) or self._step(proposal, seen, tools, scope, frame)
            if isinstance(outcome, PlanStep):
                steps.append(outcome)
            else:
                rejected.append(outcome)
        identity = plan_id or _identity(scope, turn, proposals, steps)
        plan = ExecutionPlan.of(
            plan_id=identity, steps=tuple(steps), rejected=tuple(rejected), context=context, task=task
        )
        self._remember(scope, tuple(proposals), plan)
        return plan

    def recall(
        self, reference: PlanReference, proposals: Sequence[ProposedCall], tools: Toolbox, scope: Scope
    ) -> ExecutionPlan | None:
        """Find a plan that this process made a moment ago, rather than make it again.

        Args:
            reference: Which plan; recognised, so that its seal is known to be ours.
            proposals: The calls as they stand now.
            tools: What is within reach.
            scope: Where.

        Returns:
            The plan, or ``None`` if it is not remembered or a call or a tool changed meanwhile.
        """
        proposed, plan = self._made.get((scope.thread, reference.plan), ((), None))
        if plan is None or proposed != tuple(proposals):
            return None
        for step in plan.steps:
            tool = tools.get(step.call.tool)
            if tool is None or tool.definition() != step.tool_definition:
                return None
        return plan

    def context_of(self, scope: Scope, plan_id: str) -> Label | None:
        """Tell what the model had seen when it made a plan, if this process remembers the plan."""
        _, plan = self._made.get((scope.thread, plan_id), ((), None))
        return None if plan is None else plan.context

    def _remember(self, scope: Scope, proposals: tuple[ProposedCall, ...], plan: ExecutionPlan) -> None:
        if len(self._made) >= _REMEMBERED_PLANS:
            self._made.clear()
        self._made[scope.thread, plan.id] = (copy.deepcopy(proposals), plan)  # the message may be changed in place

    def record(self, plan: ExecutionPlan, scope: Scope, *, parents: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Write the plan, and what was rejected of it, to the log.

        Args:
            plan: The plan.
            scope: Where.
            parents: Ids of the events that led to it.

        Returns:
            Ids of the events written.

        Raises:
            AuditWriteError: If they could not be written.
        """
        written: list[str] = []
        if plan.task is not None and self._tasks is not None and self._tasks.is_new(scope, plan.task):
            written.append(self._recorder.record(TaskScoped, scope, plan.task.digest, parents=parents, asked=plan.task))
        if plan.steps:
            steps = tuple(
                RecordedStep(
                    call=self._recorder.call(step.call_id, step.call),
                    tool_definition=step.tool_definition,
                    provenance=step.provenance,
                )
                for step in plan.steps
            )
            facts = {"plan": plan.id, "plan_digest": plan.digest, "steps": steps, "context": plan.context}
            written.append(self._recorder.record(PlanCreated, scope, plan.id, plan.digest, parents=parents, **facts))
            for step in plan.steps:
                self._record_endorsed(plan, step, scope, written[-1])
        if plan.rejected:
            written.append(self.record_rejected(plan.id, plan.rejected, scope, parents=parents))
        return tuple(written)

    def _record_endorsed(self, plan: ExecutionPlan, step: PlanStep, scope: Scope, event: str) -> None:
        raised = tuple(item for item in step.provenance if item.label.integrity.rank > plan.context.integrity.rank)
        if raised:
            about = {"plan": plan.id, "call_id": step.call_id, "tool": step.call.tool, "call": step.call.digest}
            identity = (plan.id, plan.digest, step.call_id)
            self._recorder.record(ArgumentsEndorsed, scope, *identity, parents=(event,), endorsed=raised, **about)

    def record_rejected(
        self, plan_id: str, rejected: tuple[RejectedCall, ...], scope: Scope, *, parents: tuple[str, ...] = ()
    ) -> str:
        """Write calls that were refused before any decision to the log, ids cut; returns the event's id."""
        identity = [part for item in rejected for part in (item.call_id, item.code)]
        rejected = tuple(item.model_copy(update={"call_id": item.call_id[:_MAX_CALL_ID]}) for item in rejected)
        return self._recorder.record(
            PlanRejected, scope, plan_id, *identity, parents=parents, plan=plan_id, rejected=rejected
        )

    def _lifted(self, contents: Sequence[LabelledText], scope: Scope) -> Sequence[LabelledText]:
        """Read contents with values in place of pseudonyms, as the arguments that are traced to them have them."""
        known = self._pseudonyms
        return contents if known is None else [replace(item, text=known.lifted(item.text, scope)) for item in contents]

    def _arguments(self, tool: ToolContract, raw: Mapping[str, object], scope: Scope) -> dict[str, JsonValue]:
        known = self._pseudonyms
        return tool.canonical_arguments(raw) if known is None else known.arguments(tool, raw, scope)

    def _refuse(self, proposal: ProposedCall, index: int, times: Counter[str]) -> RejectedCall | None:
        if not (_is_text(proposal.call_id) and _is_text(proposal.tool)):
            return _rejected(proposal, "malformed_call", "the id or the name of the call is not valid Unicode")
        if not proposal.call_id:
            return _rejected(proposal, "missing_call_id", "a tool call needs an id")
        if len(proposal.call_id) > _MAX_CALL_ID:  # it would stand in every event and row of the call
            return _rejected(proposal, "malformed_call", f"the id of a call has at most {_MAX_CALL_ID} characters")
        if times[proposal.call_id] > 1:
            return _rejected(proposal, "duplicate_call_id", "two calls of one turn carry the same id")
        if index >= self._max_calls:
            return _rejected(proposal, "too_many_calls", f"a plan holds at most {self._max_calls} calls")
        return None

    def _step(
        self, proposal: ProposedCall, index: ContentIndex, tools: Toolbox, scope: Scope, frame: Frame | None
    ) -> PlanStep | RejectedCall:
        tool = tools.get(proposal.tool)
        if tool is None:
            return _rejected(proposal, "unknown_tool", "no tool of that name is within this agent's reach")
        if proposal.arguments is None:
            return _rejected(proposal, "malformed_arguments", "the arguments are not a JSON object")
        try:
            arguments = self._arguments(tool, proposal.arguments, scope)
            call = CanonicalCall.of(tool.name, arguments)
            definition = tool.definition()
        except AisecopsError as error:
            return _rejected(proposal, "invalid_arguments", str(error))
        if frame is not None and frame.is_in(arguments):
            return _rejected(proposal, "marked_arguments", _MARKED)
        described = tool if is_described(tool) else None
        names = described.documented_names if described else frozenset[str]()
        return PlanStep(
            call_id=proposal.call_id,
            call=call,
            tool_definition=definition,
            provenance=attribute_in(arguments, index, documented=names),
            profile=described.profile if described else None,
        )


def _rejected(proposal: ProposedCall, code: str, message: str) -> RejectedCall:
    call_id, tool = as_text(proposal.call_id), as_text(proposal.tool)[:_MAX_NAME]
    return RejectedCall(call_id=call_id, tool=tool, code=code, message=message)


def as_text(text: str) -> str:
    """Replace what is not valid Unicode, as a checkpointer would.

    Args:
        text: Any string.

    Returns:
        The same string with ``?`` for lone surrogates.
    """
    return text.encode("utf-8", "replace").decode()


def _is_text(text: str) -> bool:
    return as_text(text) == text


def _identity(scope: Scope, turn: str, proposals: Sequence[ProposedCall], steps: Sequence[PlanStep]) -> str:
    calls: list[JsonValue] = [[step.call_id, step.call.digest] for step in steps]
    names: list[JsonValue] = [[as_text(item.call_id), as_text(item.tool)] for item in proposals]
    return digest("plan-id", [scope.principal.tenant, scope.thread, turn, names, calls])
