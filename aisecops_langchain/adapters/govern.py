"""``govern``: a model, tools and a policy become a governed LangGraph agent.

Invariant: there is no edge from the model to a tool; the only node that runs tools is reached only through the guard,
and asks the ledger for a permit whatever way it was reached.
"""

from __future__ import annotations

import logging
import os
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.tools import BaseTool
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.store.base import BaseStore
from langgraph.types import Checkpointer

from aisecops_langchain.adapters.callbacks import AuditCallbackHandler
from aisecops_langchain.adapters.core.checkpointing import in_step
from aisecops_langchain.adapters.core.place import ApproverSource, PrincipalSource, acting_for
from aisecops_langchain.adapters.identity import WarrantSource
from aisecops_langchain.adapters.nodes.approval import ApprovalFormat, ApprovalNode
from aisecops_langchain.adapters.nodes.executor import ExecutorNode
from aisecops_langchain.adapters.nodes.finish import FinishNode
from aisecops_langchain.adapters.nodes.guard import ToolGuardNode
from aisecops_langchain.adapters.nodes.intake import IntakeNode
from aisecops_langchain.adapters.nodes.orders import Order
from aisecops_langchain.adapters.nodes.planning import PlanningNode
from aisecops_langchain.adapters.nodes.routes import (
    APPROVE,
    EXECUTE,
    FINISH,
    GUARD,
    INTAKE,
    PLAN,
    after_guard,
    after_intake,
    after_planning,
)
from aisecops_langchain.adapters.parts import (
    ANYBODY,
    ANYWHERE,
    opened_governor,
    principal_of,
    require_model,
    require_one_answer,
    sealing,
)
from aisecops_langchain.adapters.state import governed_schema
from aisecops_langchain.adapters.tools.governed import GovernedTool
from aisecops_langchain.adapters.tools.keys import toolbox_for
from aisecops_langchain.audit import Durability
from aisecops_langchain.runtime.governor import Governor, PolicySource
from aisecops_langchain.runtime.ports import Ledger
from aisecops_langchain.runtime.principals.identity import IdentityProvider

_LOG = logging.getLogger(__name__)

__all__ = ["after_guard", "after_intake", "after_planning", "govern"]


