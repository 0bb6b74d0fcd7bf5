"""``govern_deep_agent``: a deep agent of ``deepagents`` in which every agent is governed, its subagents included.

Invariant: no model of a deep agent is asked and no tool of it runs, built-in ones included, but through a
``GovernanceMiddleware`` of that very agent; a subagent acts under a warrant of the call that began it, so it can do
nothing that its caller could not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from langchain_core.language_models import BaseChatModel
from langchain_core.tools import BaseTool, StructuredTool
from langgraph.graph.state import CompiledStateGraph
from langgraph.prebuilt import ToolNode

from aisecops_langchain.adapters.core.checkpointing import in_step
from aisecops_langchain.adapters.core.place import ApproverSource, PrincipalSource
from aisecops_langchain.adapters.core.under_warrant import UnderWarrant
from aisecops_langchain.adapters.doors.middleware import GovernanceMiddleware
from aisecops_langchain.adapters.tools.governed import toolbox
from aisecops_langchain.errors import ConfigurationError
from aisecops_langchain.runtime.governor import Governor

try:
    from deepagents import AsyncSubAgentMiddleware, FilesystemMiddleware, SubAgentMiddleware, create_deep_agent
    from deepagents.middleware._prompt_caching import append_prompt_caching_middleware
    from deepagents.middleware.subagents import GENERAL_PURPOSE_SUBAGENT
    from deepagents.middleware.unsupported_content import UnsupportedContentMiddleware
    from langchain.agents.middleware import AgentMiddleware, ModelRequest
except ModuleNotFoundError as missing:
    raise ConfigurationError(
        "deepagents is not installed",
        expected="the package deepagents",
        got=f"no module named {missing.name or 'deepagents'}",
        remedy="pip install 'aisecops-langchain[deepagents]'",
    ) from missing

_ANSWERS: Final = "a policy rule with the effect require_approval"


class _Innermost(GovernanceMiddleware):
    """Governance in the place of deepagents' own last middleware.

    deepagents puts a middleware of the caller's before its own last ones, unless it bears the name of one of them: then
    it takes that one's place. Whether the place is really the last one is checked with every call.

    Args:
        place: The name whose place it takes.
        governor: As for ``GovernanceMiddleware``.
        tools: As there.
        **options: As there.
    """

    def __init__(
        self, place: str, governor: Governor, tools: Sequence[BaseTool | Callable[..., Any]], **options: Any
    ) -> None:
        super().__init__(governor, tools, **options)
        self._place = place

    @property
    def name(self) -> str:
        """The name whose place it takes."""
        return self._place

    def learn(self, tools: Sequence[object]) -> None:
        """Govern tools that other middleware brought; deepagents describes some of its own anew for each request."""
        super().learn([tool for tool in tools if not self._is_known_by_other_words(tool)])

    def _is_known_by_other_words(self, tool: object) -> bool:
        """Whether a tool is one that is known, with the same code and arguments: the one that is known is what runs."""
        if not isinstance(tool, StructuredTool) or tool.name not in self._tools:
            return False
        known = self._tools[tool.name].tool
        return (
            isinstance(known, StructuredTool)
            and tool.func is known.func
            and tool.coroutine is known.coroutine
            and tool.args_schema == known.args_schema
        )


class _Outside(AgentMiddleware[Any, Any, Any]):
    """What stood in the last place, which only wraps the model, under another name and so outside governance.

    Args:
        inner: The middleware.
    """

    def __init__(self, inner: AgentMiddleware[Any, Any, Any]) -> None:
        super().__init__()
        self._inner = inner

    @property
    def name(self) -> str:
        """A name that is not taken."""
        return f"{self._inner.name}OutsideGovernance"

    def wrap_model_call(self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Any]) -> Any:
        """Do what it does."""
        return self._inner.wrap_model_call(request, handler)

    async def awrap_model_call(self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Any]) -> Any:
        """Do what it does."""
        return await self._inner.awrap_model_call(request, handler)


def govern_deep_agent(
    model: str | BaseChatModel,
    tools: Sequence[BaseTool | Callable[..., Any]] = (),
    *,
    governor: Governor,
    principal: PrincipalSource | None = None,
    approver: ApproverSource | None = None,
    system_prompt: str | None = None,
    middleware: Sequence[Any] = (),
    subagents: Sequence[Mapping[str, Any]] = (),
    warrant_seconds: int = 600,
    **options: Any,
) -> CompiledStateGraph[Any, Any, Any, Any]:
    """Call ``create_deep_agent`` with governance in every agent.

    Each subagent is an agent of the bundle, under its own name; deepagents' own one is ``general-purpose``. It does
    what both it and its caller may do. It runs inside a tool of its caller, so it cannot wait for a person: a call of
    it that needs approval is refused.

    Args:
        model: A chat model, or the name of one.
        tools: LangChain tools or functions.
        governor: Decides, asks, remembers and records.
        principal: Who acts, or how to tell from the run's configuration; by default the bundle's only agent, for
            nobody in particular.
        approver: Tells who answers approvals, from the configuration of the resuming call.
        system_prompt: The agent's own instructions.
        middleware: Other middleware; it stands outside governance.
        subagents: ``SubAgent`` specifications; the general-purpose one is added unless one of that name is there.
        warrant_seconds: How long the warrant of one call of a subagent lasts.
        **options: Everything else that ``create_deep_agent`` takes.

    Returns:
        The agent.

    Raises:
        ConfigurationError: If an agent or a tool of it could not be governed.
    """
    _refuse_ways_round(middleware, subagents, options)
    last = UnsupportedContentMiddleware()
    ours = _Innermost(last.name, governor, tools, principal=principal, approver=approver, system_prompt=system_prompt)
    guarded = [
        _guarded(spec, tools, governor, options, seconds=warrant_seconds)
        for spec in _with_general_purpose(subagents, options)
    ]
    agent = create_deep_agent(
        model,
        ours.tools,
        system_prompt=system_prompt,
        middleware=[*middleware, _Outside(last), ours],
        subagents=guarded,
        **options,
    )
    node = agent.nodes["tools"].bound
    if isinstance(node, ToolNode):  # so that a process that only resumes knows the built-in ones, too
        ours.learn(list(node.tools_by_name.values()))
    return in_step(agent, options.get("checkpointer"))


def _with_general_purpose(
    subagents: Sequence[Mapping[str, Any]], options: Mapping[str, Any]
) -> list[Mapping[str, Any]]:
    """Name deepagents' own subagent as one of the caller's: to the one that it adds itself, it hands no middleware."""
    name = GENERAL_PURPOSE_SUBAGENT["name"]
    if any(spec["name"] == name for spec in subagents):
        return list(subagents)
    own: dict[str, Any] = {**GENERAL_PURPOSE_SUBAGENT}
    if options.get("skills") is not None:
        own["skills"] = options["skills"]
    return [own, *subagents]


def _guarded(
    spec: Mapping[str, Any],
    tools: Sequence[BaseTool | Callable[..., Any]],
    governor: Governor,
    options: Mapping[str, Any],
    *,
    seconds: int,
) -> Any:
    name, own, others = spec["name"], spec.get("tools", tools), spec.get("middleware", ())
    if name not in governor.policy.agents:
        raise ConfigurationError(
            "a subagent is no agent of the policy",
            expected=", ".join(sorted(governor.policy.agents)),
            got=f"{name!r}"[:80],
            remedy="name it under agents, with the capabilities that it needs",
        )
    governed = toolbox(own)
    built_in = FilesystemMiddleware(backend=options.get("backend")).tools
    reach = {*governed, *(tool.name for item in others for tool in item.tools), *(tool.name for tool in built_in)}
    last = _last_of_a_subagent()
    ours = _Innermost(
        last.name,
        governor,
        [tool.tool for tool in governed.values()],
        principal=UnderWarrant(governor, name, reach, expires_in=seconds),
        system_prompt=spec.get("system_prompt"),
    )
    # Named by the caller, what would come after ours goes where the caller's middleware goes: before the last place.
    return {
        **spec,
        "tools": ours.tools,
        "middleware": [*others, UnsupportedContentMiddleware(), _Outside(last), ours],
    }


def _last_of_a_subagent() -> AgentMiddleware[Any, Any, Any]:
    """Return what deepagents puts last into a subagent's middleware: it depends on the providers installed."""
    caching: list[AgentMiddleware[Any, Any, Any]] = []
    append_prompt_caching_middleware(caching)
    return caching[-1]


