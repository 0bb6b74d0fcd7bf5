"""What the user asks for, read once from the user's own words and the same for the whole run.

Invariant: a scope is a function of words whose label proves that the user said them, so whoever can write state can
take words away, which narrows, but never widen it; and nothing that a model or a tool said is ever read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aisecops_langchain.canonical import JsonValue
from aisecops_langchain.domain.effects import ToolProfile
from aisecops_langchain.domain.labels import Integrity, SourceKind
from aisecops_langchain.domain.scope import Scope
from aisecops_langchain.domain.task import TaskScope
from aisecops_langchain.errors import LedgerError
from aisecops_langchain.provenance import LabelledText, ScopedTool, ScopeExtractor, VaryingScopeExtractor
from aisecops_langchain.runtime.ledger.records import ScopeRecord, close_row, open_row
from aisecops_langchain.runtime.policies.in_force import PolicyInForce
from aisecops_langchain.runtime.ports import Change, Ledger, Table, ToolContract, is_described
from aisecops_langchain.sealing import Sealer

Toolbox = Mapping[str, ToolContract]
"""The tools within an agent's reach, by name."""

_REMEMBERED = 256


class FixedScopes:
    """Keeps the first reading of a run's words in the ledger, sealed, for every later execution and process.

    Args:
        ledger: Where it is kept.
        sealer: Holds the key; readings are found by a keyed digest, so that the ledger does not tell the words.
    """

    def __init__(self, ledger: Ledger, sealer: Sealer) -> None:
        self._ledger = ledger
        self._sealer = sealer

    def read(
        self, extractor: VaryingScopeExtractor, words: Sequence[str], tools: Sequence[ScopedTool], run: Scope
    ) -> TaskScope:
        """Return what a run's words were first read to ask for, reading them now if nobody did.

        Args:
            extractor: Reads words.
            words: The user's own words.
            tools: What is within reach.
            run: Where.

        Returns:
            The scope.

        Raises:
            LedgerError: If it cannot be kept, or the row was edited at rest.
        """
        reach: JsonValue = [[tool.name, tool.profile.model_dump(mode="json")] for tool in tools]
        asked: JsonValue = [run.principal.tenant, run.trace, extractor.identity, [*words], reach]
        key = self._sealer.seal("task-scope", asked)
        kept = self._kept(key)
        if kept is not None:
            return kept
        read = extractor.extract(words, tools)
        row = close_row(self._sealer, Table.SCOPES, key, ScopeRecord(task=read))
        if self._ledger.apply([Change(row)], durable=True):
            return read
        kept = self._kept(key)  # another process was faster, and its reading stands
        if kept is None:
            raise LedgerError("a task scope could not be kept", expected="a row of the ledger", got="none")
        return kept

    def _kept(self, key: str) -> TaskScope | None:
        row = self._ledger.get(Table.SCOPES, key)
        return None if row is None else open_row(self._sealer, row, ScopeRecord).task


class TaskReader:
    """Makes the task scope of a context, and remembers it.

    Args:
        extractor: Reads words.
        policy: Declares what the tools do.
        fixed: Keeps the readings of an extractor that may read differently each time.
    """

    def __init__(self, extractor: ScopeExtractor, policy: PolicyInForce, fixed: FixedScopes) -> None:
        self._extractor = extractor
        self._fixed = fixed
        self._policy = policy
        self._made: dict[tuple[str, tuple[str, ...], tuple[ScopedTool, ...]], TaskScope] = {}
        self._recorded: dict[tuple[str, str], None] = {}

    def task(self, contents: Sequence[LabelledText], tools: Toolbox, run: Scope) -> TaskScope | None:
        """Return the scope of what the user said in a context.

        Args:
            contents: Everything that the model saw, labelled.
            tools: What is within reach.
            run: Where.

        Returns:
            The scope; ``None`` where the policy in force does not want to know.

        Raises:
            LedgerError: If a reading that must be kept cannot be.
        """
        if not self._policy.asks_task:
            return None
        words = tuple(item.text for item in contents if _is_users_word(item))
        known = tuple(self._scoped(tool) for tool in tools.values())
        varying = self._extractor if isinstance(self._extractor, VaryingScopeExtractor) else None
        key = (run.trace if varying else "", words, known)
        scope = self._made.get(key)
        if scope is None:
            reading = (words, known)
            scope = self._fixed.read(varying, *reading, run) if varying else self._extractor.extract(*reading)
            if len(self._made) >= _REMEMBERED:
                self._made.clear()
            self._made[key] = scope
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
