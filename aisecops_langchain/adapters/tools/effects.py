"""``@effects``: what a tool's author says that the tool does.

Invariant: the claim travels with the tool object, so it counts only where governing code passed the tool itself; it is
never read from messages or state, and a declaration in the policy bundle always goes before it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from langchain_core.tools import BaseTool, StructuredTool
from pydantic import ValidationError

from aisecops_langchain.domain.effects import ResultProfile, ToolEffect, ToolProfile
from aisecops_langchain.errors import ConfigurationError

_KEY: Final = "aisecops_effects"

Declared = TypeVar("Declared", bound=BaseTool | Callable[..., object])


def effects(
    *kinds: ToolEffect | str,
    targets: Sequence[str] = (),
    amounts: Sequence[str] = (),
    content: Sequence[str] = (),
    idempotent: bool = False,
    reversible: bool = False,
    timeout_seconds: float | None = None,
    idempotency_key: str | None = None,
) -> Callable[[Declared], Declared]:
    """Declare what a tool does, above or below ``@tool``.

    A result's trust cannot be declared here: which fields are first-party is for the policy bundle to say.

    Args:
        *kinds: Effects: ``read``, ``write``, ``send``, ``spend``, ``delete``, ``execute``, ``grant``.
        targets: Arguments that say whom or what the effect reaches.
        amounts: Arguments that say how much.
        content: Arguments that carry words.
        idempotent: Whether running it again changes nothing more.
        reversible: Whether its effect can be taken back.
        timeout_seconds: How long is waited for it; then its effect is unknown.
        idempotency_key: The argument that takes the key of the effect; the runtime fills it in, and no model sees it.

    Returns:
        A decorator for a tool or a function.

    Raises:
        ConfigurationError: If the declaration is malformed.
    """
    try:
        profile = ToolProfile(
            effects=tuple(ToolEffect(kind) for kind in kinds),
            targets=tuple(targets),
            amounts=tuple(amounts),
            content=tuple(content),
            idempotent=idempotent,
            reversible=reversible,
            timeout_seconds=timeout_seconds,
            idempotency_key=idempotency_key,
            results=ResultProfile(),
        )
    except (ValidationError, ValueError) as error:
        raise ConfigurationError(
            "the effects of a tool are declared wrongly",
            expected="at least one of " + ", ".join(ToolEffect) + ", one role for each argument, seconds above 0",
            got=type(error).__name__,
        ) from None

    def declare(tool: Declared) -> Declared:
        if isinstance(tool, BaseTool):
            return tool.model_copy(update={"metadata": {**(tool.metadata or {}), _KEY: profile}})
        vars(tool)[_KEY] = profile
        return tool

    return declare


def declared_effects(tool: BaseTool) -> ToolProfile | None:
    """Read what a tool's author declared.

    Args:
        tool: The tool.

    Returns:
        The profile, or ``None`` if nothing was declared.
    """
    found = (tool.metadata or {}).get(_KEY)
    if found is None and isinstance(tool, StructuredTool):
        function = tool.func or tool.coroutine
        found = vars(function).get(_KEY) if function is not None and hasattr(function, "__dict__") else None
    return found if isinstance(found, ToolProfile) else None
