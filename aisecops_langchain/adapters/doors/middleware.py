"""``GovernanceMiddleware``: LangChain's ``create_agent`` under a governor.

Invariant: it stands between every other middleware and the model, and between every other middleware and the tools;
where it would not, it refuses. What another middleware changes, jumps to or forges afterwards finds no permit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Final, cast

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, SystemMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool
from langgraph.config import get_config
from langgraph.prebuilt.tool_node import ToolCallRequest
from langgraph.types import Command

from aisecops_langchain.adapters.core.carrying import Carrier
from aisecops_langchain.adapters.core.context import ModelContext, sealed, spoken
from aisecops_langchain.adapters.core.place import ApproverSource, Place, PrincipalSource, acting_for, locate
from aisecops_langchain.adapters.core.proposing import EXHAUSTED, Proposing
from aisecops_langchain.adapters.core.settling import following, settled, settling
from aisecops_langchain.adapters.doors.innermost import require_next_to_model, require_next_to_tools
from aisecops_langchain.adapters.nodes.approval import ApprovalFormat
from aisecops_langchain.adapters.nodes.finish import STRUCTURED, FinishNode
from aisecops_langchain.adapters.nodes.intake import IntakeNode
from aisecops_langchain.adapters.nodes.orders import Order
from aisecops_langchain.adapters.state import CHANNEL, MESSAGES, merge_governance
from aisecops_langchain.adapters.tools.governed import GovernedTool
from aisecops_langchain.adapters.tools.keys import toolbox_for
from aisecops_langchain.adapters.translate.words import text_of
from aisecops_langchain.errors import ConfigurationError
from aisecops_langchain.runtime.effects.waiting import undisturbed
from aisecops_langchain.runtime.governor import Governor

try:
    from langchain.agents.middleware import (
        AgentMiddleware,
        AgentState,
        ExtendedModelResponse,
        ModelRequest,
        ModelResponse,
        hook_config,
    )
    from langchain.agents.middleware.types import PrivateStateAttr
except ModuleNotFoundError as missing:
    raise ConfigurationError(
        "create_agent is not installed",
        expected="the package langchain",
        got=f"no module named {missing.name or 'langchain'}",
        remedy="pip install 'aisecops-langchain[agents]'",
    ) from missing

JUMP: Final = "jump_to"


class GovernedAgentState(AgentState[Any]):
    """State of an agent with the governance channel, which neither callers nor results see."""

    aisecops: Annotated[dict[str, Any], PrivateStateAttr, merge_governance]


class GovernanceMiddleware(AgentMiddleware[GovernedAgentState, Any, Any]):
    """Governs an agent made by ``create_agent``; list it last, or use ``governed_agent``, which sees to that.

    Args:
        governor: Decides, asks, remembers and records.
        tools: The agent's tools. They are registered with the agent, so it makes no difference whether
            ``create_agent`` is given them, too. Tools of other middleware are learnt when the model is asked; a
            process that only resumes an interrupted run knows those named here.
        principal: Who acts, or how to tell from the run's configuration; by default the bundle's only agent, for
            nobody in particular.
        approver: Tells who answers approvals, from the configuration of the resuming call.
        approval_format: How questions and answers look: ``hitl`` as chat interfaces show them, or ``agent_inbox``.
        system_prompt: The agent's own instructions. A system message that says anything else, as when another
            middleware put documents into it, counts as untrusted.

    Raises:
        ConfigurationError: If a tool cannot be governed, or nobody can be named as principal.
    """

    state_schema = GovernedAgentState

    def __init__(
        self,
        governor: Governor,
        tools: Sequence[BaseTool | Callable[..., Any]] = (),
        *,
        principal: PrincipalSource | None = None,
        approver: ApproverSource | None = None,
        approval_format: ApprovalFormat = "hitl",
        system_prompt: str | None = None,
    ) -> None:
        super().__init__()
        self._governor = governor
        self._principal = acting_for(governor, principal)
        self._system_prompt = system_prompt
        self._tools: dict[str, GovernedTool] = toolbox_for(governor, tools)
        self.tools = [tool.tool for tool in self._tools.values()]
        self._intake = IntakeNode(governor, self._principal, tools=list(self._tools))
        self._proposing = Proposing(self._tools, governor)
        self._settling = settling(
            self._tools,
            governor,
            self._principal,
            approver=approver,
            approval_format=approval_format,
            system_prompt=system_prompt,
            require_plan=True,
            leave_answered=True,
        )
        self._carrier = Carrier(self._tools, governor, ride=True)
        self._finish = FinishNode(governor, self._principal)

    def learn(self, tools: Sequence[object]) -> None:
        """Govern tools that other middleware brought; those of a provider, which run elsewhere, are none of ours.

        Args:
            tools: Whatever the agent has for tools.

        Raises:
            ConfigurationError: If a tool cannot be governed, or is another one than that of its name known here.
        """
        for tool in tools:
            if not isinstance(tool, BaseTool):
                continue
            known = self._tools.get(tool.name)
            if known is not None and known.tool is tool:
                continue
            made = toolbox_for(self._governor, [tool])
            if known is None:
                self._tools |= made
            elif known.definition() != made[tool.name].definition():
                raise ConfigurationError("two tools share a name", expected="unique tool names", got=tool.name)

    # --- the run ------------------------------------------------------------------------------------------------------

    @hook_config(can_jump_to=["end"])
    def before_agent(self, state: Any, runtime: Any) -> dict[str, Any] | None:  # noqa: ARG002 - LangChain's signature
        """Begin a run: inspect and label the new words; a blocked prompt ends it."""
        update = self._intake.run(state, get_config())
        return {**update, JUMP: "end"} if following(update).get("stop") else update

    @hook_config(can_jump_to=["end"])
    async def abefore_agent(self, state: Any, runtime: Any) -> dict[str, Any] | None:
        """Begin a run without blocking the event loop."""
        return await asyncio.to_thread(self.before_agent, state, runtime)

    @hook_config(can_jump_to=["end"])
    def after_agent(self, state: Any, runtime: Any) -> dict[str, Any] | None:  # noqa: ARG002 - LangChain's signature
        """End a run: inspect the final words and record the outcome."""
        return self._finish.run(state, get_config(), beside=state.get(STRUCTURED))

    @hook_config(can_jump_to=["end"])
    async def aafter_agent(self, state: Any, runtime: Any) -> dict[str, Any] | None:
        """End a run without blocking the event loop."""
        return await asyncio.to_thread(self.after_agent, state, runtime)

    # --- the model ----------------------------------------------------------------------------------------------------

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ExtendedModelResponse[Any]:
        """Show the model inspected content, and record what it proposes."""
        place, context, shown = self._show(request, handler, get_config())
        if shown is None:
            return self._exhausted(place, context)
        return self._account(place, context, handler(shown))

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ExtendedModelResponse[Any]:
        """Show the model inspected content, and record what it proposes, without blocking the event loop."""
        place, context, shown = await undisturbed(partial(self._show, request, handler, get_config()))
        if shown is None:
            return await undisturbed(partial(self._exhausted, place, context))
        return await undisturbed(partial(self._account, place, context, await handler(shown)))

    def _show(
        self, request: ModelRequest[Any], handler: object, config: RunnableConfig
    ) -> tuple[Place, ModelContext, ModelRequest[Any] | None]:
        require_next_to_model(handler)
        self.learn(request.tools)
        offered = [tool for tool in request.tools if self._may_be_offered(tool)]
        request = request.override(tools=[self._shown(tool) for tool in offered])
        place = locate(self._governor, self._principal, cast("Mapping[str, Any]", request.state), config)
        system = request.system_message
        if system is None:
            context = self._proposing.show(place, request.messages, None)
        elif text_of(system) == self._system_prompt:
            context = self._proposing.show(place, request.messages, self._system_prompt)
        else:
            context = self._proposing.show(place, [system, *request.messages], None)
        if not self._proposing.may_ask(place):
            return place, context, None
        messages = cast("list[AnyMessage]", list(context.messages))
        if system is None:
            return place, context, request.override(messages=messages)
        first = messages[0]
        fit = system if text_of(first) == text_of(system) else SystemMessage(text_of(first))
        return place, context, request.override(messages=messages[1:], system_message=fit)

    def _may_be_offered(self, tool: object) -> bool:
        """Whether a model may read a tool's description: not where another one was pinned."""
        known = self._tools.get(tool.name) if isinstance(tool, BaseTool) else None
        return known is None or self._governor.vouches_for(known.name, known.definition())

    def _shown(self, tool: Any) -> Any:
        """Return a tool as the model may see it: without the argument that takes its idempotency key."""
        return self._tools[tool.name].shown if isinstance(tool, BaseTool) and tool.name in self._tools else tool

    def _exhausted(self, place: Place, context: ModelContext) -> ExtendedModelResponse[Any]:
        proposed = self._proposing.propose(place, context, AIMessage(EXHAUSTED))
        return _response(ModelResponse(result=[proposed.message]), proposed.memory)

    def _account(self, place: Place, context: ModelContext, response: ModelResponse[Any]) -> ExtendedModelResponse[Any]:
        """Record a proposal; calls that the host answered itself, for structured output, are none of ours."""
        result: list[BaseMessage] = list(response.result)
        position = next((at for at in range(len(result) - 1, -1, -1) if isinstance(result[at], AIMessage)), None)
        if position is None:
            raise ConfigurationError("the model did not answer", expected="an AIMessage", got="none")
        answers = [message for message in result if isinstance(message, ToolMessage)]
        aside = {message.tool_call_id for message in answers}
        proposed = self._proposing.account(place, context, result[position], aside=aside)
        result[position] = proposed.message
        label = spoken(place.scope.principal, proposed.message, context.label)
        for message in answers:  # made of the model's own words
            proposed.memory["labels"] |= sealed(self._governor, place, message, label)
        made = ModelResponse(result=result, structured_response=response.structured_response)
        return _response(made, proposed.memory)

    @hook_config(can_jump_to=["model", "end"])
    def after_model(self, state: Any, runtime: Any) -> dict[str, Any] | None:  # noqa: ARG002 - LangChain's signature
        """Settle the turn: permits, refusals, and a person's answer where policy wants one."""
        return self._ruled(state, self._settling.invoke(_turn(state), get_config()))

    @hook_config(can_jump_to=["model", "end"])
    async def aafter_model(self, state: Any, runtime: Any) -> dict[str, Any] | None:  # noqa: ARG002
        """Settle the turn without blocking the event loop."""
        return self._ruled(state, await self._settling.ainvoke(_turn(state), get_config()))

    def _ruled(self, state: Any, answer: Mapping[str, Any]) -> dict[str, Any]:
        found = settled(state[MESSAGES], answer)
        said: list[BaseMessage] = [*found.refusals] if found.edited is None else [found.edited, *found.refusals]
        update: dict[str, Any] = {MESSAGES: said, CHANNEL: found.kept()}
        if found.stop:
            return {**update, JUMP: "end"}
        if found.refusals and not found.permits and state.get(STRUCTURED) is None:
            return {**update, JUMP: "model"}  # nothing to run: other middleware need not ask about it
        return update

    # --- the tools ----------------------------------------------------------------------------------------------------

    def wrap_tool_call(self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Any]) -> Any:
        """Run a call, if its permit lets it."""
        place, order = self._order(request, handler)
        return self._carrier.carry(place, order, lambda call: handler(self._request(request, call))).output

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[Any]]
    ) -> Any:
        """Run a call, if its permit lets it, without blocking the event loop."""
        place, order = await undisturbed(partial(self._order, request, handler))
        carried = await self._carrier.acarry(place, order, lambda call: handler(self._request(request, call)))
        return carried.output

    def _order(self, request: ToolCallRequest, handler: object) -> tuple[Place, Order]:
        require_next_to_tools(handler)
        self.learn([request.tool])
        state = request.state if isinstance(request.state, Mapping) else {}
        place = locate(self._governor, self._principal, state, request.runtime.config)
        plan, permits = place.memory.get("plan"), following(state).get("permits")
        call = request.tool_call
        permit = permits.get(call["id"]) if isinstance(permits, Mapping) else None
        named = plan.get("plan") if isinstance(plan, Mapping) else None
        return place, Order(
            aisecops={"trace": place.scope.trace}, call=call, plan=str(named or ""), permit=str(permit or "")
        )

    def _request(self, request: ToolCallRequest, call: Any) -> ToolCallRequest:
        return request.override(tool_call=call, tool=self._tools[call["name"]].tool)


def _turn(state: Mapping[str, Any]) -> Any:
    return {MESSAGES: state[MESSAGES], CHANNEL: dict(state.get(CHANNEL) or {})}


def _response(response: ModelResponse[Any], memory: Mapping[str, Any]) -> ExtendedModelResponse[Any]:
    return ExtendedModelResponse(model_response=response, command=Command(update={CHANNEL: memory}))
