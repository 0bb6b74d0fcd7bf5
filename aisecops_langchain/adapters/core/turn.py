"""One turn of a model: every call of one message meets policy here, whichever door it came in by.

Invariant: nothing runs here. A turn may be reviewed any number of times (after each approval, after a crash): only
calls without an answer are decided on, and authority is in the ledger, never in what is returned.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from aisecops_langchain.adapters.core.context import opened_whole, read_context, sealed
from aisecops_langchain.adapters.core.place import Place
from aisecops_langchain.adapters.nodes.orders import read_order
from aisecops_langchain.adapters.translate.answers import refusal
from aisecops_langchain.adapters.translate.calls import proposals_of, with_edits
from aisecops_langchain.adapters.translate.turns import answered_after, last_turn
from aisecops_langchain.canonical import digest
from aisecops_langchain.domain.labels import NEUTRAL, UNLABELLED
from aisecops_langchain.domain.plan import ExecutionPlan, RejectedCall
from aisecops_langchain.errors import AisecopsError
from aisecops_langchain.provenance import LabelledText, Opened, SealedLabel
from aisecops_langchain.runtime.decisions.case import Proposal
from aisecops_langchain.runtime.decisions.verdicts import Denied, NeedsApproval, Permitted, Verdict
from aisecops_langchain.runtime.governor import Governor
from aisecops_langchain.runtime.plans.planner import ProposedCall
from aisecops_langchain.runtime.plans.reference import PlanReference, context_name
from aisecops_langchain.runtime.plans.tasks import Toolbox

_LOG = logging.getLogger(__name__)

_UNAVAILABLE = Denied("unavailable", "The governance layer cannot decide right now.")
_UNPLANNED = Denied("not_planned", "The call does not belong to a recorded plan.")
_NOBODY_TO_ASK = Denied("no_checkpointer", "The call needs a person's approval, and this graph cannot wait for one.")
_ASKED = Denied("approval_pending", "The call needs a person's approval, which was asked for and is not given yet.")


@dataclass(slots=True)
class Ruling:
    """What becomes of the calls of one turn."""

    original: AIMessage
    """The message as state holds it."""
    message: AIMessage
    """The same with what people edited in it; the very object if nobody did."""
    reference: PlanReference | None
    """The plan that the calls belong to."""
    permits: dict[str, str] = field(default_factory=dict)
    """Ids of permits, by call id."""
    questions: list[str] = field(default_factory=list)
    """Ids of the calls that a person has to be asked about."""
    refusals: list[ToolMessage] = field(default_factory=list)
    labels: dict[str, SealedLabel] = field(default_factory=dict)
    stop: bool = False
    """Whether the model insists on what was refused, so that the run has to end."""
    waits: bool = False
    """Whether nothing was decided, because the run is for another person than the one whose calls these are."""

    @property
    def plan(self) -> str:
        """Id of the plan."""
        return self.reference.plan if self.reference else ""

    def following(self) -> dict[str, Any]:
        """Say what comes next, as plain JSON for the governance channel."""
        if self.stop:
            return {"stop": "stopped", "reason": "Refused calls were proposed again and again."}
        return {"approvals": self.questions, "permits": self.permits}

    def changed(self) -> list[BaseMessage]:
        """Return the message anew, if it was edited and nobody has to be asked any more."""
        settled = not self.questions and not self.stop
        return [self.message] if settled and self.message is not self.original else []


class TurnReview:
    """Plans, records and decides on the calls of a model's last message.

    Args:
        tools: The tools within reach, governed.
        governor: Decides and records.
        system_prompt: The agent's own instructions, as the model was shown them.
        require_plan: Whether calls are refused that were not recorded when the model was asked.
        leave_answered: Whether calls that somebody answered before the review stay out of the plan, as those that the
            host itself answers, for structured output.
        unseen: Whether the model saw more than the messages show, so that nothing vouches for its context.
        must_pause: Whether to ask only where the run can wait; otherwise the question is kept for whoever answers it
            from elsewhere, and the call is refused meanwhile.
        by_message: Whether a turn without a recorded plan is known by its message, so that the same message reviewed
            in another place of the graph's history, or call by call, is the same turn and runs nothing again.
    """

    def __init__(
        self,
        tools: Toolbox,
        governor: Governor,
        *,
        system_prompt: str | None = None,
        require_plan: bool = False,
        leave_answered: bool = False,
        unseen: bool = False,
        must_pause: bool = True,
        by_message: bool = False,
    ) -> None:
        self._tools = tools
        self._governor = governor
        self._system_prompt = system_prompt
        self._require_plan = require_plan
        self._leave_answered = leave_answered
        self._unseen = unseen
        self._must_pause = must_pause
        self._by_message = by_message

    def review(self, place: Place) -> Ruling | None:
        """Decide on every call that has no answer yet.

        Args:
            place: Where, with the conversation and the governance channel as found there.

        Returns:
            The ruling, or ``None`` if the last word is not a proposal.

        Raises:
            AuditWriteError: If the plan could not be recorded.
            SanitizeError: If the conversation could not be inspected.
        """
        turn = last_turn(place.messages)
        if turn is None:
            return None
        index, original = turn
        reference = self._governor.planner.recognise(place.memory.get("plan"), place.scope)
        waiting = self._asked_for_others(place, original) if reference is None else []
        if waiting:  # nobody's call is decided on in another's name: it waits for whom the run is for
            return Ruling(original, original, None, questions=waiting, waits=True)
        message = with_edits(original, _edits(place))
        answered = answered_after(place.messages, index)
        proposals = proposals_of(message)
        if self._leave_answered:
            proposals = [proposal for proposal in proposals if proposal.call_id not in answered]
        plan, reference = self._plan(place, index, proposals, reference)
        ruling = Ruling(original, message, reference)
        if plan.rejected:  # whoever asked the model wrote the same event, unless the message changed since
            self._governor.planner.record_rejected(plan.id, plan.rejected, place.scope)
        self._rule(ruling, place, plan, answered)
        if ruling.changed():
            label, _, speaker = opened_whole(self._governor, place, original) or Opened(UNLABELLED)
            ruling.labels |= sealed(self._governor, place, message, label, speaker=speaker)
        return ruling

    def _rule(self, ruling: Ruling, place: Place, plan: ExecutionPlan, answered: Collection[str]) -> None:
        for rejected in plan.rejected:
            if rejected.call_id not in answered:
                self._refuse(ruling, place, rejected.call_id, rejected.tool, Denied(rejected.code, rejected.message))
        for position, step in enumerate(plan.steps):
            if step.call_id not in answered:
                verdict = self._decide(place, plan, position, ruling.reference)
                self._settle(ruling, place, plan, position, verdict)

    def _asked_for_others(self, place: Place, message: AIMessage) -> list[str]:
        """Name the calls of which somebody was asked while the run was for another person than it is now.

        The plan is taken from state unproved, since its seal opens for nobody else: a forged one finds no request, and
        whatever is found is only asked about again.
        """
        claimed = place.memory.get("plan")
        plan = claimed.get("plan") if isinstance(claimed, Mapping) else None
        if not isinstance(plan, str):
            return []
        waiting = []
        for call in message.tool_calls:
            try:
                binding = read_order(
                    {"call": call, "plan": plan}, self._tools, place.scope, self._governor.pseudonyms
                ).binding
                record = self._governor.approvals.find(binding.approval_key())
            except AisecopsError:
                continue
            if record is None or not binding.same_but_person(record.binding):
                continue
            if binding.claims() != record.binding.claims():
                waiting.append(binding.call_id)
        return waiting

    def _plan(
        self, place: Place, index: int, proposals: Sequence[ProposedCall], reference: PlanReference | None
    ) -> tuple[ExecutionPlan, PlanReference | None]:
        """Make the plan again from the message itself; state's reference only says which plan it claims to be."""
        planner = self._governor.planner
        plan = planner.recall(reference, proposals, self._tools, place.scope) if reference else None
        if plan is None:
            plan = self._plan_anew(place, index, proposals, reference)
        if reference is None and not self._require_plan:
            planner.record(plan, place.scope)
            reference = planner.refer(plan, place.scope)
        return plan, reference

    def _plan_anew(
        self, place: Place, index: int, proposals: Sequence[ProposedCall], reference: PlanReference | None
    ) -> ExecutionPlan:
        planner = self._governor.planner
        context = read_context(self._governor, place, place.messages[:index], self._system_prompt)
        contents, frame = context.contents, context.frame
        if self._unseen:
            contents = (*contents, LabelledText("", UNLABELLED))
        known = reference.plan if reference else self._name(place, place.messages[index])
        plan = planner.plan(proposals, contents, self._tools, place.scope, turn=place.task, plan_id=known, frame=frame)
        if reference is None or context_name(plan.context) == reference.context:
            return plan
        # What the model saw is not in state any more: nobody can vouch for it, so it counts as untrusted.
        doubt = [*contents, LabelledText("", UNLABELLED)]
        return planner.plan(
            proposals,
            doubt,
            self._tools,
            place.scope,
            turn=place.task,
            plan_id=reference.plan,
            in_doubt=True,
            frame=frame,
        )

    def _name(self, place: Place, message: BaseMessage) -> str | None:
        """Name the plan of a message, where that is what a turn is known by; whichever of its calls are looked at."""
        if not self._by_message or not message.id:
            return None
        return digest("plan-of-message", [place.scope.principal.tenant, place.scope.thread, message.id])

    def _decide(self, place: Place, plan: ExecutionPlan, position: int, reference: PlanReference | None) -> Verdict:
        step = plan.steps[position]
        planned = reference.calls.get(step.call_id) if reference else None
        if planned is None:
            self._record_rejected(place, plan.id, step.call_id, step.call.tool, _UNPLANNED)
            return _UNPLANNED
        proposal = Proposal(step=step, plan=plan.id, context=plan.context, planned_call=planned, task=plan.task)
        try:
            verdict = self._governor.gate.decide(proposal, place.scope)
            if isinstance(verdict, NeedsApproval):
                return self._ask(place, verdict)
            if isinstance(verdict, Denied) and verdict.code == "changed_after_planning":
                self._record_rejected(place, plan.id, step.call_id, step.call.tool, verdict)
        except AisecopsError as error:
            _LOG.error("call refused, the governance layer failed: %s", error)
            return _UNAVAILABLE
        return verdict

    def _ask(self, place: Place, verdict: NeedsApproval) -> Verdict:
        if not place.can_pause and self._must_pause:
            binding = verdict.binding
            _LOG.error("a call of %s needs approval: compile the graph with a checkpointer", binding.tool)
            self._record_rejected(place, binding.plan, binding.call_id, binding.tool, _NOBODY_TO_ASK)
            return _NOBODY_TO_ASK
        approvals = self._governor.approvals
        approvals.request(verdict.binding, verdict.briefing, verdict.requires, parents=(verdict.event,))
        return verdict if place.can_pause else _ASKED

    def _settle(self, ruling: Ruling, place: Place, plan: ExecutionPlan, position: int, verdict: Verdict) -> None:
        step = plan.steps[position]
        match verdict:
            case Permitted():
                ruling.permits[step.call_id] = verdict.permit.id
            case NeedsApproval():
                ruling.questions.append(step.call_id)
            case Denied():
                self._refuse(ruling, place, step.call_id, step.call.tool, verdict, call=step.call.digest)

    def _refuse(
        self, ruling: Ruling, place: Place, call_id: str, tool: str, verdict: Denied, *, call: str | None = None
    ) -> None:
        answer = refusal(call_id, tool if tool in self._tools else "unknown", verdict.message, code=verdict.code)
        ruling.refusals.append(answer)
        ruling.labels |= sealed(self._governor, place, answer, NEUTRAL)
        try:
            ruling.stop |= self._governor.oversight.must_stop(place.scope, call or f"{tool}: {verdict.code}")
        except AisecopsError as error:
            _LOG.error("the run is stopped, denials cannot be counted: %s", error)
            ruling.stop = True

    def _record_rejected(self, place: Place, plan: str, call_id: str, tool: str, verdict: Denied) -> None:
        rejected = RejectedCall(call_id=call_id, tool=tool, code=verdict.code, message=verdict.message)
        self._governor.planner.record_rejected(plan, (rejected,), place.scope)


def _edits(place: Place) -> dict[str, Mapping[str, Any]]:
    edits = place.memory.get("edits")
    if not isinstance(edits, Mapping):
        return {}
    return {str(call_id): edit for call_id, edit in edits.items() if isinstance(edit, Mapping)}
