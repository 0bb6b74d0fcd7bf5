"""Where a node runs and for whom: LangGraph's configuration and state become a scope.

Invariant: the principal comes from configuration only, and identity of thread and task from LangGraph itself; the
trace is read from state, where a forged one can mislabel events but authorises nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from langchain_core.messages import AnyMessage
from langchain_core.runnables import RunnableConfig
from langgraph.runtime import get_runtime

from aisecops_langchain.adapters.state import CHANNEL, MESSAGES
from aisecops_langchain.canonical import digest
from aisecops_langchain.domain.principal import Approver, Principal
from aisecops_langchain.domain.scope import Scope
from aisecops_langchain.errors import ConfigurationError
from aisecops_langchain.runtime.governor import Governor

PrincipalSource = Principal | Callable[[RunnableConfig], Principal]
"""Who acts: fixed, or told by a function of the run's configuration (never of messages)."""

ApproverSource = Callable[[RunnableConfig], Approver]
"""Who answers approvals, told from the configuration of the resuming call."""

TRACE_METADATA: Final = "aisecops_trace"
"""Metadata key under which callbacks find the trace."""

_TRACE: Final = re.compile(r"[0-9a-f]{32}\Z")
_CHECKPOINTER: Final = "__pregel_checkpointer"


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
) -> Place:
    """Find out where a node runs.

    Args:
        governor: Knows the policy in force.
        principal: Who acts, or how to tell.
        state: What the node was given.
        config: The configuration it was given.
        new_trace: Whether a run begins here.

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
    can_pause = config.get("configurable", {}).get(_CHECKPOINTER) is not None
    memory = state.get(CHANNEL)
    memory = memory if isinstance(memory, Mapping) else {}
    thread = info.thread_id if can_pause else None
    trace = memory.get("trace")
    if new_trace or not isinstance(trace, str) or not _TRACE.match(trace):
        trace = digest("trace", [thread or "", info.task_id])[7:39]
    scope = governor.scope(
        trace=trace,
        thread=thread or f"run-{trace}",
        checkpoint_ns=info.checkpoint_ns.rpartition("|")[0],
        principal=principal_in(principal, config),
    )
    messages = state.get(MESSAGES)
    return Place(scope, info.task_id, can_pause, messages if isinstance(messages, list) else [], memory)


def traced(config: RunnableConfig | None, place: Place) -> RunnableConfig:
    """Derive a configuration that lets callbacks know which trace a model or tool call belongs to.

    Args:
        config: The node's configuration.
        place: Where the node runs.

    Returns:
        The same configuration with the trace in its metadata.
    """
    base: RunnableConfig = config or {}
    return {**base, "metadata": {**base.get("metadata", {}), TRACE_METADATA: place.scope.trace}}


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
    trace = str(known.get(TRACE_METADATA) or otherwise)
    return governor.scope(
        trace=trace,
        thread=str(known.get("thread_id") or f"run-{trace}"),
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
