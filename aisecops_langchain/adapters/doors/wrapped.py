"""``govern_tools``: ordinary LangChain tools, each of which asks the governor before it runs.

Invariant: the tool that runs is the wrapped one, with the canonical arguments, under a permit for exactly that call;
whoever holds the wrapper, in whatever graph or none, has no other way to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import uuid4

from langchain_core.messages import ToolCall, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config
from langchain_core.tools import BaseTool
from pydantic import PrivateAttr

from aisecops_langchain.adapters.core.place import ApproverSource, PrincipalSource, acting_for
from aisecops_langchain.adapters.core.single import SingleCalls
from aisecops_langchain.adapters.nodes.approval import ApprovalFormat
from aisecops_langchain.adapters.tools.governed import GovernedTool
from aisecops_langchain.adapters.tools.injected import injected_names, injected_values
from aisecops_langchain.adapters.tools.keys import toolbox_for
from aisecops_langchain.runtime.governor import Governor


def govern_tools(
    tools: Sequence[BaseTool | Callable[..., Any]],
    *,
    governor: Governor,
    principal: PrincipalSource | None = None,
    approver: ApproverSource | None = None,
    approval_format: ApprovalFormat = "hitl",
) -> list[BaseTool]:
    """Put tools under governance that go into a graph, an agent or a chain of somebody else.

    A wrapped tool sees one call and not the conversation, so everything that the model saw counts as untrusted. A call
    that needs approval interrupts a LangGraph graph that has a checkpointer; elsewhere it is refused, and goes through
    when it is made again, under the same id, after somebody answered the request in the ledger.

    Args:
        tools: LangChain tools, or functions to make tools of.
        governor: Decides, asks, remembers and records.
        principal: Who acts, or how to tell from the configuration of a call; by default the bundle's only agent, for
            nobody in particular.
        approver: Tells who answers approvals, from the configuration of the resuming call.
        approval_format: How questions and answers look: ``hitl`` as chat interfaces show them, or ``agent_inbox``.

    Returns:
        Tools of the same names, descriptions and schemas.

    Raises:
        ConfigurationError: If a tool cannot be governed, or nobody can be named as principal.
    """
    governed = toolbox_for(governor, tools)
    calls = SingleCalls(
        governed, governor, acting_for(governor, principal), approver=approver, approval_format=approval_format
    )
    return [_WrappedTool.around(tool, calls) for tool in governed.values()]


class _WrappedTool(BaseTool):
    """A tool that looks like another one, and has every call of it decided on."""

    _inner: BaseTool = PrivateAttr()
    _calls: SingleCalls = PrivateAttr()
    _injected: Mapping[str, str] = PrivateAttr()

    @classmethod
    def around(cls, tool: GovernedTool, calls: SingleCalls) -> _WrappedTool:
        inner, shown = tool.tool, tool.shown
        schema = shown["function"]["parameters"] if isinstance(shown, dict) else inner.args_schema
        wrapped = cls(
            name=inner.name,
            description=inner.description,
            args_schema=schema or inner.get_input_schema(),
            return_direct=inner.return_direct,
            response_format=inner.response_format,
            metadata=inner.metadata,
            tags=inner.tags,
            extras=inner.extras,
        )
        wrapped._inner = inner
        wrapped._calls = calls
        wrapped._injected = injected_names(inner)
        return wrapped

    def run(self, tool_input: Any, *args: Any, **kwargs: Any) -> Any:
        """Have a call decided on, and carried out by the wrapped tool; LangChain calls this for every use of a tool."""
        call, given, settings = self._read(tool_input, kwargs)

        def carry_out(canonical: ToolCall) -> Any:
            return self._inner.run({**canonical["args"], **given}, *args, **{**kwargs, "tool_call_id": call["id"]})

        return _answer(self._calls.carry(call, settings, carry_out), kwargs)

    async def arun(self, tool_input: Any, *args: Any, **kwargs: Any) -> Any:
        """Have a call decided on and carried out without blocking the event loop."""
        call, given, settings = self._read(tool_input, kwargs)

        async def carry_out(canonical: ToolCall) -> Any:
            arguments = {**canonical["args"], **given}
            return await self._inner.arun(arguments, *args, **{**kwargs, "tool_call_id": call["id"]})

        return _answer(await self._calls.acarry(call, settings, carry_out), kwargs)

    def _run(self, *args: Any, **kwargs: Any) -> Any:
        """Stand in for the abstract method; ``run`` and ``arun`` never come here."""
        raise NotImplementedError

    def _read(self, tool_input: Any, kwargs: Mapping[str, Any]) -> tuple[ToolCall, dict[str, Any], RunnableConfig]:
        """Read one use of the tool: the call, what the host injected, and the configuration.

        A use without a call id cannot be told from another one, so it is a call of its own.
        """
        call_id = kwargs.get("tool_call_id") or f"call-{uuid4().hex}"
        given = dict(tool_input) if isinstance(tool_input, Mapping) else {next(iter(self.args), "input"): tool_input}
        injected = injected_values(self._injected, given, call_id)
        arguments = {name: value for name, value in given.items() if name not in injected}
        call = ToolCall(name=self.name, args=arguments, id=call_id, type="tool_call")
        return call, injected, ensure_config(kwargs.get("config"))


def _answer(output: Any, kwargs: Mapping[str, Any]) -> Any:
    """Answer as LangChain's tools do: with a message where there was a call id, else with its content."""
    return output.content if isinstance(output, ToolMessage) and not kwargs.get("tool_call_id") else output
