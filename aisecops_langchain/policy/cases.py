"""Tests of a bundle, written in YAML beside it: a request, and the decision and rule that it must get.

Invariant: a file of cases is read as strictly as a bundle, and a case passes only if everything that it expects is so.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import Field, JsonValue, ValidationError, model_validator

from aisecops_langchain.canonical import canonical_bytes
from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.domain.decision import Decision, DecisionRequest, Effect, Reason
from aisecops_langchain.domain.effects import ToolProfile
from aisecops_langchain.domain.labels import UNLABELLED, Confidentiality, Integrity, Label, Source, SourceKind
from aisecops_langchain.domain.plan import CanonicalCall, Method
from aisecops_langchain.domain.principal import Principal
from aisecops_langchain.domain.task import TaskStanding
from aisecops_langchain.domain.usage import MICRO, MILLI, Usage
from aisecops_langchain.errors import PolicyError
from aisecops_langchain.policy.bounds import RISK_RANKS, Bounds
from aisecops_langchain.policy.bounds_model import Measure
from aisecops_langchain.policy.demand import recipients_of
from aisecops_langchain.policy.engine import Policy
from aisecops_langchain.policy.problems import Problem, raise_problems, unknown
from aisecops_langchain.policy.yaml_source import MAX_BYTES, parse_document

_Text = Annotated[str, Field(min_length=1)]


class CaseLabel(Frozen):
    """A label as a case writes it; what is left out is that of content which nobody vouched for."""

    integrity: Integrity = UNLABELLED.integrity
    confidentiality: Confidentiality = UNLABELLED.confidentiality
    sources: tuple[SourceKind, ...] = ()

    def label(self) -> Label:
        """Return the label that a request would carry."""
        sources = frozenset(Source(kind=kind, name="case", digest="case") for kind in self.sources)
        return Label(integrity=self.integrity, confidentiality=self.confidentiality, sources=sources)


class CaseTask(Frozen):
    """How the call stands to what the user asked for; outside, unless said."""

    in_scope: bool = False
    tool_in_scope: bool | None = None
    """As ``in_scope`` unless said."""

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.in_scope and self.tool_in_scope is False:
            raise ValueError("a call is in scope only if its tool is")
        return self

    def standing(self) -> TaskStanding:
        """Return the standing that a request would carry."""
        named = self.in_scope if self.tool_in_scope is None else self.tool_in_scope
        return TaskStanding(in_scope=self.in_scope, tool_in_scope=named)


class CaseUsage(Frozen):
    """What was used before the call, in the units of the bundle; nothing, unless said."""

    used: dict[str, Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]] = Field(default_factory=dict)
    """By budget id."""
    fresh: dict[str, Annotated[int, Field(ge=0)]] = Field(default_factory=dict)
    """By id of a budget of recipients: how many of the call's recipients are new; all, unless said."""
    risk: Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)] = 0
    """Risk of the chain so far."""
    worst: Literal["low", "medium", "high", "critical"] | None = None
    """The worst risk class of the chain so far."""

    def unknown(self, bounds: Bounds) -> tuple[str, ...]:
        """Name the budgets that the bundle does not have."""
        return tuple(sorted({*self.used, *self.fresh} - set(bounds.budgets)))

    def usage(self, bounds: Bounds, call: CanonicalCall, profile: ToolProfile) -> Usage:
        """Return the usage that a request would carry.

        Args:
            bounds: The bounds of the policy that is asked.
            call: The call.
            profile: What its tool does.

        Returns:
            The usage, in the smallest units.
        """
        units = {name: MICRO if item.measure is Measure.SPEND else 1 for name, item in bounds.budgets.items()}
        reached = len(recipients_of(call.arguments(), profile))
        counted = [name for name, item in bounds.budgets.items() if item.measure is Measure.RECIPIENTS]
        return Usage(
            used={name: math.ceil(amount * units.get(name, 1)) for name, amount in self.used.items()},
            fresh={**dict.fromkeys(counted, reached), **self.fresh},
            risk=math.ceil(self.risk * MILLI),
            worst=RISK_RANKS.index(self.worst) if self.worst else -1,
        )


class Question(Frozen):
    """Everything that a decision may depend on, as people write it."""

    agent: _Text
    tool: _Text
    args: dict[str, JsonValue] = Field(default_factory=dict)
    user: _Text = "anonymous"
    tenant: _Text = "default"
    context: CaseLabel = CaseLabel()
    labels: dict[str, CaseLabel] = Field(default_factory=dict)
    methods: dict[str, Method] = Field(default_factory=dict)
    """How each argument was traced."""
    task: CaseTask = CaseTask()
    profile: ToolProfile | None = None
    """What the tool's own code declares; counts only for a tool that the bundle does not declare."""
    usage: CaseUsage = CaseUsage()
    environment: dict[str, JsonValue] = Field(default_factory=dict)

    def request(self, policy: Policy) -> DecisionRequest:
        """Return the request.

        Args:
            policy: The policy that is to be asked; its budgets say what usage is counted in.
        """
        call = CanonicalCall.of(self.tool, self.args)
        return DecisionRequest(
            principal=Principal(agent=self.agent, user=self.user, tenant=self.tenant),
            call=call,
            context=self.context.label(),
            arguments={name: item.label() for name, item in self.labels.items()},
            methods={name: method.value for name, method in self.methods.items()},
            profile=self.profile,
            task=self.task.standing(),
            environment=self.environment,
            usage=self.usage.usage(policy.bounds, call, policy.profile(self.tool, self.profile)),
        )


