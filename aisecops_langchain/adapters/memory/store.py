"""Long-term memory behind governance: a store around any LangGraph store.

Invariant: every way into and out of a store is an operation of ``batch`` or ``abatch``, and these two pass nothing that
was not inspected, sealed and recorded on its way in, or recognised and inspected on its way out.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config
from langgraph.runtime import Runtime
from langgraph.store.base import BaseStore, GetOp, Item, ListNamespacesOp, Op, PutOp, Result, SearchItem, SearchOp

from aisecops_langchain.adapters.core.acting import Acting, call_under_way
from aisecops_langchain.adapters.core.place import PrincipalSource, principal_in, scope_of_run
from aisecops_langchain.adapters.memory.results import (
    Looks,
    Where,
    found_at,
    governed,
    items_in,
    looked_again,
    namespaces,
    stale,
)
from aisecops_langchain.domain.labels import UNLABELLED, Label
from aisecops_langchain.domain.scope import Scope
from aisecops_langchain.errors import ConfigurationError, MemoryAccessError
from aisecops_langchain.runtime.governor import Governor
from aisecops_langchain.runtime.memory.envelopes import ENVELOPE, MemoryPlace
from aisecops_langchain.runtime.memory.service import Look, MemoryRules, Writing

_RUNTIME: Final = "__pregel_runtime"
"""Where LangGraph keeps the runtime, with the store in it, in a node's configuration."""

_LOOKS: Final = 5
"""How often a memory is looked at again that was replaced meanwhile."""

_SIMPLE: Final = re.compile(r"\w[\w-]*\Z")


