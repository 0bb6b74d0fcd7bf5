"""Single calls of which nobody knows the conversation: through review, approval and execution in one go.

Invariant: such a call is decided on as if everything that the model saw were untrusted; its id names it once on its
thread, so that handing it in again runs nothing again; and a question to a person is asked in a graph of its own, so
that the answer can reach no other call.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from langchain_core.messages import AIMessage, ToolCall, ToolMessage
from langchain_core.runnables import RunnableConfig

from aisecops_langchain.adapters.core.asking import Asking
from aisecops_langchain.adapters.core.carrying import Carrier
from aisecops_langchain.adapters.core.context import riding
from aisecops_langchain.adapters.core.place import ApproverSource, Place, PrincipalSource, locate_call, within_call
from aisecops_langchain.adapters.core.turn import Ruling, TurnReview
from aisecops_langchain.adapters.nodes.approval import ApprovalFormat, ApprovalNode
from aisecops_langchain.adapters.nodes.orders import Order, orders_of, read_order
from aisecops_langchain.adapters.state import CHANNEL, merge_governance
from aisecops_langchain.adapters.tools.governed import GovernedTool
from aisecops_langchain.adapters.translate.answers import refusal
from aisecops_langchain.canonical import digest
from aisecops_langchain.domain.plan import RejectedCall
from aisecops_langchain.errors import AisecopsError
from aisecops_langchain.runtime.decisions.verdicts import USED_UP
from aisecops_langchain.runtime.effects.waiting import undisturbed
from aisecops_langchain.runtime.governor import Governor
from aisecops_langchain.runtime.plans.planner import as_text

_LOG = logging.getLogger(__name__)

_MOST_QUESTIONS: Final = 16
"""How often one call is asked about in one go, should its answers never suffice."""

_KEPT_RESULTS: Final = 256


@dataclass(frozen=True, slots=True)
class _Cleared:
    """A call that may be carried out."""

    place: Place
    order: Order
    key: str
    """Names exactly this call in exactly this place."""


class SingleCalls:
    """Takes single calls through review, approval and execution.

    Inside a LangGraph graph with a checkpointer a call that needs approval interrupts the graph before it begins.
    Elsewhere it is refused, and its question stays in the ledger: once somebody answered it there, the same call (by
    its id) goes through.

    Args:
        tools: The governed tools.
        governor: Decides, remembers and records.
        principal: Who acts, or how to tell from the configuration of a call; in the middle of another governed call,
            whoever makes that one.
        approver: Tells who answers, from the configuration of the resuming call.
        approval_format: How questions and answers look: ``hitl`` as chat interfaces show them, or ``agent_inbox``.
    """

    def __init__(
        self,
        tools: Mapping[str, GovernedTool],
        governor: Governor,
        principal: PrincipalSource,
        *,
        approver: ApproverSource | None = None,
        approval_format: ApprovalFormat = "hitl",
    ) -> None:
        self._tools = tools
        self._governor = governor
        self._principal = principal = within_call(principal)
        self._review = TurnReview(tools, governor, unseen=True, must_pause=False)
        self._carrier = Carrier(tools, governor, ride=True)
        self._asking = Asking(
            ApprovalNode(tools, governor, principal, approver=approver, approval_format=approval_format, inside=1)
        )
        self._results: OrderedDict[str, Any] = OrderedDict()

    def carry(self, call: ToolCall, config: RunnableConfig | None, run: Callable[[ToolCall], Any]) -> Any:
        """Decide on a call and carry it out.

        Args:
            call: The call as the model wrote it.
            config: The configuration that it came with.
            run: Runs the tool with the canonical call that it is handed, once.

        Returns:
            What the tool gave, inspected, or a neutral ``ToolMessage``. A call that this process already carried out
            gets the same result again.

        Raises:
            GraphBubbleUp: If the graph has to wait for a person.
            ConfigurationError: If nobody can be named as principal.
        """
        place, ruling = self._look(call, config)
        for _ in range(_MOST_QUESTIONS):
            if ruling is None or not ruling.questions:
                break
            place, ruling = self._look_again(place, self._asking.ask(_question(place, ruling), config))
        cleared = self._clear(place, ruling, call)
        if not isinstance(cleared, _Cleared):
            return cleared
        return self._keep(cleared, self._carrier.carry(cleared.place, cleared.order, run).output)

    async def acarry(
        self, call: ToolCall, config: RunnableConfig | None, run: Callable[[ToolCall], Awaitable[Any]]
    ) -> Any:
        """Decide on a call and carry it out on the event loop; whatever waits for files runs in threads."""
        place, ruling = await undisturbed(partial(self._look, call, config))
        for _ in range(_MOST_QUESTIONS):
            if ruling is None or not ruling.questions:
                break
            answered = await self._asking.aask(_question(place, ruling), config)
            place, ruling = await undisturbed(partial(self._look_again, place, answered))
        cleared = await undisturbed(partial(self._clear, place, ruling, call))
        if not isinstance(cleared, _Cleared):
            return cleared
        return self._keep(cleared, (await self._carrier.acarry(cleared.place, cleared.order, run)).output)

    def _look(self, call: ToolCall, config: RunnableConfig | None) -> tuple[Place, Ruling | None]:
        return self._ruled(locate_call(self._governor, self._principal, config, AIMessage("", tool_calls=[call])))

    def _look_again(self, place: Place, answered: Mapping[str, Any]) -> tuple[Place, Ruling | None]:
        return self._ruled(replace(place, memory=merge_governance(place.memory, answered.get(CHANNEL))))

    def refuse(self, call: ToolCall, config: RunnableConfig | None, message: str, *, code: str) -> ToolMessage:
        """Refuse a call before it could be decided on, and record that.

        Args:
            call: The call as the model wrote it.
            config: The configuration that it came with.
            message: Why, for the log alone.
            code: Why, for programs.

        Returns:
            A neutral answer.

        Raises:
            ConfigurationError: If nobody can be named as principal.
            AuditWriteError: If it could not be recorded.
        """
        place = locate_call(self._governor, self._principal, config, AIMessage("", tool_calls=[call]))
        rejected = RejectedCall(call_id=call["id"] or "", tool=as_text(call["name"])[:64], code=code, message=message)
        self._governor.planner.record_rejected(place.task, (rejected,), place.scope)
        known = call["name"] if call["name"] in self._tools else "unknown"
        return refusal(call["id"] or "", known, "The governance layer refused the call.", code=code)

    def _ruled(self, place: Place) -> tuple[Place, Ruling | None]:
        """Review a call, and remember its plan, to which an edited call still belongs."""
        try:
            ruling = self._review.review(place)
        except AisecopsError as error:
            _LOG.error("a call was refused, the governance layer failed: %s", error)
            return place, None
        if ruling is None or ruling.reference is None:
            return place, ruling
        return replace(place, memory={**place.memory, "plan": ruling.reference.to_json()}), ruling

    def _clear(self, place: Place, ruling: Ruling | None, call: ToolCall) -> _Cleared | ToolMessage:
        """Find the order of a permitted call, or the answer to one that is not."""
        known = call["name"] if call["name"] in self._tools else "unknown"
        if ruling is None or ruling.questions:
            return refusal(call["id"] or "", known, "The governance layer cannot decide right now.", code="unavailable")
        wanted = {call["id"] or "": "", **ruling.permits}
        found = orders_of(ruling.message, wanted, trace=place.scope.trace, plan=ruling.plan)
        key = self._key(place, found[0]) if found else ""
        if ruling.refusals:
            answer = ruling.refusals[0]
            before = self._results.get(key) if answer.artifact[CHANNEL]["code"] in USED_UP else None
            return riding(answer, ruling.labels) if before is None else before
        return _Cleared(place, found[0], key)

    def _key(self, place: Place, order: Order) -> str:
        try:
            return digest(
                "single-call", read_order(order, self._tools, place.scope, self._governor.pseudonyms).binding.claims()
            )
        except AisecopsError:
            return ""

    def _keep(self, cleared: _Cleared, output: Any) -> Any:
        """Keep a result for the same call handed in again, as LangGraph's tool node does after a pause."""
        if _was_refused(output):  # somebody else carried it out in the same moment
            return self._results.get(cleared.key, output)
        if cleared.key:
            self._results[cleared.key] = output
            while len(self._results) > _KEPT_RESULTS:
                self._results.popitem(last=False)
        return output


def _was_refused(output: object) -> bool:
    artifact = output.artifact if isinstance(output, ToolMessage) else None
    ours = artifact.get(CHANNEL) if isinstance(artifact, Mapping) else None
    return isinstance(ours, Mapping) and ours.get("outcome") == "refused"


def _question(place: Place, ruling: Ruling) -> Order:
    wanted = dict.fromkeys(ruling.questions, "")
    return orders_of(ruling.original, wanted, trace=place.scope.trace, plan=ruling.plan)[0]