class Case(Question):
    """One request and what must come of it."""

    name: _Text
    expect: Effect
    rule: str | None = None
    """A rule that must have decided: one that matched with the effect of the decision, or that erred."""
    code: str | None = None
    """A code that must stand among the reasons, such as ``argument_constraint``."""


class _CaseFile(Frozen):
    cases: tuple[Case, ...] = Field(min_length=1)


class CaseResult(Frozen):
    """What became of one case."""

    case: Case
    decision: Decision
    faults: tuple[str, ...] = ()
    """What was not as expected; empty if the case passed."""


def load_cases(source: str | os.PathLike[str]) -> tuple[Case, ...]:
    """Read a file of cases.

    Args:
        source: Path of a YAML file with one key, ``cases``.

    Returns:
        The cases.

    Raises:
        PolicyError: If the file cannot be read or is not right; with file and line.
    """
    file = os.fspath(source)
    try:
        with Path(file).open("rb") as stream:
            text = stream.read(MAX_BYTES + 1).decode("utf-8")
    except (OSError, ValueError) as error:
        raise PolicyError(
            "cases cannot be read",
            file=file,
            expected="a YAML file in UTF-8, by default NAME.tests.yaml beside NAME.yaml",
            got=type(error).__name__,
        ) from error
    return parse_cases(text, name=file)


def parse_cases(text: str, *, name: str = "<cases>") -> tuple[Case, ...]:
    """Parse the text of a file of cases.

    Args:
        text: YAML.
        name: What to call it in messages.

    Returns:
        The cases.

    Raises:
        PolicyError: If it is not right; with name and line.
    """
    document = parse_document(text, name)
    try:
        cases = _CaseFile.model_validate_json(canonical_bytes(document.value), strict=True).cases
    except ValidationError as error:
        problems = [_problem(item["loc"], item["type"], item["msg"]) for item in error.errors(include_input=False)]
        raise_problems(problems, document.lines, name)
        raise
    first = {case.name: index for index, case in reversed(list(enumerate(cases)))}
    repeated = [
        Problem(("cases", index, "name"), f"two cases are called {case.name!r}")
        for index, case in enumerate(cases)
        if first[case.name] != index
    ]
    raise_problems(repeated, document.lines, name)
    return cases


def run_case(policy: Policy, case: Case) -> CaseResult:
    """Ask a policy about one case.

    Args:
        policy: The policy.
        case: The case.

    Returns:
        The result.
    """
    decision = policy.decide(case.request(policy))
    deciding = {reason.rule for reason in decision.reasons if _decided(policy, decision, reason)}
    faults = [unknown("budget", name, policy.bounds.budgets) for name in case.usage.unknown(policy.bounds)]
    if decision.effect is not case.expect:
        faults.append(f"expected {case.expect.value}, got {decision.effect.value}")
    if case.rule is not None and case.rule not in deciding:
        got = ", ".join(sorted(name for name in deciding if name)) or "no rule"
        faults.append(f"expected rule {case.rule!r} to decide, got {got}")
    if case.code is not None and case.code not in {reason.code for reason in decision.reasons}:
        got = ", ".join(sorted({reason.code for reason in decision.reasons}))
        faults.append(f"expected reason {case.code!r}, got {got}")
    return CaseResult(case=case, decision=decision, faults=tuple(faults))


def _decided(policy: Policy, decision: Decision, reason: Reason) -> bool:
    """Whether a reason's rule gave the decision its effect; one that erred denies, whatever it says."""
    if reason.rule is None:
        return False
    return reason.code == "rule_error" or policy.effect_of(reason.rule) is decision.effect


_KEYS: Final = frozenset(
    {"cases"}.union(*(model.model_fields for model in (Case, CaseLabel, CaseTask, CaseUsage, ToolProfile)))
)


def _problem(location: tuple[str | int, ...], kind: str, message: str) -> Problem:
    key = str(location[-1]) if location else ""
    if kind == "extra_forbidden":
        return Problem(location, unknown("key", key, _KEYS))
    if kind == "missing":
        return Problem(location, f"key {key!r} is missing")
    return Problem(location, f"{key!r}: {message.removeprefix('Value error, ')}")
