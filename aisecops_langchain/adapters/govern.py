"""``govern``: a model, tools and a policy become a governed LangGraph agent.

Invariant: there is no edge from the model to a tool; the only node that runs tools is reached only through the guard,
and asks the ledger for a permit whatever way it was reached.
"""

from __future__ import annotations

import logging
import os
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, get_type_hints, is_typeddict

from langchain_core.language_models import BaseChatModel
from langchain_core.tools import BaseTool
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.store.base import BaseStore
from langgraph.types import Checkpointer, Send

from aisecops_langchain.adapters.callbacks import AuditCallbackHandler
from aisecops_langchain.adapters.checkpoints.saver import SealedCheckpointer
from aisecops_langchain.adapters.core.place import ApproverSource, PrincipalSource, acting_for, only_agent
from aisecops_langchain.adapters.identity import VerifiedPrincipal, WarrantSource
from aisecops_langchain.adapters.nodes.approval import ApprovalFormat, ApprovalNode
from aisecops_langchain.adapters.nodes.executor import ExecutorNode
from aisecops_langchain.adapters.nodes.finish import FinishNode
from aisecops_langchain.adapters.nodes.guard import ToolGuardNode
from aisecops_langchain.adapters.nodes.intake import IntakeNode
from aisecops_langchain.adapters.nodes.orders import Order, orders
from aisecops_langchain.adapters.nodes.planning import PlanningNode
from aisecops_langchain.adapters.parts import require_model, require_one_answer
from aisecops_langchain.adapters.state import CHANNEL, MESSAGES, GovernanceState
from aisecops_langchain.adapters.tools.governed import GovernedTool
from aisecops_langchain.adapters.tools.keys import toolbox_for
from aisecops_langchain.adapters.translate.turns import last_turn
from aisecops_langchain.audit import Durability
from aisecops_langchain.domain.principal import Principal
from aisecops_langchain.errors import ConfigurationError
from aisecops_langchain.runtime.governor import Governor, PolicySource
from aisecops_langchain.runtime.ports import Ledger
from aisecops_langchain.runtime.principals.identity import IdentityProvider

_LOG = logging.getLogger(__name__)

INTAKE: Final = "intake"
PLAN: Final = "plan"
GUARD: Final = "guard"
APPROVE: Final = "approve"
EXECUTE: Final = "execute"
FINISH: Final = "finish"

_ANYBODY: Final = "anonymous"
_ANYWHERE: Final = "default"

_DURABILITY: Final = "__pregel_durability"
"""LangGraph's setting for when checkpoints are written. By default a tool may start before the plan's checkpoint is on
disk; a process killed then would plan anew, and nothing would recognise the call. So each step waits for the last."""


def govern(
    model: BaseChatModel,
    tools: Sequence[BaseTool | Callable[..., Any]],
    *,
    policy: PolicySource | None = None,
    home: str | os.PathLike[str] = ".aisecops",
    ledger: Ledger | str | None = None,
    governor: Governor | None = None,
    agent: str | None = None,
    user: str = _ANYBODY,
    tenant: str = _ANYWHERE,
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
        for_somebody=(user, tenant) != (_ANYBODY, _ANYWHERE),
    )
    require_model(model)
    owned = governor is None
    governor = governor or _open(policy, home, durability, ledger)
    named = (
        principal
        if principal is not None
        else _principal(governor, agent, user, tenant, identity=identity, warrant=warrant)
    )
    who = acting_for(governor, named)
    governed = toolbox_for(governor, tools)
    offered = _vouched(governor, governed)
    bound = model.bind_tools(offered) if offered else model
    graph: StateGraph[Any, Any, Any, Any] = StateGraph(_schema(state_schema), context_schema=context_schema)
    graph.add_node(INTAKE, IntakeNode(governor, who, tools=list(governed)))
    graph.add_node(PLAN, PlanningNode(bound, governed, governor, who, system_prompt=system_prompt))
    guard = ToolGuardNode(governed, governor, who, system_prompt=system_prompt, require_plan=True)
    graph.add_node(GUARD, guard)
    if identity is not None and approver is None and governor.policy.requires_approval_possible():
        _LOG.warning("nobody can approve at an interrupt: users are vouched for, so pass approver=, too")
    asking = ApprovalNode(governed, governor, who, approver=approver, approval_format=approval_format)
    graph.add_node(APPROVE, asking, input_schema=Order)
    graph.add_node(EXECUTE, ExecutorNode(governed, governor, who), input_schema=Order)
    graph.add_node(FINISH, FinishNode(governor, who))
    _connect(graph)
    if seal_checkpoints:
        checkpointer = _sealed(checkpointer, governor)
    compiled = graph.compile(checkpointer=checkpointer, store=store, name=name)
    if isinstance(checkpointer, BaseCheckpointSaver):  # without one, LangGraph fails on the setting
        compiled = compiled.with_config(configurable={_DURABILITY: "sync"})
    if spans:
        compiled = compiled.with_config(callbacks=[AuditCallbackHandler(governor, who)])
    if owned:
        weakref.finalize(guard, governor.close)  # every copy of the graph shares the node
    return compiled