class GovernedStore(BaseStore):
    """A LangGraph store whose memories are inspected, labelled, sealed and recorded.

    A memory that is changed, moved, put back to an older value or stripped of its seal outside this class is not
    passed on: ``get`` finds nothing, a search leaves it out, and the log says so. What is written carries the label of
    what the writer saw, and brings it back in every later session.

    Args:
        inner: Any store; semantic search, filters and lifetimes work as it does them.
        governor: Inspects, seals, remembers and records.
        principal: Who acts outside a governed call: fixed, or a function of the run's configuration.
        name: Names the store; memories of one do not count in another.
        redact_pii: Whether personal data is replaced by markers.
        refused: What becomes of reading a memory that may not be passed on: ``omit`` or ``raise``.
        ungoverned: What becomes of memories that were never governed: ``refuse`` them, or ``inspect``
            and pass them on as untrusted.
        across_tenants: Whether a tenant may read, replace and delete what another one wrote.
    """

    __slots__ = ("_governor", "_name", "_principal", "_rules", "inner", "supports_ttl", "ttl_config")

    def __init__(
        self,
        inner: BaseStore,
        governor: Governor,
        *,
        principal: PrincipalSource | None = None,
        name: str = "memory",
        redact_pii: bool = False,
        refused: Literal["omit", "raise"] = "omit",
        ungoverned: Literal["refuse", "inspect"] = "refuse",
        across_tenants: bool = False,
    ) -> None:
        if isinstance(inner, GovernedStore):
            raise ConfigurationError(
                "a store is governed twice", expected="a store of LangGraph's", got="a GovernedStore"
            )
        self.inner = inner
        self.supports_ttl = inner.supports_ttl
        self.ttl_config = inner.ttl_config
        self._governor = governor
        self._principal = principal
        self._name = name
        self._rules = MemoryRules(
            redact_pii=redact_pii,
            raises=refused == "raise",
            adopts=ungoverned == "inspect",
            any_tenant=across_tenants,
        )

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Carry out operations; LangGraph's ``get``, ``put``, ``search`` and ``delete`` all come here.

        Args:
            ops: The operations.

        Returns:
            Their results, in order.

        Raises:
            ContentBlockedError: If policy lets nothing of a memory be written.
            SanitizeError: If a memory cannot be inspected.
            MemoryAccessError: If a memory may not be written, or read where that raises.
            AuditWriteError: If something could not be recorded.
            LedgerError: If something could not be remembered.
        """
        work = self._begin(ops)
        found = self.inner.batch(work.ops)
        looks = self._look(work, found)
        for _ in range(_LOOKS):
            again = stale(looks)
            if not again:
                break
            found = looked_again(found, again, self.inner.batch(again.values()))
            looks = self._look(work, found, looks)
        return self._end(work, found, looks)

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """The same without blocking the event loop."""
        work = await asyncio.to_thread(self._begin, ops)
        found = await self.inner.abatch(work.ops)
        looks = await asyncio.to_thread(self._look, work, found)
        for _ in range(_LOOKS):
            again = stale(looks)
            if not again:
                break
            found = looked_again(found, again, await self.inner.abatch(again.values()))
            looks = await asyncio.to_thread(self._look, work, found, looks)
        return await asyncio.to_thread(self._end, work, found, looks)

    def _begin(self, ops: Iterable[Op]) -> _Work:
        """Inspect and seal what is to be written; nothing has reached the store when this raises."""
        asked = list(ops)
        session = self._session()
        last = {(op.namespace, op.key): index for index, op in enumerate(asked) if isinstance(op, PutOp)}
        puts = [op for index, op in enumerate(asked) if isinstance(op, PutOp) and last[op.namespace, op.key] == index]
        for op in asked:
            _require_plain(op)
        writings = [(self._place(op.namespace, op.key), op.value) for op in puts]
        writing = self._governor.memories.write(writings, session.scope, based_on=session.based_on(), rules=self._rules)
        sealed = {(op.namespace, op.key): value for op, value in zip(puts, writing.values, strict=True)}
        handed = [self._handed(op, sealed) for op in asked]
        return _Work(session, handed, writing)

    def _handed(self, op: Op, sealed: Mapping[tuple[tuple[str, ...], str], dict[str, Any] | None]) -> Op:
        if not isinstance(op, PutOp):
            return op
        value = sealed[op.namespace, op.key]
        return op._replace(value=value, index=op.index if value is None else self._index(op, value))

    def _index(self, op: PutOp, value: Mapping[str, Any]) -> Any:
        """Keep the seal out of the vectors: where a store would index the whole value, index its fields instead."""
        config = getattr(self.inner, "index_config", None)
        if op.index not in (None, ["$"]) or not isinstance(config, Mapping):
            return op.index
        paths = op.index or config.get("fields") or config.get("text_fields") or ["$"]
        if "$" not in paths:
            return op.index
        fields = [name for name in value if name != ENVELOPE and _SIMPLE.match(name)]
        return [*(path for path in paths if path != "$"), *fields] or False

    def _look(self, work: _Work, found: Sequence[Result], before: Looks | None = None) -> Looks:
        """Look at every memory that was read; on a second look, at those that were stale on the first."""
        looks = dict(before or {})
        for where, item in items_in(work.ops, found):
            if where not in looks or looks[where][1].fault == "stale":
                place = self._place(item.namespace, item.key)
                looks[where] = (item, self._governor.memories.look(place, item.value))
        return {where: seen for where, seen in looks.items() if found_at(found, where) is not None}

    def _end(self, work: _Work, found: Sequence[Result], looks: Looks) -> list[Result]:
        """Inspect what was read; then what was written is all that counts."""
        try:
            shown = {where: self._recalled(item, look, work.session) for where, (item, look) in looks.items()}
            return [
                self._shown(op, index, result, shown, work.session)
                for index, (op, result) in enumerate(zip(work.ops, found, strict=True))
            ]
        finally:
            self._governor.memories.settle(work.writing)

    def _shown(
        self, op: Op, index: int, result: Result, shown: Mapping[Where, Item | None], session: _Session
    ) -> Result:
        match op:
            case GetOp():
                return shown.get((index, None))
            case SearchOp():
                items = (shown.get((index, at)) for at in range(len(result) if isinstance(result, list) else 0))
                return [item for item in items if isinstance(item, SearchItem)]
            case ListNamespacesOp():
                return [space for space in namespaces(result) if self._may_show(space, session)]
            case _:
                return None

    def _may_show(self, space: tuple[str, ...], session: _Session) -> bool:
        return self._governor.memories.may_name(self._place(space, ""), session.scope, rules=self._rules)

    def _recalled(self, item: Item, look: Look, session: _Session) -> Item | None:
        place = self._place(item.namespace, item.key)
        recalled = self._governor.memories.recall(place, item.value, look, session.scope, rules=self._rules)
        if recalled is None:
            return None
        session.saw(recalled.label)
        return governed(item, recalled.value, recalled.label)

    def _place(self, namespace: tuple[str, ...], key: str) -> MemoryPlace:
        return MemoryPlace(self._name, tuple(namespace), key)

    def _session(self) -> _Session:
        now = call_under_way()
        if now is not None:
            return _Session(now.scope, now)
        config = var_child_runnable_config.get() or RunnableConfig()
        if self._principal is None:
            raise ConfigurationError(
                "nobody acts here",
                expected="a governed call, or a store with a principal",
                got="neither",
                remedy="make the store with principal=Principal(agent=...)",
            )
        who = principal_in(self._principal, config)
        return _Session(scope_of_run(self._governor, who, config, otherwise=secrets.token_hex(16)), None)


@dataclass(frozen=True, slots=True)
class _Session:
    """On whose behalf memories are touched, and what they may be based on."""

    scope: Scope
    call: Acting | None

    def based_on(self) -> Label:
        """Label what is written: outside a governed call nobody knows what the writer saw."""
        return UNLABELLED if self.call is None else self.call.based_on()

    def saw(self, label: Label) -> None:
        """Remember what a tool read, for the label of its result and of what it writes."""
        if self.call is not None:
            self.call.read.append(label)


@dataclass(frozen=True, slots=True)
class _Work:
    """One batch on its way."""

    session: _Session
    ops: list[Op]
    writing: Writing


def with_governed_store(
    configurable: Mapping[str, Any], governor: Governor, principal: PrincipalSource
) -> dict[str, Any]:
    """Derive the settings of a node in which the store is a governed one, wherever the graph got it from.

    Args:
        configurable: The settings.
        governor: Governs.
        principal: Who acts outside a governed call.

    Returns:
        The same settings, with LangGraph's runtime changed if it has a store that nobody governs.
    """
    runtime = configurable.get(_RUNTIME)
    if not isinstance(runtime, Runtime) or runtime.store is None:
        return dict(configurable)
    store = as_governed(runtime.store, governor, principal)
    return {**configurable, _RUNTIME: runtime.override(store=store)}


def as_governed(store: BaseStore, governor: Governor, principal: PrincipalSource | None) -> GovernedStore:
    """Govern a store, unless it is governed already.

    Args:
        store: Any store.
        governor: Governs.
        principal: Who acts outside a governed call.

    Returns:
        The store, or one around it.
    """
    return store if isinstance(store, GovernedStore) else GovernedStore(store, governor, principal=principal)


def _require_plain(op: Op) -> None:
    """Refuse to search by the seal: it is nobody's business, and its answers would tell of it."""
    if isinstance(op, SearchOp) and op.filter is not None and ENVELOPE in op.filter:
        raise MemoryAccessError("a search asks for the seal", expected="a filter on your own fields", got=ENVELOPE)
