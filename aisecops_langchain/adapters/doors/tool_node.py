"""``GovernedToolNode``: LangGraph's ``ToolNode``, where nothing runs that was not decided on.

Invariant: before the node runs anything, every call of the turn has its permit, its refusal or a person's answer; and
each call that runs goes through ``Carrier``, which takes nothing from state but the call.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, ToolCall, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool
from langgraph.prebuilt import ToolNode
from langgraph.prebuilt.tool_node import ToolCallRequest
from langgraph.runtime import Runtime
from langgraph.types import Command

from aisecops_langchain.adapters.core.carrying import Carrier
from aisecops_langchain.adapters.core.checkpointing import warn_of_lag
from aisecops_langchain.adapters.core.context import riding
from aisecops_langchain.adapters.core.place import ApproverSource, Place, PrincipalSource, acting_for, locate
from aisecops_langchain.adapters.core.settling import Settled, settled, settling
from aisecops_langchain.adapters.nodes.approval import ApprovalFormat
from aisecops_langchain.adapters.nodes.orders import Order
from aisecops_langchain.adapters.state import CHANNEL, MESSAGES
from aisecops_langchain.adapters.tools.keys import toolbox_for
from aisecops_langchain.adapters.translate.data import content_key
from aisecops_langchain.adapters.translate.turns import last_turn
from aisecops_langchain.canonical import digest
from aisecops_langchain.runtime.effects.waiting import undisturbed
from aisecops_langchain.runtime.governor import Governor


@dataclass(frozen=True, slots=True)
class _Turn:
    """What the node was given."""

    kind: str
    """``list``, ``dict`` or ``tool_calls``, as ToolNode names them."""
    messages: list[AnyMessage]
    message: AIMessage
    """The one that proposes."""
    memory: dict[str, Any]
    """The governance channel, if state has one."""

    def given(self) -> Any:
        """Return what the settling graph is given."""
        return {MESSAGES: self.messages, CHANNEL: self.memory}


@dataclass(frozen=True, slots=True)
class _Given:
    """The part of it that may run."""

    kind: str
    calls: list[ToolCall]
    place: Place
    settled: Settled


_GIVEN: ContextVar[_Given] = ContextVar("aisecops_given")
"""The run of the node under way; the threads and tasks in which ToolNode runs calls inherit it."""


class GovernedToolNode(ToolNode):
    """A drop-in for LangGraph's ``ToolNode``: the same tools, state and results, under a governor.

    A call that policy wants approved interrupts the graph, one interrupt per call, before any call of the turn runs.
    A tool that raises is answered neutrally, as ``govern`` does.

    Args:
        tools: LangChain tools, or functions to make tools of.
        governor: Decides, asks, remembers and records.
        principal: Who acts, or how to tell from the run's configuration; by default the bundle's only agent, for
            nobody in particular.
        approver: Tells who answers approvals, from the configuration of the resuming call.
        approval_format: How questions and answers look: ``hitl`` as chat interfaces show them, or ``agent_inbox``.
        system_prompt: The agent's own instructions, if the model is shown any beside the messages.
        name: Name of the node.
        tags: Tags for tracing.
        messages_key: The channel that holds the conversation.

    Raises:
        ConfigurationError: If a tool cannot be governed, or nobody can be named as principal.
    """

    def __init__(
        self,
        tools: Sequence[BaseTool | Callable[..., Any]],
        *,
        governor: Governor,
        principal: PrincipalSource | None = None,
        approver: ApproverSource | None = None,
        approval_format: ApprovalFormat = "hitl",
        system_prompt: str | None = None,
        name: str = "tools",
        tags: list[str] | None = None,
        messages_key: str = MESSAGES,
    ) -> None:
        governed = toolbox_for(governor, tools)
        self._begun = ""
        """Trace of the last run that began here; it is told once of checkpoints that lag behind."""
        self._governor = governor
        self._principal = acting_for(governor, principal)
        self._settling = settling(
            governed,
            governor,
            self._principal,
            approver=approver,
            approval_format=approval_format,
            system_prompt=system_prompt,
        )
        self._carrier = Carrier(governed, governor, ride=True, messages_key=messages_key)
        super().__init__(
            [tool.tool for tool in governed.values()],
            name=name,
            tags=tags,
            handle_tool_errors=False,
            messages_key=messages_key,
            wrap_tool_call=self._carry,
            awrap_tool_call=self._acarry,
        )

    def _func(self, input: Any, config: RunnableConfig, runtime: Runtime) -> Any:  # noqa: A002 - ToolNode's names
        turn = self._turn(input, config)
        answer = self._settling.invoke(turn.given(), config)
        before = _GIVEN.set(self._given(turn, config, answer))
        try:
            return self._together(super()._func(input, config, runtime) if _GIVEN.get().calls else [])
        finally:
            _GIVEN.reset(before)

    async def _afunc(self, input: Any, config: RunnableConfig, runtime: Runtime) -> Any:  # noqa: A002
        turn = await undisturbed(partial(self._turn, input, config))
        answer = await self._settling.ainvoke(turn.given(), config)
        before = _GIVEN.set(await undisturbed(partial(self._given, turn, config, answer)))
        try:
            return self._together(await super()._afunc(input, config, runtime) if _GIVEN.get().calls else [])
        finally:
            _GIVEN.reset(before)

    def _turn(self, input: Any, config: RunnableConfig) -> _Turn:  # noqa: A002
        """Find the conversation, cut to the calls that this very run of the node was handed, and the channel."""
        calls, kind = super()._parse_input(input)
        state = super()._extract_state(input, config)
        messages = list(state if isinstance(state, list) else _read(state, self._messages_key) or [])
        memory = None if isinstance(state, list) else _read(state, CHANNEL)
        ours = _trace(messages, config)
        memory = {"trace": ours, **(memory if isinstance(memory, Mapping) else {})}
        if memory["trace"] == ours != self._begun:  # no intake began this run, so nobody else tells
            self._begun = ours
            warn_of_lag(config.get("configurable", {}))
        if kind == "tool_calls":
            messages, message = _sent(messages, calls)
        else:
            found = last_turn(messages)  # not always the message that ToolNode would take, whose calls may be old
            at, message = found or (len(messages), AIMessage(""))
            message = _named(message)
            messages[at : at + 1] = [message] if found else []
        return _Turn(kind, messages, message, memory)

    def _given(self, turn: _Turn, config: RunnableConfig, answer: Mapping[str, Any]) -> _Given:
        found = settled(turn.messages, answer)
        message = found.edited or turn.message
        calls = [call for call in message.tool_calls if call["id"] in found.permits]
        place = locate(self._governor, self._principal, {CHANNEL: found.memory}, config)
        return _Given(turn.kind, calls, place, found)

    def _parse_input(self, input: Any) -> Any:  # noqa: A002
        """Hand ToolNode the calls that may run, in place of those that it was given."""
        given = _GIVEN.get(None)
        return (given.calls, given.kind) if given is not None else super()._parse_input(input)

    def _carry(self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Any]) -> Any:
        given = _GIVEN.get()
        order = _order(given, request.tool_call)
        return self._carrier.carry(given.place, order, lambda call: handler(request.override(tool_call=call))).output

    async def _acarry(self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[Any]]) -> Any:
        given = _GIVEN.get()
        order = _order(given, request.tool_call)
        carried = await self._carrier.acarry(given.place, order, lambda call: handler(request.override(tool_call=call)))
        return carried.output

    def _together(self, output: Any) -> Any:
        """Put refusals beside results, in the shape that ToolNode gives."""
        given = _GIVEN.get()
        labels = given.settled.memory.get("labels", {})
        said: list[BaseMessage] = [riding(message, labels) for message in given.settled.refusals]
        if given.settled.edited is not None and given.kind != "tool_calls":  # there it holds some of its calls only
            said.insert(0, given.settled.edited)
        memory = {CHANNEL: given.settled.kept()}
        if isinstance(output, dict):
            return {**output, self._messages_key: [*said, *output[self._messages_key]], **memory}
        as_list = given.kind == "list"
        if any(isinstance(item, Command) for item in output):
            said_so = said if as_list else {self._messages_key: said, **memory}
            return [said_so, *output]
        return [*said, *output] if as_list else {self._messages_key: [*said, *output], **memory}


def _order(given: _Given, call: ToolCall) -> Order:
    permit = given.settled.permits.get(call["id"] or "", "")
    return Order(aisecops={"trace": given.place.scope.trace}, call=call, plan=given.settled.plan, permit=permit)


def _sent(messages: Sequence[AnyMessage], calls: Sequence[ToolCall]) -> tuple[list[AnyMessage], AIMessage]:
    """Find the message that calls handed over by ``Send`` belong to, cut to them; one of their own if there is none."""
    wanted = {call["id"] for call in calls}
    for at in range(len(messages) - 1, -1, -1):
        message = messages[at]
        if isinstance(message, AIMessage) and wanted & {call["id"] for call in message.tool_calls}:
            answers = [item for item in messages[at + 1 :] if isinstance(item, ToolMessage)]
            cut = AIMessage("", tool_calls=list(calls), id=_named(message).id)
            return [*messages[:at], cut, *answers], cut
    alone = _named(AIMessage("", tool_calls=list(calls)))
    return [*messages, alone], alone


def _named(message: AIMessage) -> AIMessage:
    """Give a message an id that is the same each time; the settling graph would make up another one each time."""
    return message if message.id else message.model_copy(update={"id": digest("unnamed", content_key(message))})


def _trace(messages: Sequence[AnyMessage], config: RunnableConfig) -> str:
    """Name the run by the thread and the words that it answers, where no channel of state names it."""
    words = next((message for message in reversed(messages) if isinstance(message, HumanMessage)), None)
    thread = str(config.get("configurable", {}).get("thread_id", ""))
    return digest("trace", [thread, words.id or content_key(words) if words else ""])[7:39]


def _read(state: Any, name: str) -> Any:
    return state.get(name) if isinstance(state, Mapping) else getattr(state, name, None)
