"""Finds a request that two policies decide differently, or shows that there is none.

Invariant: a difference is a concrete request on which both policies were asked, so it is never wrong. That none exists
is said only after one witness of every class of requests was tried: per agent and tool, every combination of values
of the attributes that either policy reads there. Where that space is larger than the bound, or a text predicate has no
complete set of witnesses, the answer says so.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, cast

from pydantic import JsonValue

from aisecops_langchain.domain.approval import DEFAULT_REQUIREMENT, ApprovalRequirement
from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.domain.decision import Decision, DecisionRequest, Effect
from aisecops_langchain.domain.labels import Confidentiality, Integrity, Label, Source, SourceKind
from aisecops_langchain.domain.plan import CanonicalCall, Method
from aisecops_langchain.domain.principal import Principal
from aisecops_langchain.domain.task import TaskStanding
from aisecops_langchain.domain.usage import Usage
from aisecops_langchain.errors import CanonicalizationError
from aisecops_langchain.policy.bounds import NO_BOUNDS
from aisecops_langchain.policy.cel import CEL
from aisecops_langchain.policy.compiled import Gate
from aisecops_langchain.policy.conditions import GRANTED_BY, Condition, Group, Leaf
from aisecops_langchain.policy.engine import Policy
from aisecops_langchain.policy.operators import Test
from aisecops_langchain.policy.values import MISSING
from aisecops_langchain.policy.witnesses import witnesses

MAX_REQUESTS: Final = 100_000
"""Requests tried per comparison unless said otherwise."""

_DERIVED: Final = frozenset({"principal.agent", "tool", "capability", "risk"})
_DOTTED: Final = "argument "
"""Stands before the name of an argument that a path cannot name."""
_PROFILED: Final = frozenset({"tool.effects", "tool.reversible"})
_ROLES: Final = frozenset({"targets.integrity", "amounts.integrity", "content.integrity", "arguments.confidentiality"})
_TASK: Final = frozenset({"task.in_scope", "task.tool_in_scope"})
_CONTEXT: Final = Label(integrity=Integrity.USER, confidentiality=Confidentiality.INTERNAL)


class Difference(Frozen):
    """What comparing two policies came to."""

    request: DecisionRequest | None = None
    """A request that they decide differently; none if none was found."""
    old: Decision | None = None
    new: Decision | None = None
    exhaustive: bool
    """Whether the absence of a difference was shown, not only not refuted."""
    tried: int
    """How many requests both were asked."""
    gaps: tuple[str, ...] = ()
    """Why the search was not exhaustive."""
    settings: tuple[str, ...] = ()
    """Differences that no request shows: limits, what the log reveals, which tools are idempotent."""

    @property
    def equal(self) -> bool:
        """Whether the two policies are shown to be the same in effect."""
        return self.request is None and self.exhaustive and not self.settings


@dataclass(slots=True)
class _Space:
    """The attributes that matter between one agent and one tool, each with its witnesses."""

    agent: str
    tool: str
    axes: dict[str, Sequence[object]] = field(default_factory=dict)
    gaps: list[str] = field(default_factory=list)

    @property
    def size(self) -> int:
        return math.prod(len(values) for values in self.axes.values())


def difference(old: Policy, new: Policy, *, max_requests: int = MAX_REQUESTS) -> Difference:
    """Compare what two policies decide.

    Args:
        old: One policy.
        new: The other.
        max_requests: How many requests may be tried altogether.

    Returns:
        A request with two different answers, or whether there is none.
    """
    tried, gaps = 0, []
    for space in _spaces(old, new):
        gaps += space.gaps
        allowance = max_requests - tried
        if space.size > allowance:
            gaps.append(f"{space.agent} and {space.tool}: {space.size} combinations, of which {allowance} may be tried")
        for request in _requests(space, allowance):
            tried += 1
            one, other = old.decide(request), new.decide(request)
            if _differ(one, other):
                return Difference(
                    request=request, old=one, new=other, exhaustive=False, tried=tried, settings=_settings(old, new)
                )
            gaps += (gap for gap in _hidden(space, request, old, new) if gap not in gaps)
    return Difference(exhaustive=not gaps, tried=tried, gaps=tuple(gaps), settings=_settings(old, new))


def _hidden(space: _Space, request: DecisionRequest, old: Policy, new: Policy) -> Iterator[str]:
    """Tell what budgets and chain risk hide: requests are tried with nothing used, where one call may be too much."""
    if not (old.bounds or new.bounds):
        return
    one, other = (replace(policy, bounds=NO_BOUNDS).decide(request) for policy in (old, new))
    if _differ(one, other):
        yield f"{space.agent} and {space.tool}: rules differ where budgets or chain risk decide"
    elif one.risk != other.risk and one.effect is not Effect.DENY:
        yield f"{space.agent} and {space.tool}: the risk class differs, so the risk of a chain adds up differently"


def _spaces(old: Policy, new: Policy) -> Iterator[_Space]:
    """One space per agent and tool that the policies do not treat by the very same sentences; smallest first."""
    spaces = []
    for agent in sorted(old.agents | new.agents):
        one, other = old.index.gates.get(agent, {}), new.index.gates.get(agent, {})
        for tool in sorted(one.keys() | other.keys()):
            gates = [gate for gate in (one.get(tool), other.get(tool)) if gate is not None]
            profiles = [policy.profiles.get(tool) for policy in (old, new)]
            if len(gates) == 1 or profiles[0] != profiles[1] or _sentences(gates[0]) != _sentences(gates[1]):
                spaces.append(_space(agent, tool, gates, declared=None not in profiles))
    return iter(sorted(spaces, key=lambda space: space.size))


def _sentences(gate: Gate) -> object:
    """All that a gate's answers depend on, in comparable form."""
    rights = [(item.id, item.risk, [constraint.text for constraint in item.constraints]) for item in gate.capabilities]
    rules = [
        (
            rule.effect,
            sorted(rule.obligations),
            _terms(rule.approval),
            repr(rule.grants),
            _sentence(rule.condition),
        )
        for rule in gate.rules
    ]
    return rights, sorted(rules, key=repr)