def _connect(graph: StateGraph[Any, Any, Any, Any]) -> None:
    """Draw the edges; none leads from the model to a tool."""
    graph.add_edge(START, INTAKE)
    graph.add_conditional_edges(INTAKE, after_intake, [PLAN, FINISH])
    graph.add_conditional_edges(PLAN, after_planning, [GUARD, FINISH])
    graph.add_conditional_edges(GUARD, after_guard, [APPROVE, EXECUTE, PLAN, FINISH])
    graph.add_edge(APPROVE, GUARD)
    graph.add_edge(EXECUTE, PLAN)
    graph.add_edge(FINISH, END)


def after_intake(state: Mapping[str, Any]) -> str:
    """Route a blocked prompt to the end, any other to planning."""
    return FINISH if _next(state).get("stop") else PLAN


def after_planning(state: Mapping[str, Any]) -> str:
    """Route a proposal to the guard, final words to the end."""
    return GUARD if last_turn(state.get(MESSAGES) or []) else FINISH


def after_guard(state: Mapping[str, Any]) -> str | list[Send]:
    """Route to the approvals first, then to the permitted calls, one task each; refusals go back to the model.

    In a graph of your own, give the nodes the names that ``govern`` gives them: ``plan``, ``guard``, ``approve``,
    ``execute`` and ``finish``.
    """
    following = _next(state)
    if following.get("stop"):
        return FINISH
    questions, permits = following.get("approvals"), following.get("permits")
    if isinstance(questions, list) and questions:
        return [Send(APPROVE, order) for order in orders(state, {str(item): "" for item in questions})] or PLAN
    if isinstance(permits, Mapping) and permits:
        return [Send(EXECUTE, order) for order in orders(state, permits)] or PLAN
    return PLAN


def _next(state: Mapping[str, Any]) -> Mapping[str, Any]:
    memory = state.get(CHANNEL)
    following = memory.get("next") if isinstance(memory, Mapping) else None
    return following if isinstance(following, Mapping) else {}


def _vouched(governor: Governor, tools: Mapping[str, GovernedTool]) -> list[BaseTool | dict[str, Any]]:
    """Withhold from the model what nobody pinned: a description is words to a model before any call is made."""
    withheld = [name for name, tool in tools.items() if not governor.vouches_for(name, tool.definition())]
    if withheld:
        _LOG.warning("tools whose definition is not the pinned one are not offered to the model: %s", withheld)
    return [tool.shown for name, tool in tools.items() if name not in withheld]


def _open(
    policy: PolicySource | None, home: str | os.PathLike[str], durability: Durability | str, ledger: Ledger | str | None
) -> Governor:
    if policy is None:
        raise ConfigurationError(
            "no policy was given",
            expected="a policy bundle, or an open governor",
            got="neither",
            remedy="pass policy='policy.yaml'; without a policy nothing would be allowed",
        )
    return Governor.open(policy, home, ledger=ledger, durability=durability)


def _sealed(checkpointer: Checkpointer, governor: Governor) -> SealedCheckpointer:
    if isinstance(checkpointer, SealedCheckpointer):
        return checkpointer
    if not isinstance(checkpointer, BaseCheckpointSaver):
        raise ConfigurationError(
            "there are no checkpoints to seal",
            expected="a checkpointer of this graph's own",
            got=type(checkpointer).__name__,
            remedy="give a checkpointer, or seal that of the parent graph",
        )
    return SealedCheckpointer(checkpointer, governor)


def _principal(
    governor: Governor,
    agent: str | None,
    user: str,
    tenant: str,
    *,
    identity: IdentityProvider | None,
    warrant: WarrantSource | None,
) -> PrincipalSource:
    if identity is None and warrant is None:
        return Principal(agent=agent or only_agent(governor), user=user, tenant=tenant)
    if (user, tenant) != (_ANYBODY, _ANYWHERE):
        raise ConfigurationError(
            "two answers to who this is for", expected="identity or warrant alone", got="a user or tenant as well"
        )
    name = agent if agent or warrant is not None else only_agent(governor)
    return VerifiedPrincipal(governor, agent=name, identity=identity, warrant=warrant)


def _schema(own: type[Any] | None) -> type[Any]:
    """Add the governance channel to a state schema."""
    if own is None:
        return GovernanceState
    if not is_typeddict(own):
        raise ConfigurationError("unsupported state schema", expected="a TypedDict", got=getattr(own, "__name__", "?"))
    hints = get_type_hints(own, include_extras=True)
    if MESSAGES not in hints:
        raise ConfigurationError(
            "the state schema has no conversation", expected=f"a channel named {MESSAGES}", got=", ".join(sorted(hints))
        )
    if not getattr(hints[MESSAGES], "__metadata__", ()):
        raise ConfigurationError(
            "the conversation would be overwritten at each step",
            expected=f"a reducer on {MESSAGES}, such as add_messages",
            got="none",
        )
    added = get_type_hints(GovernanceState, include_extras=True)[CHANNEL]
    from typing_extensions import TypedDict  # noqa: PLC0415

    return TypedDict(f"Governed{own.__name__}", {**hints, CHANNEL: added}, total=False)  # type: ignore[operator,no-any-return]
