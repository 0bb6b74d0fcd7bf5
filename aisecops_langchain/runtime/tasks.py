"""What the user asks for, read once from the user's own words and the same for the whole run.

Invariant: a scope is a function of words whose label proves that the user said them, so whoever can write state can
take words away, which narrows, but never widen it; and nothing that a model or a tool said is ever read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aisecops_langchain.domain.effects import ToolProfile
from aisecops_langchain.domain.labels import Integrity, SourceKind
from aisecops_langchain.domain.scope import Scope
from aisecops_langchain.domain.task import TaskScope
from aisecops_langchain.provenance import LabelledText, ScopedTool, ScopeExtractor
from aisecops_langchain.runtime.policy_in_force import PolicyInForce
from aisecops_langchain.runtime.ports import ToolContract, is_described

Toolbox = Mapping[str, ToolContract]
"""The tools within an agent's reach, by name."""

_REMEMBERED = 256


class TaskReader:
    """Makes the task scope of a context, and remembers it.

    Args:
        extractor: Reads words.
        policy: Declares what the tools do.
    """

    def __init__(self, extractor: ScopeExtractor, policy: PolicyInForce) -> None:
        self._extractor = extractor
        self._policy = policy
        self._made: dict[tuple[tuple[str, ...], tuple[ScopedTool, ...]], TaskScope] = {}
        self._recorded: dict[tuple[str, str], None] = {}

    def task(self, contents: Sequence[LabelledText], tools: Toolbox) -> TaskScope | None:
        """Return the scope of what the user said in a context.

        Args:
            contents: Everything that the model saw, labelled.
            tools: What is within reach.

        Returns:
            The scope; ``None`` where the policy in force does not want to know.
        """
        if not self._policy.asks_task:
            return None
        words = tuple(item.text for item in contents if _is_users_word(item))
        known = tuple(self._scoped(tool) for tool in tools.values())
        scope = self._made.get((words, known))
        if scope is None:
            scope = self._extractor.extract(words, known)
            if len(self._made) >= _REMEMBERED:
                self._made.clear()
            self._made[words, known] = scope
        return scope

    def is_new(self, scope: Scope, task: TaskScope) -> bool:
        """Tell whether a scope has not been recorded for a run yet, and remember that it will be."""
        key = (scope.trace, task.digest)
        if key in self._recorded:
            return False
        if len(self._recorded) >= _REMEMBERED:
            self._recorded.clear()
        self._recorded[key] = None
        return True

    def _scoped(self, tool: ToolContract) -> ScopedTool:
        described = tool if is_described(tool) else None
        declared: ToolProfile | None = described.profile if described else None
        profile = self._policy.profile(tool.name, declared)
        return ScopedTool(tool.name, described.description if described else "", profile)


def _is_users_word(item: LabelledText) -> bool:
    return item.label.integrity is Integrity.USER and all(
        source.kind is SourceKind.USER_PROMPT for source in item.label.sources
    )
