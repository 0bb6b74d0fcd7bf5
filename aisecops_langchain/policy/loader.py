"""Reads a bundle and turns it into a policy, strictly.

Invariant: a policy exists only if the whole file was understood; every fault is reported with file and line, and
no part of a faulty bundle is ever used.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from aisecops_langchain.canonical import canonical_bytes, digest_bytes
from aisecops_langchain.domain.decision import Effect
from aisecops_langchain.domain.effects import ResultProfile, Retries, ToolProfile
from aisecops_langchain.domain.grant import GrantTerms
from aisecops_langchain.domain.inspection import DEFAULT_INSPECTION, ByChannel, GivenActions, Inspection
from aisecops_langchain.errors import PolicyError
from aisecops_langchain.policy.approval_model import ApprovalTerms, EscalationTerms
from aisecops_langchain.policy.bounds import Bounds
from aisecops_langchain.policy.bounds_model import Budget, ChainRisk
from aisecops_langchain.policy.compiled import build_index
from aisecops_langchain.policy.conditions import Condition, compile_when
from aisecops_langchain.policy.constraints import Constraint, compile_constraints
from aisecops_langchain.policy.engine import Policy
from aisecops_langchain.policy.model import EVERY_TOOL, Agent, Bundle, Capability, Limits, Record, Rule, TaskBounds
from aisecops_langchain.policy.problems import LocatedError, Location, Origin, Problem, raise_problems, unknown
from aisecops_langchain.policy.reachability import contradiction, impossible_argument, unreachable_rules
from aisecops_langchain.policy.standard import reads_task, standard_rules, with_standard_rules
from aisecops_langchain.policy.yaml_source import MAX_BYTES, parse_document


def load_policy(source: str | os.PathLike[str]) -> Policy:
    """Load a policy file.

    Args:
        source: Path of a YAML file.

    Returns:
        The policy.

    Raises:
        PolicyError: If the file cannot be read or is not a sound policy; with file and line.
    """
    file = os.fspath(source)
    if not isinstance(file, str) or "\n" in file:
        raise PolicyError(
            "this is no path of a policy file",
            expected="a path",
            got="the text of a bundle" if isinstance(file, str) else type(file).__name__,
            remedy="read a text with parse_policy",
        )
    try:
        with Path(file).open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise PolicyError(
            "policy file not found",
            file=file,
            expected="a YAML file",
            remedy="check the path; there is no default policy",
        ) from None
    except (OSError, ValueError) as error:
        raise PolicyError(
            "policy file cannot be read", file=file, expected="a readable YAML file", got=type(error).__name__
        ) from error
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise PolicyError("policy is not UTF-8", file=file, line=line, remedy="save it as UTF-8") from None
    return parse_policy(text, name=file)


def parse_policy(text: str, *, name: str = "<policy>") -> Policy:
    """Parse the text of a policy.

    Args:
        text: YAML.
        name: What to call it in messages.

    Returns:
        The policy.

    Raises:
        PolicyError: If it is not a sound policy; with name and line.
    """
    document = parse_document(text, name)
    try:
        bundle = Bundle.model_validate_json(canonical_bytes(document.value), strict=True)
    except ValidationError as error:
        raise_problems([_shape_problem(item) for item in error.errors()], document.lines, name)
        raise
    raise_problems(_reference_problems(bundle), document.lines, name)
    problems: list[Problem] = []
    constraints = _compile_capabilities(bundle, problems)
    whole = with_standard_rules(bundle)
    conditions = _compile_rules(whole, problems)
    problems.extend(unreachable_rules(bundle))
    raise_problems(problems, document.lines, name)
    return _policy(bundle, whole, constraints, conditions, Origin(name, document.lines))


def _policy(
    bundle: Bundle,
    whole: Bundle,
    constraints: Mapping[str, tuple[Constraint, ...]],
    conditions: Mapping[str, Condition | None],
    origin: Origin,
) -> Policy:
    normalised = canonical_bytes(bundle.normalised())
    if len(normalised) > MAX_BYTES:
        raise PolicyError("policy is too large once spelled out", file=origin.file, expected="less content")
    digest = digest_bytes("policy", normalised)
    bounds = Bounds(MappingProxyType(dict(bundle.budgets)), bundle.chain_risk)
    return Policy(
        id=bundle.id,
        digest=digest,
        limits=bundle.limits,
        reveal=frozenset(bundle.record.reveal),
        agents=frozenset(bundle.agents),
        tools=bundle.tools(),
        asks_approval=any(rule.effect is Effect.REQUIRE_APPROVAL for rule in whole.rules) or bounds.asks_approval,
        asks_task=reads_task(whole),
        profiles=MappingProxyType(dict(bundle.profiles)),
        normalised=normalised,
        bounds=bounds,
        inspection=bundle.sanitize or DEFAULT_INSPECTION,
        origin=origin,
        index=build_index(whole, digest, constraints, conditions),
    )


_MODELS = (
    *(Bundle, Agent, Capability, Rule, ApprovalTerms, EscalationTerms, GrantTerms, Limits, Record, TaskBounds),
    *(ToolProfile, ResultProfile, Retries, Budget, ChainRisk),
    *(Inspection, ByChannel[GivenActions], GivenActions),
)
_KEYS = frozenset(key for model in _MODELS for key in model.model_fields)


def _shape_problem(error: ErrorDetails) -> Problem:
    """Say in our words what pydantic found; its messages never hold the input."""
    location: Location = error["loc"]
    key = str(location[-1]) if location else ""
    match error["type"]:
        case "extra_forbidden":
            return Problem(location, unknown("key", key, _KEYS))
        case "missing":
            return Problem(location, f"key {key!r} is missing")
        case "string_type":
            return Problem(location, f"{key!r} must be text; put it in quotes if YAML reads it as something else")
        case "too_short" | "string_too_short":
            return Problem(location, f"{key!r} is empty; fill it in, or leave it out where it is optional")
        case "value_error":
            return Problem(location, error["msg"].removeprefix("Value error, "))
        case _:
            return Problem(location, f"{key!r}: {error['msg']}")


def _reference_problems(bundle: Bundle) -> Iterator[Problem]:
    tools = bundle.tools()
    for name, agent in bundle.agents.items():
        yield from _unknown(("agents", name, "capabilities"), "capability", agent.capabilities, bundle.capabilities)
    for tool in bundle.profiles:
        yield from _unknown(("tools", tool), "tool", (tool,), tools)
    for name, budget in bundle.budgets.items():
        yield from _unknown(("budgets", name, "tools"), "tool", budget.tools, tools)
    seen: set[str] = {rule.id for rule in standard_rules(bundle)}
    for index, rule in enumerate(bundle.rules):
        location = ("rules", index)
        if rule.id in seen:
            yield Problem((*location, "id"), f"duplicate rule id {rule.id!r}")
        seen.add(rule.id)
        yield from _unknown((*location, "tools"), "tool", rule.tools, {*tools, EVERY_TOOL})
        yield from _unknown((*location, "capabilities"), "capability", rule.capabilities, bundle.capabilities)
        yield from _unknown((*location, "agents"), "agent", rule.agents, bundle.agents)
    yield from _unknown_arguments(("record", "reveal"), bundle.record.reveal, tools)
    if bundle.sanitize is not None:
        yield from _unknown_arguments(("sanitize", "unveil"), bundle.sanitize.unveil, tools)


def _unknown_arguments(location: Location, entries: Iterable[str], tools: Collection[str]) -> Iterator[Problem]:
    for entry in entries:
        tool, _, argument = entry.rpartition(".")
        if tool not in tools or not argument:
            yield Problem(location, f"{entry!r} is not tool.argument of a known tool")


def _unknown(location: Location, kind: str, names: Iterable[str], known: Collection[str]) -> Iterator[Problem]:
    for name in names:
        if name not in known:
            yield Problem(location, unknown(kind, name, known))


def _compile_capabilities(bundle: Bundle, problems: list[Problem]) -> dict[str, tuple[Constraint, ...]]:
    compiled: dict[str, tuple[Constraint, ...]] = {}
    for name, capability in bundle.capabilities.items():
        location = ("capabilities", name, "arguments")
        try:
            compiled[name] = compile_constraints(name, capability.arguments, location)
        except LocatedError as error:
            problems.append(error.problem)
            continue
        impossible = impossible_argument(compiled[name])
        if impossible is not None:
            problems.append(Problem((*location, impossible), f"no value of {impossible!r} can meet all constraints"))
    return compiled


def _compile_rules(bundle: Bundle, problems: list[Problem]) -> dict[str, Condition | None]:
    compiled: dict[str, Condition | None] = {}
    for index, rule in enumerate(bundle.rules):
        compiled[rule.id] = None
        if not rule.when:
            continue
        location = ("rules", index, "when")
        try:
            condition = compile_when(dict(rule.when), location, bundle)
        except LocatedError as error:
            problems.append(error.problem)
            continue
        compiled[rule.id] = condition
        path = contradiction(condition)
        if path is not None:
            message = f"rule {rule.id!r} is unreachable: its conditions on {path} contradict each other"
            problems.append(Problem(location, message))
    return compiled
