"""What a tool does to the world, as policy (or the tool's author) declares it.

Invariant: a tool that nobody declared has the worst profile: every effect, irreversible, every argument a target, and
no field of its result is trusted. A declaration can only ever be read as written; nothing is derived from content.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Final, Self, TypeVar

from pydantic import AfterValidator, Field, model_validator

from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.domain.labels import Confidentiality, Integrity


class ToolEffect(StrEnum):
    """One kind of thing that a tool does."""

    READ = "read"
    WRITE = "write"
    SEND = "send"
    SPEND = "spend"
    DELETE = "delete"
    EXECUTE = "execute"
    GRANT = "grant"


class ValueKind(StrEnum):
    """Kinds of values that can be told in free text by their shape alone."""

    EMAIL = "email"
    IBAN = "iban"
    URL = "url"


_Item = TypeVar("_Item", bound=str)

_STEP: Final = re.compile(r"(?:[^.\[\]\s*()]+|\*|keys\(\))?(?:\[\])*\Z")


def _path(value: str) -> str:
    if not value or any(not step or not _STEP.match(step) for step in value.split(".")):
        raise ValueError("a result path looks like id, [].id, [].participants[], rooms.*.name, keys() or *")
    return value


def _distinct(values: tuple[_Item, ...]) -> tuple[_Item, ...]:
    if len(set(values)) != len(values):
        raise ValueError("an entry stands there twice")
    return tuple(sorted(values))


ArgumentName = Annotated[str, Field(min_length=1, max_length=128)]
ArgumentNames = Annotated[tuple[ArgumentName, ...], AfterValidator(_distinct)]

ResultPath = Annotated[str, AfterValidator(_path)]
Intent = Annotated[str, Field(min_length=2, max_length=80)]


class ResultProfile(Frozen):
    """How far the result of a tool may be trusted, and which of its fields are the organisation's own."""

    integrity: Integrity = Integrity.UNTRUSTED
    """Of the result as a whole; at most ``first_party``."""
    confidentiality: Confidentiality = Confidentiality.INTERNAL
    fields: Annotated[tuple[ResultPath, ...], AfterValidator(_distinct)] = ()
    """Paths of the first-party values in a structured result."""
    named_by_user: Annotated[tuple[ValueKind, ...], AfterValidator(_distinct)] = ()
    """Kinds of values that become first-party if the user named this very source and it holds only one of the kind."""

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.integrity.rank > Integrity.FIRST_PARTY.rank:
            raise ValueError("a tool's result is at most first_party; nobody but the user speaks as the user")
        return self


Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]


class Retries(Frozen):
    """How often an idempotent tool that raises is tried, all under one permit and within one deadline."""

    attempts: Annotated[int, Field(ge=2, le=10)]
    """Altogether, the first one included."""
    backoff_seconds: Annotated[float, Field(ge=0, le=60, allow_inf_nan=False)] = 0.1
    """Pause before the second attempt; it doubles with each further one."""


class ToolProfile(Frozen):
    """The effects of one tool and the roles of its arguments."""

    effects: Annotated[tuple[ToolEffect, ...], Field(min_length=1), AfterValidator(_distinct)]
    idempotent: bool = False
    """Whether running it again with the same arguments changes nothing more."""
    reversible: bool = False
    """Whether its effect can be taken back."""
    targets: ArgumentNames = ()
    """Arguments that say whom or what the effect reaches."""
    amounts: ArgumentNames = ()
    """Arguments that say how much."""
    content: ArgumentNames = ()
    """Arguments that carry words, which a model may compose."""
    results: ResultProfile = ResultProfile()
    intents: Annotated[tuple[Intent, ...], AfterValidator(_distinct)] = ()
    """Words, or groups of words, by which a user asks for this tool."""
    timeout_seconds: Seconds | None = None
    """How long is waited for it; then its effect is unknown. Left out, the limit of the policy applies."""
    retries: Retries | None = None
    """Only for an idempotent tool; left out, it is tried once."""
    idempotency_key: ArgumentName | None = None
    """The argument that takes the key of the effect; the runtime fills it in, and no model may."""

    @model_validator(mode="after")
    def _one_role(self) -> Self:
        roles = (*self.targets, *self.amounts, *self.content)
        if len(set(roles)) != len(roles):
            raise ValueError("an argument has two roles; expected one of targets, amounts and content")
        if self.idempotency_key in roles:
            raise ValueError("the idempotency key is no target, amount or content; the model does not choose it")
        if self.retries is not None and not self.idempotent:
            raise ValueError("retries need idempotent: true; any other tool could do twice what was allowed once")
        return self

    @property
    def only_reads(self) -> bool:
        """Whether it changes nothing and reaches nobody."""
        return self.effects == (ToolEffect.READ,)


UNDECLARED: Final = ToolProfile(effects=tuple(ToolEffect))
"""The profile of a tool that nobody declared; for it, every argument is a target."""
