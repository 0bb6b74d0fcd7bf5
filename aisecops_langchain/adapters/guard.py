"""The guard node: every proposed call meets policy here, and leaves with a permit, a question or a refusal.

Invariant: nothing runs here. The node may be passed any number of times for one turn (after each approval, after a
crash): it decides on the calls that have no answer yet, and authority is in the ledger, never in what it returns.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import RunnableConfig

from aisecops_langchain.adapters.context import opened_label, read_context, sealed
from aisecops_langchain.adapters.node import GovernanceNode
from aisecops_langchain.adapters.place import Place, PrincipalSource
from aisecops_langchain.adapters.state import CHANNEL, MESSAGES
from aisecops_langchain.adapters.translate import answered_after, last_turn, proposals_of, refusal, with_edits
from aisecops_langchain.domain.labels import NEUTRAL, UNLABELLED
from aisecops_langchain.domain.plan import ExecutionPlan, RejectedCall
from aisecops_langchain.errors import AisecopsError
from aisecops_langchain.provenance import LabelledText, SealedLabel
from aisecops_langchain.runtime.case import Proposal
from aisecops_langchain.runtime.gate import Denied, NeedsApproval, Permitted, Verdict
from aisecops_langchain.runtime.governor import Governor
from aisecops_langchain.runtime.plan_reference import PlanReference, context_name
from aisecops_langchain.runtime.tasks import Toolbox

_LOG = logging.getLogger(__name__)

_UNAVAILABLE = Denied("unavailable", "The governance layer cannot decide right now.")
_UNPLANNED = Denied("not_planned", "The call does not belong to a recorded plan.")
_NOBODY_TO_ASK = Denied("no_checkpointer", "The call needs a person's approval, and this graph cannot wait for one.")


@dataclass(slots=True)
class _Outcome:
    """What becomes of the calls of one turn."""

    permits: dict[str, str] = field(default_factory=dict)
    questions: list[str] = field(default_factory=list)
    refusals: list[BaseMessage] = field(default_factory=list)
    labels: dict[str, SealedLabel] = field(default_factory=dict)
    stop: bool = False


class ToolGuardNode(GovernanceNode):
    """Decides on the calls of the model's last message.

    Args:
        tools: The tools within reach, governed.
        governor: Decides and records.
        principal: Who acts.
        system_prompt: The agent's own instructions, as the planning node shows them.
        require_plan: Whether calls are refused that no planning node of ours recorded. Leave it off only where
            another node calls the model; policy still decides on every call.
    """

    def __init__(
        self,
        tools: Toolbox,
        governor: Governor,
        principal: PrincipalSource,
        *,
        system_prompt: str | None = None,
        require_plan: bool = False,
    ) -> None:
        super().__init__(governor, principal)
        self._tools = tools
        self._system_prompt = system_prompt
        self._require_plan = require_plan

    def run(self, state: Mapping[str, Any], config: RunnableConfig | None) -> dict[str, Any]:
        """Decide on every call that has no answer yet."""
        place = self.locate(state, config)
        turn = last_turn(place.messages)
        if turn is None:
            return {CHANNEL: {"trace": place.scope.trace, "next": {}}}
        index, original = turn
        message = with_edits(original, _edits(place))
        plan, reference = self._plan(place, index, message)
        answered = answered_after(place.messages, index)
        outcome = _Outcome()
        if plan.rejected:  # the planning node wrote the same event, unless the message changed since
            self._governor.planner.record_rejected(plan.id, plan.rejected, place.scope)
        for rejected in plan.rejected:
            if rejected.call_id not in answered:
                self._refuse(outcome, place, rejected.call_id, rejected.tool, Denied(rejected.code, rejected.message))
        for position, step in enumerate(plan.steps):
            if step.call_id not in answered:
                verdict = self._decide(place, plan, position, reference)
                self._settle(outcome, place, plan, position, verdict)
        return self._update(place, original, message, reference, outcome)

    def _plan(self, place: Place, index: int, message: AIMessage) -> tuple[ExecutionPlan, PlanReference | None]:
        """Make the plan again from the message itself; state's reference only says which plan it claims to be."""
        planner = self._governor.planner
        reference = planner.recognise(place.memory.get("plan"), place.scope)
        proposals = proposals_of(message)
        plan = planner.recall(reference, proposals, self._tools, place.scope) if reference else None
        if plan is None:
            context = read_context(self._governor, place, place.messages[:index], self._system_prompt)
            plan = planner.plan(
                proposals,
                context.contents,
                self._tools,
                place.scope,
                turn=place.task,
                plan_id=reference.plan if reference else None,
                frame=context.frame,
            )
            if reference is not None and context_name(plan.context) != reference.context:
                # What the model saw is not in state any more: nobody can vouch for it, so it counts as untrusted.
                doubt = [*context.contents, LabelledText("", UNLABELLED)]
                plan = planner.plan(
                    proposals,
                    doubt,
                    self._tools,
                    place.scope,
                    turn=place.task,
                    plan_id=reference.plan,
                    in_doubt=True,
                    frame=context.frame,
                )
        if reference is None and not self._require_plan:
            planner.record(plan, place.scope)
            reference = planner.refer(plan, place.scope)
        return plan, reference

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
        if not place.can_pause:
            binding = verdict.binding
            _LOG.error("a call of %s needs approval: compile the graph with a checkpointer", binding.tool)
            self._record_rejected(place, binding.plan, binding.call_id, binding.tool, _NOBODY_TO_ASK)
            return _NOBODY_TO_ASK
        self._governor.approvals.request(verdict.binding, verdict.briefing, parents=(verdict.event,))
        return verdict

    def _settle(self, outcome: _Outcome, place: Place, plan: ExecutionPlan, position: int, verdict: Verdict) -> None:
        step = plan.steps[position]
        match verdict:
            case Permitted():
                outcome.permits[step.call_id] = verdict.permit.id
            case NeedsApproval():
                outcome.questions.append(step.call_id)
            case Denied():
                self._refuse(outcome, place, step.call_id, step.call.tool, verdict, call=step.call.digest)

    def _refuse(
        self, outcome: _Outcome, place: Place, call_id: str, tool: str, verdict: Denied, *, call: str | None = None
    ) -> None:
        answer = refusal(call_id, tool if tool in self._tools else "unknown", verdict.message, code=verdict.code)
        outcome.refusals.append(answer)
        outcome.labels |= sealed(self._governor, place, answer, NEUTRAL)
        try:
            outcome.stop |= self._governor.must_stop(place.scope, call or f"{tool}: {verdict.code}")
        except AisecopsError as error:
            _LOG.error("the run is stopped, denials cannot be counted: %s", error)
            outcome.stop = True

    def _record_rejected(self, place: Place, plan: str, call_id: str, tool: str, verdict: Denied) -> None:
        rejected = RejectedCall(call_id=call_id, tool=tool, code=verdict.code, message=verdict.message)
        self._governor.planner.record_rejected(plan, (rejected,), place.scope)

    def _update(
        self,
        place: Place,
        original: AIMessage,
        message: AIMessage,
        reference: PlanReference | None,
        outcome: _Outcome,
    ) -> dict[str, Any]:
        following: dict[str, Any] = {"approvals": outcome.questions, "permits": outcome.permits}
        if outcome.stop:
            following = {"stop": "stopped", "reason": "Refused calls were proposed again and again."}
        changed: list[BaseMessage] = []
        labels = outcome.labels
        if message is not original and not outcome.questions and not outcome.stop:
            changed = [message]
            labels |= sealed(
                self._governor, place, message, opened_label(self._governor, place, original) or UNLABELLED
            )
        memory = {
            "trace": place.scope.trace,
            "plan": reference.to_json() if reference else None,
            "next": following,
            "labels": labels,
        }
        return {MESSAGES: [*changed, *outcome.refusals], CHANNEL: memory}


def _edits(place: Place) -> dict[str, Mapping[str, Any]]:
    edits = place.memory.get("edits")
    if not isinstance(edits, Mapping):
        return {}
    return {str(call_id): edit for call_id, edit in edits.items() if isinstance(edit, Mapping)}
