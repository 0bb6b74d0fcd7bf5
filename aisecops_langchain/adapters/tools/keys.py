"""Idempotency keys as tools take them: an argument that the runtime fills in, and that no model sees.

Invariant: a tool that takes a key runs only with the key of its own effect in that argument.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from langchain_core.tools import BaseTool

from aisecops_langchain.adapters.tools.governed import GovernedTool, check_profiles, toolbox
from aisecops_langchain.errors import ConfigurationError
from aisecops_langchain.runtime.governor import Governor

_LOG = logging.getLogger(__name__)


def toolbox_for(governor: Governor, tools: Sequence[BaseTool | Callable[..., Any]]) -> dict[str, GovernedTool]:
    """Put tools under governance as policy describes them: their keys hidden, their profiles checked.

    Tools that policy does not know are let be, since another policy may come that does, but warned of.

    Args:
        governor: Knows what policy says of the tools.
        tools: LangChain tools, or functions to make tools of.

    Returns:
        The governed tools by name.

    Raises:
        ConfigurationError: If one of them cannot be governed, or policy names an argument that it does not have.
    """
    governed = toolbox(tools)
    hide_keys(governor, governed)
    check_profiles(governor, governed)
    unknown = sorted(governed.keys() - governor.policy.tools)
    if unknown:
        _LOG.warning("policy denies every call of these tools, which it does not know: %s", ", ".join(unknown))
    varying = [f"{tool.name}.{name}" for tool in governed.values() for name in tool.varying_defaults]
    if varying:
        _LOG.warning("a call never runs that leaves out an argument whose default varies: %s", ", ".join(varying))
    return governed


def hide_keys(governor: Governor, tools: Mapping[str, GovernedTool]) -> None:
    """Hide from the model the argument of each tool that takes its idempotency key.

    Args:
        governor: Knows what policy says of the tools.
        tools: The governed tools; what they show of themselves changes.

    Raises:
        ConfigurationError: If a tool does not have the argument, or cannot do without it.
    """
    for tool in tools.values():
        tool.hide_key(governor.profile(tool.name, tool.profile).idempotency_key)


def require_key(governor: Governor, tool: GovernedTool) -> None:
    """Refuse to run a tool whose key policy puts elsewhere than when the graph was built.

    Args:
        governor: Knows what the policy in force says.
        tool: The tool.

    Raises:
        ConfigurationError: If it does.
    """
    wanted = governor.profile(tool.name, tool.profile).idempotency_key
    if wanted != tool.key_argument:
        raise ConfigurationError(
            f"policy puts the idempotency key of {tool.name} elsewhere since the graph was built",
            expected=tool.key_argument or "no key",
            got=wanted or "no key",
            remedy="build the graph anew",
        )