def _differ(one: Decision, other: Decision) -> bool:
    """Whether two decisions let different things happen: in what they say, what is owed, what a yes takes or grants."""
    if (one.effect, one.obligations, one.grants) != (other.effect, other.obligations, other.grants):
        return True
    return one.approvals != other.approvals and _all_terms(one) != _all_terms(other)


def _all_terms(decision: Decision) -> set[str]:
    return {_terms(item) for item in decision.approvals or (DEFAULT_REQUIREMENT,)}


def _terms(requirement: ApprovalRequirement) -> str:
    """What a requirement takes, whatever rule it stands in."""
    return requirement.model_copy(update={"rule": ""}).model_dump_json()


def _sentence(condition: Condition | None) -> object:
    if isinstance(condition, Group):
        return condition.text, sorted((_sentence(part) for part in condition.parts), key=repr)
    return "" if condition is None else condition.text


def _space(agent: str, tool: str, gates: Iterable[Gate], *, declared: bool) -> _Space:
    space = _Space(agent, tool)
    for path, tests in sorted(_tests(gates).items()):
        if path in _DERIVED:
            continue
        if path in _PROFILED | _ROLES:
            if path in _ROLES or not declared:  # otherwise the bundles say it, and no request can say otherwise
                space.gaps.append(f"{agent} and {tool}: {path} was not varied")
            continue
        if path == CEL:
            space.gaps.append(f"{agent} and {tool}: what a CEL expression reads was not varied")
            continue
        if path.startswith(_DOTTED):
            space.gaps.append(f"{agent} and {tool}: an argument with a dot in its name was not varied")
            continue
        if path.endswith(".sources"):
            space.axes[path] = list(_kinds(tests))
            continue
        closed = _closed(path)
        if closed is not None:
            space.axes[path] = closed
            continue
        found = witnesses(tests, optional=path.startswith(("args.", "environment.")))
        space.axes[path] = found.values
        if not found.complete:
            space.gaps.append(f"{agent} and {tool}: {path} is asked about its parts, so only samples of it were tried")
    return _with_containers(space)


def _closed(path: str) -> Sequence[object] | None:
    """Return all values of an attribute that has few."""
    if path in _TASK:
        return (True, False)
    return _LEVELS.get(path.rpartition(".")[2]) if path.startswith(("labels.", "context.")) else None


def _tests(gates: Iterable[Gate]) -> dict[str, list[Test]]:
    tests: dict[str, list[Test]] = {}
    for gate in gates:
        for capability in gate.capabilities:
            for constraint in capability.constraints:
                root = _DOTTED if "." in constraint.argument else "args."
                tests.setdefault(root + constraint.argument, []).append(constraint.test)
        for rule in gate.rules:
            for leaf in _leaves(rule.condition):
                tests.setdefault(leaf.attribute.path, []).append(leaf.test)
    return tests


def _leaves(condition: Condition | None) -> Iterator[Leaf]:
    if isinstance(condition, Group):
        for part in condition.parts:
            yield from _leaves(part)
    elif condition is not None and condition.test.operator != GRANTED_BY:
        yield condition


def _kinds(tests: Iterable[Test]) -> Iterator[tuple[str, ...]]:
    named = sorted({str(test.operand) for test in tests})
    for count in range(len(named) + 1):
        yield from itertools.combinations(named, count)


def _with_containers(space: _Space) -> _Space:
    """Where policy looks into an argument, the argument itself must be there, and may be of another kind."""
    for path in list(space.axes):
        keys = path.split(".")
        if keys[0] not in ("args", "environment") or len(keys) < 3:
            continue
        for depth in range(2, len(keys)):
            holder = ".".join(keys[:depth])
            asked = space.axes.get(holder, (MISSING, "another kind"))
            space.axes[holder] = [_NESTED, *(value for value in asked if value is not _NESTED)]
            if holder in space.axes and any(isinstance(value, dict) for value in asked):
                space.gaps.append(f"{space.agent} and {space.tool}: {holder} is asked about as a whole and in parts")
    return space


