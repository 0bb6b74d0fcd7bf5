"""Carrying a call out: the one way in which any door runs a governed tool, under a permit.

Invariant: nothing read from state is believed. What is about to run is computed from the call itself, the permit for
exactly that is used up in the ledger, and only then the same canonical arguments go to the tool; whatever ends the
tool is accounted for, and a result that cannot be inspected and recorded reaches nobody.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from langchain_core.messages import ToolCall, ToolMessage
from langgraph.errors import GraphBubbleUp

from aisecops_langchain.adapters.core.acting import Acting, acting, recipient_of
from aisecops_langchain.adapters.core.context import riding, sealed
from aisecops_langchain.adapters.core.inspection import Inspection
from aisecops_langchain.adapters.core.place import Place
from aisecops_langchain.adapters.nodes.orders import Reading, read_order
from aisecops_langchain.adapters.state import MESSAGES
from aisecops_langchain.adapters.tools.governed import GovernedTool
from aisecops_langchain.adapters.tools.keys import require_key
from aisecops_langchain.adapters.translate.answers import error_message, refusal
from aisecops_langchain.canonical import digest_text
from aisecops_langchain.domain.labels import NEUTRAL, Label, join_all
from aisecops_langchain.errors import AisecopsError, PermitError
from aisecops_langchain.provenance import UNKNOWN_SENDER, SealedLabel
from aisecops_langchain.runtime.effects import carrier
from aisecops_langchain.runtime.effects.carrier import UNRECORDED, NotReturned, Returned
from aisecops_langchain.runtime.effects.running import Running
from aisecops_langchain.runtime.effects.terms import Terms
from aisecops_langchain.runtime.effects.waiting import undisturbed
from aisecops_langchain.runtime.governor import Governor

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Carried:
    """What came of an order."""

    output: Any
    """What the tool gave, in the shape it gave it, inspected; a neutral ``ToolMessage`` if it did not run or return;
    ``None`` for an order that does not even name a call."""
    labels: dict[str, SealedLabel] = field(default_factory=dict)
    """Sealed labels of the messages in it, for the governance channel."""


@dataclass(frozen=True, slots=True)
class _Started:
    """A call that may run now."""

    place: Place
    reading: Reading
    tool: GovernedTool
    terms: Terms
    running: Running
    read: list[Label] = field(default_factory=list)
    """Labels of what the tool reads from memory."""


class Carrier:
    """Begins a permitted call, has it run, and accounts for how it ended.

    Args:
        tools: The governed tools.
        governor: Uses permits up, records intents and outcomes, inspects results.
        ride: Whether labels are put on the messages themselves, for graphs without a governance channel.
        messages_key: The channel in which tools' own updates of state carry messages.
    """

    def __init__(
        self,
        tools: Mapping[str, GovernedTool],
        governor: Governor,
        *,
        ride: bool = False,
        messages_key: str = MESSAGES,
    ) -> None:
        self._tools = tools
        self._governor = governor
        self._ride = ride
        self._messages_key = messages_key
        self._through = carrier.Carrier(governor.execution, pauses=(GraphBubbleUp,))

    def carry(self, place: Place, order: Mapping[str, Any], run: Callable[[ToolCall], Any]) -> Carried:
        """Carry one call out, if its permit lets it.

        Args:
            place: Where.
            order: The call, its plan and its permit, as an attacker may have written them.
            run: Runs the tool with the canonical call that it is handed; called again only for a retry that policy
                allows to an idempotent tool.

        Returns:
            What came of it.

        Raises:
            BaseException: What cancelled the tool; any ``Exception`` of the tool becomes an answer.
        """
        started = self._begin(place, order)
        if isinstance(started, Carried):
            return started
        with acting(self._acting(started)):
            ended = self._through.run(started.running, started.terms, lambda: run(_tool_call(started)))
        return self._account(started, ended)

    async def acarry(
        self,
        place: Place,
        order: Mapping[str, Any],
        run: Callable[[ToolCall], Awaitable[Any]],
        *,
        blocking: Callable[[ToolCall], Any] | None = None,
    ) -> Carried:
        """Carry one call out on the event loop; the accounting runs in worker threads.

        Args:
            place: Where.
            order: As for ``carry``.
            run: As for ``carry``.
            blocking: Runs a tool that has no coroutine; used where it has a deadline.

        Returns:
            What came of it.

        Raises:
            BaseException: As for ``carry``.
        """
        started = await undisturbed(lambda: self._begin(place, order), undo=self._never_called)
        if isinstance(started, Carried):
            return started

        async def work() -> Any:
            return await run(_tool_call(started))

        with acting(self._acting(started)):
            ended = await self._through.arun(
                started.running,
                started.terms,
                work,
                blocking=None if blocking is None else lambda: blocking(_tool_call(started)),
            )
        return await undisturbed(lambda: self._account(started, ended))

    def _begin(self, place: Place, order: Mapping[str, Any]) -> _Started | Carried:
        call = order.get("call")
        named = call if isinstance(call, Mapping) else {}
        try:
            reading = read_order(order, self._tools, place.scope, self._governor.pseudonyms)
            tool = self._tools[reading.call.tool]
            require_key(self._governor, tool)
            terms = self._governor.terms(tool.name, place.scope, tool.profile)
            running = self._governor.execution.begin(reading.permit, reading.binding)
        except PermitError as error:
            return self._refused(place, named, f"There is no permit for it: {error.message}.", error.code)
        except AisecopsError as error:
            _LOG.error("a call was not executed: %s", error)
            return self._refused(place, named, "The governance layer cannot carry it out right now.", "unavailable")
        return _Started(place, reading, tool, terms, running)

    def _acting(self, started: _Started) -> Acting:
        binding, permit = started.running.binding, started.running.permit
        label = self._governor.planner.context_of(binding.scope, binding.plan)
        return Acting(
            binding.scope,
            label or UNKNOWN_SENDER,
            recipient_of(permit.id),
            started.running.idempotency_key,
            tool=binding.tool,
            call=binding.call,
            definition=binding.tool_definition,
            read=started.read,
        )

    def _never_called(self, started: _Started | Carried) -> None:
        """Account for a call that was begun for a task which was cancelled meanwhile."""
        if isinstance(started, _Started):
            self._governor.execution.lose(started.running, reason="cancelled before the tool was called")

    def _account(self, started: _Started, ended: Returned[Any] | NotReturned) -> Carried:
        if isinstance(ended, NotReturned):
            return self._answer(started, ended.message, ended.outcome)
        return self._complete(replace(started, running=ended.running), ended.value)

    def _complete(self, started: _Started, output: Any) -> Carried:
        """Account for a result; one that cannot be inspected and recorded does not reach the model."""
        profile = self._governor.profile(started.tool.name, started.tool.profile)
        inspection = Inspection(
            self._governor,
            started.place,
            started.reading,
            started.running,
            profile.results,
            ride=self._ride,
            messages_key=self._messages_key,
            read=started.read,
        )
        try:
            shown = inspection.of(output)
            self._governor.execution.complete(
                started.running,
                result=digest_text("result", "\n".join(inspection.raw)),
                label=join_all(inspection.seen),
            )
        except AisecopsError as error:
            _LOG.error("a call ran, but its outcome could not be recorded: %s", error)
            with suppress(AisecopsError):  # where the result was at fault, and not the log or the ledger
                self._governor.execution.lose(started.running, reason="its result could not be inspected or recorded")
            return self._answer(started, UNRECORDED, "unknown")
        return Carried(shown, inspection.labels)

    def _answer(self, started: _Started, message: str, outcome: str) -> Carried:
        reading = started.reading
        answer = error_message(reading.call_id, reading.call.tool, message, outcome=outcome, code=outcome)
        return self._labelled(started.place, answer)

    def _refused(self, place: Place, call: Mapping[str, Any], message: str, code: str) -> Carried:
        call_id, name = call.get("id"), call.get("name")
        if not isinstance(call_id, str) or not call_id:
            return Carried(None)
        known = name if isinstance(name, str) and name in self._tools else "unknown"
        return self._labelled(place, refusal(call_id, known, message, code=code))

    def _labelled(self, place: Place, answer: ToolMessage) -> Carried:
        labels = sealed(self._governor, place, answer, NEUTRAL)
        return Carried(riding(answer, labels) if self._ride else answer, labels)


def _tool_call(started: _Started) -> ToolCall:
    """Write the call as the tool takes it: exactly what was permitted, and the key that the runtime gives.

    It is written anew for each attempt, because a tool may change what it was handed before it raises.
    """
    reading, argument = started.reading, started.tool.key_argument
    given = {} if argument is None else {argument: started.running.idempotency_key}
    return ToolCall(
        name=reading.call.tool, args={**reading.call.arguments(), **given}, id=reading.call_id, type="tool_call"
    )
