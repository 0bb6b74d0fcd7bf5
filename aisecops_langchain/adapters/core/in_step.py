"""Checkpoints in step with calls: each is on disk before the next step of the graph begins.

Invariant: a graph that we compile with a checkpointer of its own waits for each checkpoint; whoever begins a run that
does not wait is told. By default a tool may start before the plan's checkpoint is on disk; a process killed then would
plan anew, and nothing would recognise the call.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph.state import CompiledStateGraph

_LOG = logging.getLogger(__name__)

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


def warn_of_lag(configured: Mapping[str, Any]) -> None:
    """Tell the program's log if the checkpoints of a run that has some are not waited for.

    Args:
        configured: The ``configurable`` part of the run's configuration.
    """
    if configured.get(_DURABILITY) != "sync":
        _LOG.warning("checkpoints of this run may lag behind its calls, which a crash can then run again: %s", _REMEDY)