def _refuse_ways_round(
    middleware: Sequence[Any], subagents: Sequence[Mapping[str, Any]], options: Mapping[str, Any]
) -> None:
    """Refuse what would run a tool, or ask a person, beside governance."""
    everybody = [*middleware, *(item for spec in subagents for item in spec.get("middleware", ()))]
    taken = {UnsupportedContentMiddleware.__name__, _last_of_a_subagent().name}
    found = next(
        (item.name for item in everybody if isinstance(item, GovernanceMiddleware) or item.name in taken), None
    )
    if found is not None:
        raise ConfigurationError("the last place is taken", expected="other middleware", got=found)
    if any(isinstance(item, SubAgentMiddleware | AsyncSubAgentMiddleware) for item in everybody):
        raise ConfigurationError(
            "subagents that cannot be governed", expected="subagents=[...]", got="a middleware that brings its own"
        )
    if options.get("interrupt_on") or any(spec.get("interrupt_on") for spec in subagents):
        raise ConfigurationError("people are asked twice", expected=_ANSWERS, got="interrupt_on", remedy="leave it out")
    for spec in subagents:
        kind = next((key for key in ("runnable", "graph_id") if key in spec), "mode" if spec.get("mode") else None)
        if kind is not None:
            raise ConfigurationError(
                "a subagent cannot be governed",
                expected="a SubAgent with name, description and system_prompt",
                got=f"one with {kind}",
                remedy="specify it as a SubAgent, or make it a tool with subagent_tool",
            )