def _requests(space: _Space, most: int) -> Iterator[DecisionRequest]:
    """All combinations, or as many random ones as allowed."""
    names = list(space.axes)
    if space.size <= most:
        combinations: Iterable[Sequence[object]] = itertools.product(*space.axes.values())
    else:
        chooser = random.Random(0)  # noqa: S311 - chooses samples, keeps no secret
        combinations = ([chooser.choice(values) for values in space.axes.values()] for _ in range(most))
    for values in combinations:
        request = _request(space, dict(zip(names, values, strict=True)))
        if request is not None:
            yield request


def _request(space: _Space, chosen: Mapping[str, object]) -> DecisionRequest | None:
    arguments: dict[str, JsonValue] = {}
    environment: dict[str, JsonValue] = {}
    labels: dict[str, dict[str, object]] = {}
    methods: dict[str, str] = {}
    for path in sorted(chosen, key=lambda text: text.count(".")):  # what holds others comes before them
        value, keys = chosen[path], path.split(".")
        if keys[0] == "labels" and keys[2] == "method":
            methods[keys[1]] = str(value)
        elif keys[0] == "labels":
            labels.setdefault(keys[1], {})[keys[2]] = value
        elif keys[0] in ("args", "environment") and value is not MISSING:
            _place(arguments if keys[0] == "args" else environment, keys[1:], value)
    inside = bool(chosen.get("task.in_scope", False))
    named = bool(chosen.get("task.tool_in_scope", inside))
    if inside and not named:
        return None  # a call is in scope only if its tool is
    context = _label({path.partition(".")[2]: value for path, value in chosen.items() if path.startswith("context.")})
    try:
        call = CanonicalCall.of(space.tool, arguments)
    except CanonicalizationError:
        return None  # no call can hold such a value
    return DecisionRequest(
        principal=Principal(
            agent=space.agent,
            user=cast("str", chosen.get("principal.user") or "anonymous"),
            tenant=cast("str", chosen.get("principal.tenant") or "default"),
        ),
        call=call,
        context=context,
        arguments={name: _label(fields) for name, fields in labels.items()},
        methods=methods,
        task=TaskStanding(tool_in_scope=named, in_scope=inside),
        environment=environment,
        usage=Usage(),
    )


def _place(root: dict[str, JsonValue], keys: Sequence[str], value: object) -> None:
    *holders, last = keys
    for key in holders:
        inner = root.get(key)
        if not isinstance(inner, dict):
            return  # the holder is absent or of another kind, so nothing can lie in it
        root = inner
    root[last] = {} if value is _NESTED or value == {} else cast("JsonValue", value)  # fields may be put into it


def _label(fields: Mapping[str, object]) -> Label:
    kinds = cast("tuple[str, ...]", fields.get("sources", ()))
    return Label(
        integrity=Integrity(str(fields.get("integrity", _CONTEXT.integrity))),
        confidentiality=Confidentiality(str(fields.get("confidentiality", _CONTEXT.confidentiality))),
        sources=frozenset(Source(kind=SourceKind(kind), name="witness", digest="witness") for kind in kinds),
    )


def _settings(old: Policy, new: Policy) -> tuple[str, ...]:
    found = []
    for name in type(old.limits).model_fields:
        one, other = old.limits.model_dump()[name], new.limits.model_dump()[name]
        if one != other:
            found.append(f"limits.{name}: {one} became {other}")
    found += [f"record.reveal: {entry} was removed" for entry in sorted(old.reveal - new.reveal)]
    found += [f"record.reveal: {entry} was added" for entry in sorted(new.reveal - old.reveal)]
    for name in sorted({*old.bounds.budgets, *new.bounds.budgets}):
        if old.bounds.budgets.get(name) != new.bounds.budgets.get(name):
            found.append(f"budgets.{name}: it changed")
    if old.bounds.chain != new.bounds.chain:
        found.append("chain_risk: it changed")
    for tool in sorted(old.tools & new.tools):
        if old.profile(tool) != new.profile(tool):
            found.append(f"tools.{tool}: its effect profile changed")
        if old.idempotent(tool) is not new.idempotent(tool):
            found.append(f"{tool}: idempotent became {str(new.idempotent(tool)).lower()}")
    return tuple(found)


class _Nested:
    """Stands for an object whose fields are chosen on their own."""


_NESTED: Final = _Nested()
_LEVELS: Final[Mapping[str, tuple[str, ...]]] = {
    "integrity": tuple(level.value for level in Integrity),
    "confidentiality": tuple(level.value for level in Confidentiality),
    "method": tuple(method.value for method in Method),
}
