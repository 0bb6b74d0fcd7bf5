"""A least-privilege bundle: what was used and not denied, as a draft for a person.

Invariant: the draft denies every call until it is reviewed, and grants nothing that was not used. It shows no value
that the log withholds, and it is made of recorded calls: whoever could steer the agent could steer it, too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from aisecops_langchain.canonical import JsonValue, canonical_bytes
from aisecops_langchain.domain.effects import ToolProfile
from aisecops_langchain.domain.events import DecisionMade

_MOST_VALUES: Final = 8
"""Up to so many different texts of an argument are listed; more are bounded by their length."""
_LONGEST_VALUE: Final = 80


class Use(NamedTuple):
    """One call that was not denied."""

    agent: str
    tool: str
    risk: str
    profile: ToolProfile | None
    arguments: dict[str, JsonValue]
    hidden: frozenset[str]

    @classmethod
    def of(cls, event: DecisionMade, profile: ToolProfile | None, hidden: frozenset[str] | None) -> Use:
        """Read a use off a decision.

        Args:
            event: The decision.
            profile: What the tool does, where that is known.
            hidden: Arguments whose values are withheld; ``None`` if none can be believed.
        """
        call = event.call
        unseen = frozenset(call.arguments) if hidden is None else hidden
        return cls(event.principal.agent, call.tool, event.decision.risk, profile, call.arguments, unseen)


@dataclass(slots=True)
class _Values:
    """What was seen of one argument."""

    times: int = 0
    hidden: bool = False
    types: set[str] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)
    longest: int = 0
    least: float = float("inf")
    most: float = float("-inf")

    def add(self, value: JsonValue, *, hidden: bool) -> None:
        self.times += 1
        self.hidden = self.hidden or hidden
        if hidden:
            return
        self.types.add(_type(value))
        if isinstance(value, str):
            self.longest = max(self.longest, len(value))
            if len(self.texts) <= _MOST_VALUES:
                self.texts.add(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            self.least, self.most = min(self.least, value), max(self.most, value)

    def constraints(self) -> dict[str, JsonValue]:
        """Say what all values have in common; nothing where one of them is hidden or they are of different kinds."""
        if self.hidden or len(self.types) != 1:
            return {}
        (kind,) = self.types
        if kind == "number":
            return {"min": self.least, "max": self.most}
        if kind != "string":
            return {"type": kind} if kind in ("boolean", "array", "object") else {}
        if len(self.texts) <= _MOST_VALUES and self.longest <= _LONGEST_VALUE:
            return {"one_of": [*sorted(self.texts)]}
        return {"max_length": max(self.longest, 1)}


@dataclass(slots=True)
class _Right:
    """What one agent did with one tool."""

    times: int = 0
    risks: set[str] = field(default_factory=set)
    arguments: dict[str, _Values] = field(default_factory=dict)


class Uses:
    """Gathers uses and writes them down as a draft."""

    def __init__(self) -> None:
        self._rights: dict[tuple[str, str], _Right] = {}
        self._profiles: dict[str, ToolProfile] = {}

    def __bool__(self) -> bool:
        return bool(self._rights)

    def add(self, use: Use) -> None:
        """Gather one use."""
        right = self._rights.setdefault((use.agent, use.tool), _Right())
        right.times += 1
        right.risks.add(use.risk)
        if use.profile is not None:
            self._profiles[use.tool] = use.profile
        for name, value in use.arguments.items():
            right.arguments.setdefault(name, _Values()).add(value, hidden=name in use.hidden)

    def draft(self) -> str:
        """Write the draft.

        Returns:
            YAML that loads, and denies every call.

        Raises:
            ValueError: If nothing was used.
        """
        if not self._rights:
            raise ValueError("nothing was used, so there is nothing to propose")
        named = {pair: f"used-{number}" for number, pair in enumerate(sorted(self._rights), 1)}
        return "\n".join(self._lines(named)) + "\n"

    def _lines(self, named: dict[tuple[str, str], str]) -> Iterable[str]:
        yield "# A draft: what the log shows as used and not denied. An attack that went unnoticed is in it, too."
        yield "# Review every line; until the last rule is replaced, everything is denied."
        yield "version: 1"
        yield "id: least-privilege-draft"
        yield "agents:"
        for agent in sorted({agent for agent, _ in named}):
            held = ", ".join(name for (owner, _), name in named.items() if owner == agent)
            yield f"  {_json(agent)}: {{capabilities: [{held}]}}"
        yield "capabilities:"
        for pair, name in named.items():
            yield from self._capability(name, pair[1], self._rights[pair])
        if self._profiles:
            yield "tools:"
            for tool, profile in sorted(self._profiles.items()):
                declared = profile.model_dump(mode="json", exclude_defaults=True)
                yield f"  {_json(tool)}: {_json(_spelled(declared))}  # review"
        yield "rules:"
        yield "  - {id: deny-until-reviewed, effect: deny, tools: ['*']}  # review: replace"

    def _capability(self, name: str, tool: str, right: _Right) -> Iterable[str]:
        risk = max(right.risks, key=_RISKS.index) if right.risks <= {*_RISKS} else _RISKS[-1]
        yield f"  {name}:  # review: {right.times} different calls"
        yield f"    tools: [{_json(tool)}]"
        yield f"    risk: {risk}  # review"
        bounded = {
            argument: found
            for argument, values in sorted(right.arguments.items())
            if values.times == right.times and _named(argument) and (found := values.constraints())
        }
        if bounded:
            yield "    arguments:"
            for argument, found in bounded.items():
                yield f"      {_json(argument)}: {_json(found)}  # review"


_RISKS: Final = ("low", "medium", "high", "critical")


def _spelled(declared: JsonValue) -> JsonValue:
    """Leave out what is empty; a bundle refuses it."""
    if not isinstance(declared, dict):
        return declared
    return {key: _spelled(item) for key, item in declared.items() if item not in ([], {}, None, "")}


def _named(argument: str) -> bool:
    return argument != "*" and 0 < len(argument) <= 128 and argument.isprintable() and " " not in argument


def _type(value: JsonValue) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def _json(value: JsonValue) -> str:
    """Write a value so that YAML reads it back, whatever it holds: JSON in ASCII is YAML."""
    canonical_bytes(value)
    return json.dumps(value, ensure_ascii=True)
