"""What the user's own request asks for, as a bound on the run.

Invariant: a task scope is made from trusted words alone, and a call is within it only if that can be shown; where
there is no scope, every call is outside.
"""

from __future__ import annotations

from pydantic import Field

from aisecops_langchain.canonical import JsonValue, digest
from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.domain.effects import ToolEffect


class TaskScope(Frozen):
    """What one request may lead to."""

    request: str
    """Digest of the words that it was made from."""
    tools: tuple[str, ...] = ()
    """Tools that the words ask for, and tools that only read."""
    effects: tuple[ToolEffect, ...] = ()
    """Effects that the words ask for."""
    targets: tuple[str, ...] = ()
    """Addresses that the words name; shown to people, not enforced: attribution does that."""
    digest: str = Field(default="")

    @classmethod
    def of(
        cls,
        *,
        request: str,
        tools: tuple[str, ...] = (),
        effects: tuple[ToolEffect, ...] = (),
        targets: tuple[str, ...] = (),
    ) -> TaskScope:
        """Make a scope and name it by its content.

        Args:
            request: Digest of the trusted words.
            tools: Tools asked for.
            effects: Effects asked for.
            targets: Addresses named.

        Returns:
            The scope with its digest.
        """
        tools, effects = tuple(sorted(set(tools))), tuple(sorted(set(effects)))
        targets = tuple(sorted(set(targets)))
        bound: JsonValue = [request, [*tools], [item.value for item in effects], [*targets]]
        return cls(request=request, tools=tools, effects=effects, targets=targets, digest=digest("task", bound))

    def standing(self, tool: str, effects: tuple[ToolEffect, ...]) -> TaskStanding:
        """Tell how a call stands to the request.

        Args:
            tool: The tool called.
            effects: What the tool does.

        Returns:
            The standing.
        """
        named = tool in self.tools
        asked = set(effects) <= {*self.effects, ToolEffect.READ}
        return TaskStanding(scope=self.digest, tool_in_scope=named, in_scope=named and asked)


class TaskStanding(Frozen):
    """How one call stands to the user's request; what rules may ask for."""

    scope: str = ""
    """Digest of the task scope; empty where there is none."""
    tool_in_scope: bool = False
    in_scope: bool = False
    """Whether the tool was asked for, and every effect of it."""


NO_TASK = TaskStanding()
"""The standing of a call where nobody knows what the user asked for: outside."""
