"""Telling whether a middleware of ``create_agent`` is the innermost one.

Invariant: LangChain hands the innermost middleware the host's own function, and every other one a function that calls
the next; so where the function comes from tells which one this is. What cannot be recognised is not the innermost.
"""

from __future__ import annotations

from typing import Final

from aisecops_langchain.errors import ConfigurationError

_MODEL_CALLS: Final = ("create_agent.<locals>._execute_model_sync", "create_agent.<locals>._execute_model_async")


def require_next_to_model(handler: object) -> None:
    """Refuse to go on where another middleware stands between this one and the model.

    Args:
        handler: What ``wrap_model_call`` was handed.

    Raises:
        ConfigurationError: If it is not the host's own function.
    """
    home, name = _origin(handler)
    if home != "langchain.agents.factory" or name not in _MODEL_CALLS:
        raise _not_innermost("the model")


def require_next_to_tools(handler: object) -> None:
    """Refuse to go on where another middleware stands between this one and the tools.

    Args:
        handler: What ``wrap_tool_call`` was handed.

    Raises:
        ConfigurationError: If it is not the host's own function.
    """
    home, _ = _origin(handler)
    if home != "langgraph.prebuilt.tool_node":
        raise _not_innermost("the tools")


def _origin(handler: object) -> tuple[object, object]:
    return getattr(handler, "__module__", None), getattr(handler, "__qualname__", None)


def _not_innermost(what: str) -> ConfigurationError:
    return ConfigurationError(
        f"another middleware stands between governance and {what}",
        expected="GovernanceMiddleware as the last one in the list",
        got="a middleware after it",
        remedy="list it last, or use governed_agent",
    )
