"""The shape of budgets and chain risk in a bundle.

Invariant: every bound is a positive number with a named measure; what is left out bounds nothing, and what is written
can only restrict.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.domain.labels import Integrity


class Measure(StrEnum):
    """What a budget counts."""

    CALLS = "calls"
    WRITES = "writes"
    """Calls of tools that do more than read."""
    SPEND = "spend"
    """Sum of the arguments that the tool's profile names as amounts."""
    RECIPIENTS = "recipients"
    """Distinct targets of tools that send, spend or grant."""
    TOKENS = "tokens"
    """Tokens of the model, as it reports them."""
    SECONDS = "seconds"
    """Wall time since the first step, waiting for people included."""


class Per(StrEnum):
    """Who shares one budget."""

    RUN = "run"
    """One thread, with all agents that it delegates to."""
    PRINCIPAL = "principal"
    """One user of one tenant, through whatever agents."""
    TENANT = "tenant"


class Window(StrEnum):
    """When a budget starts anew."""

    DAY = "day"
    """At midnight UTC."""
    NEVER = "never"


class Beyond(StrEnum):
    """What becomes of a call that would go beyond a budget."""

    DENY = "deny"
    REQUIRE_APPROVAL = "require_approval"


Name = Annotated[str, Field(min_length=1, max_length=128, pattern=r"\A[^\s*]+\z")]
Factor = Annotated[float, Field(ge=1, le=1000, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]


class Budget(Frozen):
    """One bound on what may be used."""

    measure: Measure
    limit: Annotated[float, Field(gt=0, le=1e12, allow_inf_nan=False)]
    """In whole calls, tokens, recipients or seconds; in units of money for ``spend``."""
    per: Per = Per.RUN
    window: Window = Window.NEVER
    beyond: Beyond = Beyond.DENY
    tools: Annotated[tuple[Name, ...], Field(min_length=1)] = ()
    """Only calls of these tools count; left out, all do."""

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.measure is not Measure.SPEND and not float(self.limit).is_integer():
            raise ValueError(f"a budget of {self.measure} has a whole number as its limit")
        if self.measure is Measure.SECONDS and (self.per is not Per.RUN or self.window is not Window.NEVER):
            raise ValueError("a budget of seconds is per run, without a window")
        if self.measure in (Measure.SECONDS, Measure.TOKENS) and self.tools:
            raise ValueError(f"a budget of {self.measure} is not about single tools")
        return self


_WEIGHTS: Final = {"low": 1.0, "medium": 3.0, "high": 10.0, "critical": 30.0}
_TRUST: Final = {Integrity.SYSTEM: 1.0, Integrity.USER: 1.0, Integrity.FIRST_PARTY: 1.5, Integrity.UNTRUSTED: 2.0}


class ChainRisk(Frozen):
    """How the risk of a chain of calls adds up: the sum of weight x escalation x trust x stress over its steps."""

    weights: dict[str, Weight] = Field(default_factory=lambda: dict(_WEIGHTS))
    """By risk class of the capability."""
    escalation: Factor = 1.5
    """Factor of a step that is worse than all before it."""
    trust: dict[Integrity, Factor] = Field(default_factory=lambda: dict(_TRUST))
    """Factor by the integrity of the model's context."""
    stress: Factor = 2.0
    """Factor at a used-up budget; it grows evenly from 1."""
    approval_at: Annotated[float, Field(gt=0, le=1e9)] | None = None
    """From this sum on, each further step needs a person."""
    halt_at: Annotated[float, Field(gt=0, le=1e9)]
    """A step that would bring the sum beyond this is denied."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if set(self.weights) != set(_WEIGHTS) or set(self.trust) != set(_TRUST):
            raise ValueError("weights and trust name every risk class and every integrity")
        if self.approval_at is not None and self.approval_at > self.halt_at:
            raise ValueError("approval_at lies beyond halt_at")
        return self
