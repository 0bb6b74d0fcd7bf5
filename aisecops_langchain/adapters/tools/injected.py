"""What a host injects into a tool's arguments, where a tool is called outside our own nodes.

Invariant: only what a model cannot write is taken for injected. An argument that the model could have written itself,
and that its schema hides from it, has no way in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeGuard, get_args, get_origin

from langchain_core.tools import BaseTool, InjectedToolCallId
from langgraph.prebuilt import InjectedStore
from langgraph.prebuilt.tool_node import ToolRuntime
from langgraph.store.base import BaseStore
from pydantic import BaseModel

from aisecops_langchain.errors import ConfigurationError

_TYPES: Final[Mapping[str, type]] = {"runtime": ToolRuntime, "store": BaseStore}


def injected_names(tool: BaseTool) -> Mapping[str, str]:
    """Find the arguments of a tool that a host fills in.

    Args:
        tool: The tool.

    Returns:
        For each of them ``runtime``, ``store`` or ``call_id``.

    Raises:
        ConfigurationError: If there is one whose value a model could forge.
    """
    full, shown = tool.get_input_schema(), tool.tool_call_schema
    if not (_is_model(full) and _is_model(shown)):
        return {}  # a JSON schema hides nothing
    hidden = set(full.model_fields) - set(shown.model_fields)
    return {name: _kind(tool, name, full.model_fields[name]) for name in sorted(hidden)}


def injected_values(kinds: Mapping[str, str], given: Mapping[str, Any], call_id: str) -> dict[str, Any]:
    """Take out of a call's arguments what the host injected.

    Args:
        kinds: What ``injected_names`` found.
        given: The arguments as they came.
        call_id: Id of the call.

    Returns:
        The injected arguments; whatever only poses as one of them is left where it is.
    """
    taken: dict[str, Any] = {name: call_id for name, kind in kinds.items() if kind == "call_id"}
    for name, kind in kinds.items():
        if kind in _TYPES and isinstance(given.get(name), _TYPES[kind]):
            taken[name] = given[name]
    return taken


def _is_model(schema: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(schema, type) and issubclass(schema, BaseModel)


def _kind(tool: BaseTool, name: str, field: Any) -> str:
    marks = [field.annotation, get_origin(field.annotation), *get_args(field.annotation), *field.metadata]
    for mark, kind in ((InjectedToolCallId, "call_id"), (InjectedStore, "store"), (ToolRuntime, "runtime")):
        if any(found is mark or isinstance(found, mark) for found in marks):
            return kind
    raise ConfigurationError(
        f"tool {tool.name} has an injected argument that a model could forge here",
        expected="ToolRuntime, InjectedStore or InjectedToolCallId",
        got=name,
        remedy="use GovernedToolNode, GovernanceMiddleware or govern, or take it from ToolRuntime",
    )
