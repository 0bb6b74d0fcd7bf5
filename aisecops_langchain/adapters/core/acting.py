"""On whose behalf a governed tool is running right now, for tools that call other agents.

Invariant: only the executor node says so, for the call that it has just begun under a permit; nothing in state, in
messages or in a configuration can.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import count

from aisecops_langchain.canonical import digest_texts
from aisecops_langchain.domain.labels import Label, join_all
from aisecops_langchain.domain.scope import Scope
from aisecops_langchain.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Acting:
    """The call that is being carried out."""

    scope: Scope
    label: Label
    """Join of everything that the model saw when it proposed the call."""
    recipient: str
    """Names this very call as the one place where an answer may be opened."""
    idempotency_key: str
    """The key of the effect, for target systems that do the same request only once."""
    tool: str = ""
    """Name of the tool."""
    call: str = ""
    """Digest of the canonical call."""
    definition: str = ""
    """Digest of the tool's definition that the permit is for."""
    _claims: Iterator[int] = field(default_factory=count, compare=False, repr=False)
    read: list[Label] = field(default_factory=list, compare=False)
    """Labels of what the tool read from memory so far; they reach the label of its result."""

    def based_on(self) -> Label:
        """Join everything that what the tool writes may depend on."""
        return join_all((self.label, *self.read))

    def claim(self) -> bool:
        """Take the call over, for whoever carries it on to another process: true for the first one only."""
        return next(self._claims) == 0


_ACTING: ContextVar[Acting | None] = ContextVar("aisecops_acting", default=None)


@contextmanager
def acting(now: Acting) -> Iterator[None]:
    """Say for the length of a ``with`` statement which call is being carried out."""
    before = _ACTING.set(now)
    try:
        yield
    finally:
        _ACTING.reset(before)


def call_under_way() -> Acting | None:
    """Tell which governed call is being carried out, if one is."""
    return _ACTING.get()


def current_call() -> Acting:
    """Tell which governed call is being carried out.

    Returns:
        The call.

    Raises:
        ConfigurationError: If this does not run inside a governed tool.
    """
    now = _ACTING.get()
    if now is None:
        raise ConfigurationError(
            "nobody acts here",
            expected="to run inside a tool of a governed agent",
            got="no governed call under way",
            remedy="call this from a tool that govern() runs",
        )
    return now


def current_scope() -> Scope:
    """Return the scope of the governed call under way, to delegate from; raises as ``current_call`` does."""
    return current_call().scope


def current_idempotency_key() -> str:
    """Return the idempotency key of the governed call under way.

    It is the same in every attempt of the call, before and after a crash, and no model can choose it: hand it to a
    target system that does the same request only once.

    Returns:
        36 characters in the form of a UUID.

    Raises:
        ConfigurationError: If this does not run inside a governed tool.
    """
    return current_call().idempotency_key


def recipient_of(permit: str) -> str:
    """Name the call that a permit was used for as the recipient of answers."""
    return digest_texts("recipient", permit)