def govern(
    model: BaseChatModel,
    tools: Sequence[BaseTool | Callable[..., Any]],
    *,
    policy: PolicySource | None = None,
    home: str | os.PathLike[str] = ".aisecops",
    ledger: Ledger | str | None = None,
    governor: Governor | None = None,
    agent: str | None = None,
    user: str = ANYBODY,
    tenant: str = ANYWHERE,
    principal: PrincipalSource | None = None,
    identity: IdentityProvider | None = None,
    warrant: WarrantSource | None = None,
    approver: ApproverSource | None = None,
    approval_format: ApprovalFormat = "hitl",
    system_prompt: str | None = None,
    state_schema: type[Any] | None = None,
    context_schema: type[Any] | None = None,
    checkpointer: Checkpointer = None,
    seal_checkpoints: bool = False,
    store: BaseStore | None = None,
    durability: Durability | str = Durability.GROUP,
    spans: bool = True,
    name: str = "governed_agent",
) -> CompiledStateGraph[Any, Any, Any, Any]:
    """Build a governed agent: planning, guard, approval and execution as separate nodes that record what they do.

    The result is an ordinary compiled graph over ``messages``: invoke it, stream it, or add it as a node to a graph of
    your own. A call that policy wants approved raises an interrupt whose payload chat interfaces can show; resume with
    ``Command(resume={"decisions": [{"type": "approve"}]})``.

    Args:
        model: Any chat model that can bind tools.
        tools: LangChain tools or functions.
        policy: A policy, or the path of a bundle. Either this or ``governor``.
        home: Where the log, the ledger and the keys of a governor made here lie.
        ledger: For a governor made here: an open ledger, or the ``postgresql://`` URL of one that hosts share.
        governor: An open governor to share between agents, instead of ``policy`` and ``home``.
        agent: Name of the agent as the bundle knows it; may be left out where the bundle has only one.
        user: On whose behalf it acts.
        tenant: For which organisation.
        principal: Who acts, instead of the three above: fixed, or a function of the run's configuration.
        identity: Tells user and tenant from the configuration of each call, and vouches for them.
        warrant: What another agent lets this one do in its place, or how to find it in the configuration of a call.
        approver: Tells who answers an approval, from the configuration of the resuming call: an identity provider,
            or a function. Where ``identity`` vouches for users, only somebody who is vouched for may approve.
        approval_format: How questions look: ``hitl`` as LangChain's middleware has them, or the older ``agent_inbox``.
        system_prompt: The agent's own instructions.
        state_schema: A ``TypedDict`` of your own with a ``messages`` channel; the governance channel is added to it.
        context_schema: Runtime context that your tools want.
        checkpointer: Keeps state between steps; needed to wait for approvals.
        seal_checkpoints: Whether what it keeps is sealed (``SealedCheckpointer``), so that edited, moved or older state
            is refused.
        store: Long-term store for your tools.
        durability: For a governor made here: ``none``, ``group`` or ``sync``.
        spans: Whether model, tool and retrieval spans are recorded beside the governance events.
        name: Name of the graph.

    Returns:
        The compiled graph.

    Raises:
        ConfigurationError: If the parts cannot be put together so that they can be enforced.
        PolicyError: If the bundle is missing, empty or malformed.
        AuditWriteError: If the log cannot be written.
    """
    require_one_answer(
        {"policy": policy, "ledger": ledger, "governor": governor},
        {"principal": principal, "identity": identity, "warrant": warrant, "agent": agent},
        for_somebody=(user, tenant) != (ANYBODY, ANYWHERE),
    )
    require_model(model)
    owned = governor is None
    governor = governor or opened_governor(policy, home, durability, ledger)
    if principal is None:
        principal = principal_of(governor, agent, user, tenant, identity=identity, warrant=warrant)
    who = acting_for(governor, principal)
    if identity is not None and approver is None and governor.policy.requires_approval_possible():
        _LOG.warning("nobody can approve at an interrupt: users are vouched for, so pass approver=, too")
    governed = toolbox_for(governor, tools)
    graph: StateGraph[Any, Any, Any, Any] = StateGraph(governed_schema(state_schema), context_schema=context_schema)
    asking = ApprovalNode(governed, governor, who, approver=approver, approval_format=approval_format)
    _add_nodes(graph, model, governed, governor, who, asking=asking, system_prompt=system_prompt)
    _connect(graph)
    if seal_checkpoints:
        checkpointer = sealing(checkpointer, governor)
    compiled = in_step(graph.compile(checkpointer=checkpointer, store=store, name=name), checkpointer)
    if spans:
        compiled = compiled.with_config(callbacks=[AuditCallbackHandler(governor, who)])
    if owned:
        weakref.finalize(asking, governor.close)  # every copy of the graph shares the node
    return compiled


def _add_nodes(
    graph: StateGraph[Any, Any, Any, Any],
    model: BaseChatModel,
    tools: Mapping[str, GovernedTool],
    governor: Governor,
    who: PrincipalSource,
    *,
    asking: ApprovalNode,
    system_prompt: str | None,
) -> None:
    """Add the nodes, in the order in which a call meets them."""
    offered = _vouched(governor, tools)
    bound = model.bind_tools(offered) if offered else model
    graph.add_node(INTAKE, IntakeNode(governor, who, tools=list(tools)))
    graph.add_node(PLAN, PlanningNode(bound, tools, governor, who, system_prompt=system_prompt))
    graph.add_node(GUARD, ToolGuardNode(tools, governor, who, system_prompt=system_prompt, require_plan=True))
    graph.add_node(APPROVE, asking, input_schema=Order)
    graph.add_node(EXECUTE, ExecutorNode(tools, governor, who), input_schema=Order)
    graph.add_node(FINISH, FinishNode(governor, who))


def _connect(graph: StateGraph[Any, Any, Any, Any]) -> None:
    """Draw the edges; none leads from the model to a tool."""
    graph.add_edge(START, INTAKE)
    graph.add_conditional_edges(INTAKE, after_intake, [PLAN, FINISH])
    graph.add_conditional_edges(PLAN, after_planning, [GUARD, FINISH])
    graph.add_conditional_edges(GUARD, after_guard, [APPROVE, EXECUTE, PLAN, FINISH])
    graph.add_edge(APPROVE, GUARD)
    graph.add_edge(EXECUTE, PLAN)
    graph.add_edge(FINISH, END)


def _vouched(governor: Governor, tools: Mapping[str, GovernedTool]) -> list[BaseTool | dict[str, Any]]:
    """Withhold from the model what nobody pinned: a description is words to a model before any call is made."""
    withheld = [name for name, tool in tools.items() if not governor.vouches_for(name, tool.definition())]
    if withheld:
        _LOG.warning("tools whose definition is not the pinned one are not offered to the model: %s", withheld)
    return [tool.shown for name, tool in tools.items() if name not in withheld]
