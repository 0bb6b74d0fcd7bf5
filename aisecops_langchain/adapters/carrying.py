"""Carrying a call out: the one way in which any door runs a governed tool, under a permit.

Invariant: nothing read from state is believed. What is about to run is computed from the call itself, the permit for
exactly that is used up in the ledger, and only then the same canonical arguments go to the tool; whatever ends the
tool is accounted for, and a result that cannot be inspected and recorded reaches nobody.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import ToolCall, ToolMessage
from langgraph.errors import GraphBubbleUp

from aisecops_langchain.adapters.acting import Acting, acting, recipient_of
from aisecops_langchain.adapters.context import riding, sealed
from aisecops_langchain.adapters.inspection import Inspection
from aisecops_langchain.adapters.offloop import to_the_end
from aisecops_langchain.adapters.orders import Reading, read_order
from aisecops_langchain.adapters.place import Place
from aisecops_langchain.adapters.state import MESSAGES
from aisecops_langchain.adapters.tools import GovernedTool
from aisecops_langchain.adapters.translate import error_message, refusal
from aisecops_langchain.canonical import digest_text
from aisecops_langchain.domain.labels import NEUTRAL, join_all
from aisecops_langchain.errors import AisecopsError, OutcomeUnknownError, PermitError
from aisecops_langchain.provenance import UNKNOWN_SENDER, SealedLabel
from aisecops_langchain.runtime.execution import Running
from aisecops_langchain.runtime.governor import Governor

_LOG = logging.getLogger(__name__)

_UNRECORDED = "It was started, but its outcome could not be recorded; do not assume either way."


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
    running: Running


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

    def carry(self, place: Place, order: Mapping[str, Any], run: Callable[[ToolCall], Any]) -> Carried:
        """Carry one call out, if its permit lets it.

        Args:
            place: Where.
            order: The call, its plan and its permit, as an attacker may have written them.
            run: Runs the tool with the canonical call that it is handed, once.

        Returns:
            What came of it.

        Raises:
            BaseException: What cancelled the tool; any ``Exception`` of the tool becomes an answer.
        """
        started = self._begin(place, order)
        if isinstance(started, Carried):
            return started
        try:
            with acting(self._acting(started)):
                output = run(_tool_call(started.reading))
        except Exception as error:  # noqa: BLE001 - the effect must be accounted for, whatever ended it
            return self._fail(started, error)
        except BaseException as error:
            self._abandon(started, error)
            raise
        return self._complete(started, output)

    async def acarry(
        self, place: Place, order: Mapping[str, Any], run: Callable[[ToolCall], Awaitable[Any]]
    ) -> Carried:
        """Carry one call out on the event loop; the accounting runs in worker threads. See ``carry``."""
        started = await asyncio.to_thread(self._begin, place, order)
        if isinstance(started, Carried):
            return started
        try:
            with acting(self._acting(started)):
                output = await run(_tool_call(started.reading))
        except Exception as error:  # noqa: BLE001 - as above
            return await to_the_end(self._fail, started, error)
        except asyncio.CancelledError as error:
            await to_the_end(self._abandon, started, error)
            raise
        except BaseException as error:  # the loop itself is ending, so nothing can be waited for
            self._abandon(started, error)
            raise
        return await asyncio.to_thread(self._complete, started, output)

    def _begin(self, place: Place, order: Mapping[str, Any]) -> _Started | Carried:
        call = order.get("call")
        named = call if isinstance(call, Mapping) else {}
        try:
            reading = read_order(order, self._tools, place.scope)
            running = self._governor.execution.begin(reading.permit, reading.binding)
        except PermitError as error:
            return self._refused(place, named, f"There is no permit for it: {error.message}.", error.code)
        except AisecopsError as error:
            _LOG.error("a call was not executed: %s", error)
            return self._refused(place, named, "The governance layer cannot carry it out right now.", "unavailable")
        return _Started(place, reading, running)

    def _acting(self, started: _Started) -> Acting:
        binding, permit = started.running.binding, started.running.permit
        label = self._governor.planner.context_of(binding.scope, binding.plan)
        return Acting(
            binding.scope,
            label or UNKNOWN_SENDER,
            recipient_of(permit.id),
            tool=binding.tool,
            call=binding.call,
            definition=binding.tool_definition,
        )

    def _fail(self, started: _Started, error: Exception) -> Carried:
        """Account for a tool that raised."""
        execution, running, name = self._governor.execution, started.running, type(error).__name__
        try:
            if isinstance(error, GraphBubbleUp):
                execution.lose(running, reason="the tool interrupted the graph in the middle of its work")
                _LOG.error("tool %s interrupted the graph; ask for approval by policy instead", running.binding.tool)
                return self._answer(started, "The tool stopped half way, and its outcome is unknown.", "unknown")
            if isinstance(error, OutcomeUnknownError):
                execution.lose(running, reason=error.message)
                return self._answer(
                    started, "The tool was started and did not answer; its outcome is unknown.", "unknown"
                )
            execution.fail(running, error=name)
            return self._answer(started, f"The tool failed ({name}).", "failed")
        except AisecopsError as fault:
            _LOG.error("a call ended, but its outcome could not be recorded: %s", fault)
            return self._answer(started, _UNRECORDED, "unknown")

    def _abandon(self, started: _Started, error: BaseException) -> None:
        """Account for a tool that was cut off; the caller goes on to raise what cut it off."""
        try:
            self._governor.execution.lose(started.running, reason=f"cancelled while it ran ({type(error).__name__})")
        except AisecopsError as fault:
            _LOG.error("a call was cut off, and that could not be recorded: %s", fault)

    def _complete(self, started: _Started, output: Any) -> Carried:
        """Account for a result; one that cannot be inspected and recorded does not reach the model."""
        tool = self._tools[started.reading.call.tool]
        profile = self._governor.profile(tool.name, tool.profile)
        inspection = Inspection(
            self._governor,
            started.place,
            started.reading,
            started.running,
            profile.results,
            ride=self._ride,
            messages_key=self._messages_key,
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
            return self._answer(started, _UNRECORDED, "unknown")
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


def _tool_call(reading: Reading) -> ToolCall:
    return ToolCall(name=reading.call.tool, args=reading.call.arguments(), id=reading.call_id, type="tool_call")
