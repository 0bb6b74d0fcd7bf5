"""What a condition may look at: the paths into a request.

Invariant: a path is known, and reads one thing, before any request exists. Only arguments and environment may be
absent; a label that is absent is the context's label, so that forgetting to label an argument never raises trust.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Final, NamedTuple

from pydantic import JsonValue

from aisecops_langchain.domain.decision import DecisionRequest
from aisecops_langchain.domain.effects import ToolEffect, ToolProfile
from aisecops_langchain.domain.labels import Confidentiality, Integrity, Label, SourceKind
from aisecops_langchain.domain.plan import Method
from aisecops_langchain.policy.model import Bundle, Risk
from aisecops_langchain.policy.problems import LocatedError, Location, unknown
from aisecops_langchain.policy.roles import confidentiality_of, integrity_of
from aisecops_langchain.policy.values import MISSING, EvaluationError, kind_of


class Facts(NamedTuple):
    """What one decision is made from."""

    request: DecisionRequest
    arguments: Mapping[str, JsonValue]
    capability: str
    """The capability that grants the call."""
    risk: str
    granted: frozenset[str]
    """Every capability of the agent whose constraints the call meets."""
    profile: ToolProfile
    """What the tool does."""


Read = Callable[[Facts], object]

_TEXT_OPERATORS: Final = frozenset(
    {"eq", "ne", "in", "not_in", "matches", "contains", "starts_with", "ends_with", "max_length", "min_length"}
)
_FREE_OPERATORS: Final = _TEXT_OPERATORS | {"lt", "le", "gt", "ge", "exists"}
_LEVEL_OPERATORS: Final = frozenset({"eq", "ne", "in", "not_in", "at_least", "at_most"})
_SOURCE_OPERATORS: Final = frozenset({"contains"})
_FLAG_OPERATORS: Final = frozenset({"eq", "ne"})
_METHOD_OPERATORS: Final = frozenset({"eq", "ne", "in", "not_in"})


@dataclass(frozen=True, slots=True)
class Attribute:
    """One readable path."""

    path: str
    read: Read
    operators: frozenset[str]
    values: tuple[str, ...] = ()
    """All values that it or its items can take, in order of rank where they have one; empty if there is no end."""
    argument: str | None = None
    """The argument of the call that it is, where it is one as a whole."""

    @property
    def optional(self) -> bool:
        """Whether a request may lack it; its kind is open, too."""
        return self.operators is _FREE_OPERATORS

    @property
    def flag(self) -> bool:
        """Whether it is true or false."""
        return self.operators is _FLAG_OPERATORS

    @property
    def closed(self) -> tuple[str, ...]:
        """Values that the attribute as a whole can take, where they are known."""
        return () if self.operators is _SOURCE_OPERATORS else self.values


def resolve(path: str, location: Location, bundle: Bundle) -> Attribute:
    """Find what a path names.

    Args:
        path: As written in a rule.
        location: Where it is written.
        bundle: Supplies the known agents, tools and capabilities.

    Returns:
        The attribute.

    Raises:
        LocatedError: If the path names nothing.
    """
    root, *rest = path.split(".")
    if root in ("args", "environment"):
        return _free(path, root, tuple(rest), location)
    if root == "labels" and len(rest) == 2 and rest[0] and rest[1] in _LABEL_FIELDS:
        return _argument_label(path, rest[0], rest[1])
    if root == "labels" and len(rest) == 2 and rest[0] and rest[1] == "method":
        return _argument_method(path, rest[0])
    if path in _PROFILED:
        return _PROFILED[path]
    if root == "context" and len(rest) == 1 and rest[0] in _LABEL_FIELDS:
        return _label(path, rest[0], _CONTEXT_FIELDS[rest[0]])
    if path in _TEXTS:
        return Attribute(path, _TEXTS[path], _TEXT_OPERATORS, _known_names(path, bundle))
    raise LocatedError(location, f"{unknown('attribute', path, _EXAMPLES)}; expected one of {', '.join(_EXAMPLES)}")


def _free(path: str, root: str, keys: tuple[str, ...], location: Location) -> Attribute:
    if not keys or not all(keys):
        raise LocatedError(location, f"attribute path {path!r} has a missing part; expected {root}.<name>")
    first, *nested = keys

    def read_argument(facts: Facts) -> object:
        return facts.arguments.get(first, MISSING)

    def read_environment(facts: Facts) -> object:
        return facts.request.environment.get(first, MISSING)

    top = read_argument if root == "args" else read_environment
    whole = first if root == "args" and not nested else None
    return Attribute(path, _nested(top, nested) if nested else top, _FREE_OPERATORS, argument=whole)


def _nested(top: Read, keys: list[str]) -> Read:
    def read(facts: Facts) -> object:
        value = top(facts)
        for key in keys:
            if value is MISSING or value is None:
                return MISSING
            if not isinstance(value, dict):  # a list of objects must not pass for an object without the key
                raise EvaluationError(f"expected object on the way, got {kind_of(value)}")
            value = value.get(key, MISSING)
        return value

    return read


def _argument_label(path: str, argument: str, field: str) -> Attribute:
    pick = _LABEL_FIELDS[field]
    return _label(path, field, lambda facts: pick(facts.request.arguments.get(argument, facts.request.context)))


def _argument_method(path: str, argument: str) -> Attribute:
    def read(facts: Facts) -> object:
        return facts.request.methods.get(argument, Method.CONTEXT.value)

    return Attribute(path, read, _METHOD_OPERATORS, tuple(sorted(method.value for method in Method)))


def _label(path: str, field: str, read: Read) -> Attribute:
    operators = _SOURCE_OPERATORS if field == "sources" else _LEVEL_OPERATORS
    return Attribute(path, read, operators, _LABEL_VALUES[field])


def _role(names: Callable[[ToolProfile], tuple[str, ...]]) -> Read:
    """Read the least integrity of the arguments that a profile gives a role."""
    return lambda facts: integrity_of(names(facts.profile), facts.profile, facts.arguments, facts.request)


def _known_names(path: str, bundle: Bundle) -> tuple[str, ...]:
    if path == "risk":
        return tuple(risk.value for risk in Risk)
    names = {"principal.agent": bundle.agents, "tool": bundle.tools(), "capability": bundle.capabilities}
    return tuple(sorted(names.get(path, ())))


_LABEL_FIELDS: Final[Mapping[str, Callable[[Label], object]]] = {
    "integrity": attrgetter("integrity"),
    "confidentiality": attrgetter("confidentiality"),
    "sources": lambda label: [source.kind for source in label.sources],
}
_CONTEXT_FIELDS: Final[Mapping[str, Read]] = {
    "integrity": attrgetter("request.context.integrity"),
    "confidentiality": attrgetter("request.context.confidentiality"),
    "sources": lambda facts: _LABEL_FIELDS["sources"](facts.request.context),
}
_LABEL_VALUES: Final[Mapping[str, tuple[str, ...]]] = {
    "integrity": tuple(level.value for level in Integrity),
    "confidentiality": tuple(level.value for level in Confidentiality),
    "sources": tuple(kind.value for kind in SourceKind),
}
_TEXTS: Final[Mapping[str, Read]] = {
    "principal.agent": attrgetter("request.principal.agent"),
    "principal.user": attrgetter("request.principal.user"),
    "principal.tenant": attrgetter("request.principal.tenant"),
    "tool": attrgetter("request.call.tool"),
    "capability": attrgetter("capability"),
    "risk": attrgetter("risk"),
}
_EFFECT_NAMES: Final = {effect: effect.value for effect in ToolEffect}  # a look-up is cheaper than ``.value``
_LEVELS: Final = _LABEL_VALUES["integrity"]
_PROFILED: Final[Mapping[str, Attribute]] = {
    item.path: item
    for item in (
        Attribute(
            "tool.effects",
            lambda facts: [_EFFECT_NAMES[effect] for effect in facts.profile.effects],
            _SOURCE_OPERATORS,
            tuple(effect.value for effect in ToolEffect),
        ),
        Attribute("tool.reversible", attrgetter("profile.reversible"), _FLAG_OPERATORS),
        Attribute("task.tool_in_scope", attrgetter("request.task.tool_in_scope"), _FLAG_OPERATORS),
        Attribute("task.in_scope", attrgetter("request.task.in_scope"), _FLAG_OPERATORS),
        Attribute("targets.integrity", _role(lambda profile: profile.targets), _LEVEL_OPERATORS, _LEVELS),
        Attribute("amounts.integrity", _role(lambda profile: profile.amounts), _LEVEL_OPERATORS, _LEVELS),
        Attribute("content.integrity", _role(lambda profile: profile.content), _LEVEL_OPERATORS, _LEVELS),
        Attribute(
            "arguments.confidentiality",
            lambda facts: confidentiality_of(facts.request),
            _LEVEL_OPERATORS,
            _LABEL_VALUES["confidentiality"],
        ),
    )
}
_EXAMPLES: Final = (
    "args.<name>",
    "environment.<key>",
    *(f"labels.<argument>.{field}" for field in (*_LABEL_FIELDS, "method")),
    *_PROFILED,
    *(f"context.{field}" for field in _LABEL_FIELDS),
    *_TEXTS,
)
