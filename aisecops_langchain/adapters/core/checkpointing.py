"""What the checkpoints of a run are good for: waiting for a person, and recognising calls after a crash.

Invariant: a graph that we compile with a checkpointer of its own writes each checkpoint before the next step; whoever
begins a run that does not is told. By default a tool may start before the plan's checkpoint is on disk; a process
killed then would plan anew, and nothing would recognise the call.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph.state import CompiledStateGraph

from aisecops_langchain.adapters.core.acting import call_under_way

_LOG = logging.getLogger(__name__)

_CHECKPOINTER: Final = "__pregel_checkpointer"
_DURABILITY: Final = "__pregel_durability"
"""LangGraph's setting for when checkpoints are written."""
_REMEDY: Final = "invoke the outermost graph with durability='sync'"

Graph = CompiledStateGraph[Any, Any, Any, Any]


def in_step(graph: Graph, checkpointer: object) -> Graph:
    """Derive a graph that writes each checkpoint before the next step; without a checkpointer, the same graph.

    Args:
        graph: The graph.
        checkpointer: What it was compiled with; LangGraph fails on the setting where it is none.

    Returns:
        The graph.
    """
    if not isinstance(checkpointer, BaseCheckpointSaver):
        return graph
    return graph.with_config(configurable={_DURABILITY: "sync"})


def can_pause(configured: Mapping[str, Any]) -> bool:
    """Whether a run can wait for a person: not inside a tool, which is carried out once and cannot be gone on with.

    Args:
        configured: The ``configurable`` part of the run's configuration.
    """
    return configured.get(_CHECKPOINTER) is not None and call_under_way() is None


def warn_of_lag(configured: Mapping[str, Any]) -> None:
    """Tell the program's log if a run has checkpoints and does not wait for them.

    Args:
        configured: The ``configurable`` part of the run's configuration.
    """
    if can_pause(configured) and configured.get(_DURABILITY) != "sync":
        _LOG.warning("checkpoints of this run may lag behind its calls, which a crash can then run again: %s", _REMEDY)
