"""Where a node runs and for whom: LangGraph's configuration and state become a scope.

Invariant: the principal comes from configuration only, and identity of thread and task from LangGraph itself; the
trace is read from state, where a forged one can mislabel events but authorises nothing.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from langchain_core.messages import AIMessage, AnyMessage
from langchain_core.runnables import RunnableConfig
from langgraph.runtime import get_runtime

from aisecops_langchain.adapters.core.acting import call_under_way
from aisecops_langchain.adapters.core.checkpointing import can_pause, warn_of_lag
from aisecops_langchain.adapters.state import CHANNEL, MESSAGES
from aisecops_langchain.canonical import digest
from aisecops_langchain.domain.principal import Approver, Principal
from aisecops_langchain.domain.scope import Scope
from aisecops_langchain.errors import ConfigurationError
from aisecops_langchain.runtime.governor import Governor
from aisecops_langchain.runtime.principals.identity import IdentityProvider

_LOG = logging.getLogger(__name__)

PrincipalSource = Principal | Callable[[RunnableConfig], Principal]
"""Who acts: fixed, or told by a function of the run's configuration (never of messages)."""

ApproverSource = IdentityProvider | Callable[[RunnableConfig], Approver]
"""Who answers approvals, told from the configuration of the resuming call by a provider or by a function."""

TRACE_METADATA: Final = "aisecops_trace"
"""Metadata key under which callbacks find the trace."""
THREAD_METADATA: Final = "aisecops_thread"
"""Metadata key of the trace's own thread: within an agent that a tool runs, LangGraph's key names the caller's."""

_TRACE: Final = re.compile(r"[0-9a-f]{32}\Z")
_READ: Final = "__pregel_read"
_NOWHERE: Final = "handed-in"


@dataclass(frozen=True, slots=True)
class Place:
    """Where one execution of a node happens."""

    scope: Scope
    task: str
    """LangGraph's task id: the same when the node is executed again, another in any other place."""
    can_pause: bool
    """Whether there is a checkpointer, so that a run can wait for a person."""
    messages: Sequence[AnyMessage]
    memory: Mapping[str, Any]
    """The governance channel as found: an attacker's word until recognised."""


def locate(
    governor: Governor,
    principal: PrincipalSource,
    state: Mapping[str, Any],
    config: RunnableConfig | None,
    *,
    new_trace: bool = False,
    inside: int = 0,
) -> Place:
    """Find out where a node runs.

    Args:
        governor: Knows the policy in force.
        principal: Who acts, or how to tell.
        state: What the node was given.
        config: The configuration it was given.
        new_trace: Whether a run begins here.
        inside: How many graphs of ours lie between the node and the graph that it works for, as where a node of that
            graph settles its questions in a graph of its own.

    Returns:
        The place.

    Raises:
        ConfigurationError: If the node does not run inside a LangGraph graph, or nobody can be named as principal.
    """
    info = get_runtime().execution_info
    if config is None or info is None:
        raise ConfigurationError(
            "a governance node runs only inside a LangGraph graph", expected="execution info", got="none"
        )
    configured = config.get("configurable", {})
    pausing = can_pause(configured)
    if new_trace:
        warn_of_lag(configured)
    memory = state.get(CHANNEL)
    memory = memory if isinstance(memory, Mapping) else {}
    thread = info.thread_id if pausing else None
    trace = memory.get("trace")
    if new_trace or not isinstance(trace, str) or not _TRACE.match(trace):
        trace = digest("trace", [thread or "", info.task_id])[7:39]
    scope = governor.scope(
        trace=trace,
        thread=thread or f"run-{trace}",
        checkpoint_ns=_outer(info.checkpoint_ns, 1 + inside),
        principal=principal_in(principal, config),
    )
    messages = state.get(MESSAGES)
    return Place(scope, info.task_id, pausing, messages if isinstance(messages, list) else [], memory)


def locate_call(
    governor: Governor, principal: PrincipalSource, config: RunnableConfig | None, message: AIMessage
) -> Place:
    """Find out where calls were handed in of which nobody here knows the conversation; it need not be in a graph.

    Outside a graph the thread is the one that the configuration names, or one that all such calls share: there a call
    is told from others by its own id and that of its message alone.

    Args:
        governor: Knows the policy in force.
        principal: Who acts, or how to tell.
        config: The configuration that the calls came with.
        message: The message that holds the calls, and nothing else of the conversation.

    Returns:
        The place; its task is the same whenever the same calls are handed in again.

    Raises:
        ConfigurationError: If nobody can be named as principal.
    """
    config = config or {}
    configured = config.get("configurable", {})
    info = get_runtime().execution_info if _READ in configured else None
    pausing = info is not None and can_pause(configured)
    thread = (info.thread_id if info is not None and pausing else configured.get("thread_id")) or _NOWHERE
    turn = digest("handed-in", [str(thread), message.id or "", *(call["id"] or "" for call in message.tool_calls)])
    scope = governor.scope(
        trace=digest("trace", [str(thread), turn])[7:39],
        thread=str(thread),
        checkpoint_ns="" if info is None else _outer(info.checkpoint_ns, 1),
        principal=principal_in(principal, config),
    )
    return Place(scope, turn, pausing, [message], {})


