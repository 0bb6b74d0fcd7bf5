"""``governed_agent``: LangChain's ``create_agent`` with governance where it has to be.

Invariant: the middleware is the last one, and knows every tool of the agent before the first run, so that a process
that only resumes knows them, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from langchain_core.language_models import BaseChatModel
from langchain_core.tools import BaseTool
from langgraph.graph.state import CompiledStateGraph
from langgraph.prebuilt import ToolNode

from aisecops_langchain.adapters.core.checkpointing import in_step
from aisecops_langchain.adapters.core.place import ApproverSource, PrincipalSource, acting_for
from aisecops_langchain.adapters.doors.middleware import GovernanceMiddleware
from aisecops_langchain.adapters.memory.store import as_governed
from aisecops_langchain.adapters.nodes.approval import ApprovalFormat
from aisecops_langchain.errors import ConfigurationError
from aisecops_langchain.runtime.governor import Governor

_TOOLS: Final = "tools"


def governed_agent(
    model: str | BaseChatModel,
    tools: Sequence[BaseTool | Callable[..., Any]] = (),
    *,
    governor: Governor,
    principal: PrincipalSource | None = None,
    approver: ApproverSource | None = None,
    approval_format: ApprovalFormat = "hitl",
    system_prompt: str | None = None,
    middleware: Sequence[Any] = (),
    **options: Any,
) -> CompiledStateGraph[Any, Any, Any, Any]:
    """Call ``create_agent`` with a ``GovernanceMiddleware`` in the right place.

    Args:
        model: A chat model, or the name of one.
        tools: LangChain tools or functions.
        governor: Decides, asks, remembers and records.
        principal: Who acts, or how to tell from the run's configuration; by default the bundle's only agent, for
            nobody in particular.
        approver: Tells who answers approvals, from the configuration of the resuming call.
        approval_format: How questions and answers look: ``hitl`` as chat interfaces show them, or ``agent_inbox``.
        system_prompt: The agent's own instructions.
        middleware: Other middleware; it stands outside governance.
        **options: Everything else that ``create_agent`` takes; a ``store`` is governed, too.

    Returns:
        The agent.

    Raises:
        ConfigurationError: If a tool cannot be governed, governance is among the other middleware, or nobody can be
            named as principal.
    """
    from langchain.agents import create_agent  # noqa: PLC0415 - an extra

    if any(isinstance(item, GovernanceMiddleware) for item in middleware):
        raise ConfigurationError("governed twice", expected="other middleware", got="a GovernanceMiddleware among it")
    if options.get("store") is not None:
        options["store"] = as_governed(options["store"], governor, acting_for(governor, principal))
    ours = GovernanceMiddleware(
        governor,
        tools,
        principal=principal,
        approver=approver,
        approval_format=approval_format,
        system_prompt=system_prompt,
    )
    agent = create_agent(model, ours.tools, system_prompt=system_prompt, middleware=[*middleware, ours], **options)
    node = agent.nodes[_TOOLS].bound if _TOOLS in agent.nodes else None
    if isinstance(node, ToolNode):
        ours.learn(list(node.tools_by_name.values()))
    return in_step(agent, options.get("checkpointer"))