def _outer(namespace: str, levels: int) -> str:
    """Leave the innermost parts out of a checkpoint namespace; LangGraph numbers graphs that a node runs repeatedly."""
    for _ in range(levels):
        namespace, _, last = namespace.rpartition("|")
        if last.isdigit():
            namespace = namespace.rpartition("|")[0]
    return namespace


def acting_for(governor: Governor, principal: PrincipalSource | None) -> PrincipalSource:
    """Name who acts where nobody said so: the only agent of the bundle, for nobody in particular.

    An agent that the bundle does not know is let be, since another bundle may come that does, but warned of.

    Args:
        governor: Knows the bundle.
        principal: Who acts, if somebody said so.

    Returns:
        The principal, or how to tell it.

    Raises:
        ConfigurationError: If that is no principal, or it is left out and the bundle does not have exactly one agent.
    """
    if principal is None:
        return Principal(agent=only_agent(governor))
    if not (isinstance(principal, Principal) or callable(principal)):
        raise ConfigurationError(
            "this names nobody who acts",
            expected="a Principal, or a function of the run's configuration",
            got=type(principal).__name__,
            remedy="pass principal=Principal(agent=..., user=...)",
        )
    if isinstance(principal, Principal) and principal.agent not in governor.policy.agents:
        known = ", ".join(sorted(governor.policy.agents)) or "none"
        _LOG.warning(
            "policy denies every call of agent %r, which it does not know; it knows %s", principal.agent, known
        )
    return principal


def within_call(otherwise: PrincipalSource) -> PrincipalSource:
    """Name who acts in a call that a tool makes in the middle of another call: whoever makes that one.

    Args:
        otherwise: Who acts where no governed call is under way.

    Returns:
        How to tell; a tool never lends its caller the rights of somebody else.
    """

    def who(config: RunnableConfig) -> Principal:
        now = call_under_way()
        return principal_in(otherwise, config) if now is None else now.scope.principal

    return who


def only_agent(governor: Governor) -> str:
    """Return the bundle's only agent; raises as ``acting_for`` does."""
    agents = sorted(governor.policy.agents)
    if len(agents) != 1:
        raise ConfigurationError(
            "it is not clear which agent this is",
            expected="a named agent",
            got=f"{len(agents)} agents in the bundle",
            remedy="name it, with agent= or a principal",
        )
    return agents[0]


def traced(config: RunnableConfig | None, place: Place) -> RunnableConfig:
    """Derive a configuration that lets callbacks know which trace and thread a model or tool call belongs to.

    Args:
        config: The node's configuration.
        place: Where the node runs.

    Returns:
        The same configuration with both in its metadata.
    """
    base: RunnableConfig = config or {}
    ours = {TRACE_METADATA: place.scope.trace, THREAD_METADATA: place.scope.thread}
    return {**base, "metadata": {**base.get("metadata", {}), **ours}}


def trace_and_thread(known: Mapping[str, Any], *, otherwise: Callable[[], str]) -> tuple[str, str]:
    """Read off metadata which run something belongs to.

    Args:
        known: Metadata of a run, as callbacks and nested runnables are given it.
        otherwise: Names the trace, if it belongs to no governed one.

    Returns:
        The trace and its thread; a governed run's own thread counts before one that LangGraph names.
    """
    trace, thread = known.get(TRACE_METADATA), known.get(THREAD_METADATA)
    if not isinstance(trace, str) or not trace:
        trace, thread = otherwise(), None
    return trace, str(thread or known.get("thread_id") or f"run-{trace}")


def scope_of_run(governor: Governor, principal: Principal, config: RunnableConfig, *, otherwise: str) -> Scope:
    """Name the place that something outside the governance nodes runs in, such as a chain or a node of your own.

    Args:
        governor: Knows the policy in force.
        principal: Who acts.
        config: The configuration it runs with.
        otherwise: The trace, if it runs in no governed one.

    Returns:
        The scope.
    """
    known = {**config.get("configurable", {}), **config.get("metadata", {})}
    trace, thread = trace_and_thread(known, otherwise=lambda: otherwise)
    return governor.scope(
        trace=trace,
        thread=thread,
        checkpoint_ns=str(known.get("langgraph_checkpoint_ns") or "").rpartition("|")[0],
        principal=principal,
    )


def principal_in(source: PrincipalSource, config: RunnableConfig) -> Principal:
    """Tell who acts.

    Args:
        source: Who acts, or how to tell.
        config: The configuration of the run.

    Returns:
        The principal.

    Raises:
        ConfigurationError: If nobody can be named.
    """
    found = source if isinstance(source, Principal) else source(config)
    if not isinstance(found, Principal):
        raise ConfigurationError("nobody can be named as principal", expected="a Principal", got=type(found).__name__)
    return found
