"""The part of YAML that a bundle may use: JSON's values, every one with its line.

Invariant: text that two YAML versions read differently is refused, never guessed: bare ``on``, ``yes``, ``010``,
``1:30``, dates, empty values, duplicate keys, anchors, aliases, merge keys, tags and invisible characters.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Final, NamedTuple, cast

import yaml
from pydantic import JsonValue

from aisecops_langchain.errors import PolicyError
from aisecops_langchain.policy.problems import LocatedError, Location, raise_problems

MAX_BYTES: Final = 1024 * 1024
"""Size of the largest bundle."""

MAX_DEPTH: Final = 32
"""Nesting beyond this is refused."""

_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_WORDS: Final[Mapping[str, bool | None]] = {"true": True, "false": False, "null": None}
_TEXT_TAG: Final = "tag:yaml.org,2002:str"
_LAYOUT: Final = str.maketrans("", "", "\n\t")


class Document(NamedTuple):
    """A bundle as plain JSON values, with the line of each."""

    value: dict[str, JsonValue]
    lines: Mapping[Location, int]


class _StrictLoader(yaml.SafeLoader):
    """Composes nodes, and refuses what lets one node stand for many or for a Python object."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise yaml.MarkedYAMLError(problem="anchors and aliases are refused", problem_mark=event.start_mark)
        if event.tag is not None:
            raise yaml.MarkedYAMLError(problem="tags are refused", problem_mark=event.start_mark)
        if self.depth >= MAX_DEPTH:
            problem = f"nested deeper than {MAX_DEPTH} levels"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def parse_document(text: str, file: str) -> Document:
    """Read a bundle's text.

    Args:
        text: YAML (or JSON, which is YAML).
        file: Name for messages.

    Returns:
        Its values and their lines.

    Raises:
        PolicyError: If the text is too large, empty, not YAML, or uses more of YAML than a bundle may.
    """
    try:
        size = len(text.encode("utf-8", "surrogatepass"))
    except AttributeError:
        got = type(text).__name__
        raise PolicyError("policy is no text", file=file, expected="a string of YAML", got=got) from None
    if size > MAX_BYTES:
        raise PolicyError("policy is too large", file=file, expected=f"at most {MAX_BYTES} bytes")
    root = _compose(text, file)
    if root is None:
        raise PolicyError(
            "policy is empty", file=file, line=1, expected="version, id, agents, capabilities and rules", got="nothing"
        )
    lines: dict[Location, int] = {(): _line(root)}
    try:
        value = _value(root, (), lines)
    except LocatedError as error:
        raise_problems([error.problem], lines, file)
        raise
    if not isinstance(value, dict):
        raise PolicyError("policy is not a mapping", file=file, line=lines[()], expected="top-level keys such as id")
    return Document(value, lines)


def _compose(text: str, file: str) -> yaml.Node | None:
    try:
        loader = _StrictLoader(text)
        try:
            return loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise PolicyError(f"not readable as YAML: {error.problem}", file=file, line=line) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise PolicyError("not readable as YAML: a character that YAML forbids", file=file, line=line) from None
    except (yaml.YAMLError, ValueError) as error:
        raise PolicyError("not readable as YAML", file=file, line=1, got=type(error).__name__) from None


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _value(node: yaml.Node, location: Location, lines: dict[Location, int]) -> JsonValue:
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, location, lines)
    if isinstance(node, yaml.SequenceNode):
        items: list[JsonValue] = []
        for position, item in enumerate(node.value):
            lines[*location, position] = _line(item)
            items.append(_value(item, (*location, position), lines))
        return items
    return _scalar(cast("yaml.ScalarNode", node), location)


def _mapping(node: yaml.MappingNode, location: Location, lines: dict[Location, int]) -> dict[str, JsonValue]:
    result: dict[str, JsonValue] = {}
    for key_node, value_node in node.value:
        here = (*location, str(key_node.value))
        previous = lines.get(here)
        lines[here] = _line(key_node)
        key = _scalar(key_node, here) if isinstance(key_node, yaml.ScalarNode) else None
        if not isinstance(key, str):
            raise LocatedError(here, "a key must be text; put it in quotes")
        if previous is not None:
            raise LocatedError(here, f"duplicate key {key!r}; it already stands on line {previous}")
        result[key] = _value(value_node, here, lines)
    return result


def _scalar(node: yaml.ScalarNode, location: Location) -> str | int | float | bool | None:
    text = str(node.value)
    if not text.translate(_LAYOUT).isprintable():
        raise LocatedError(location, "text holds an invisible or control character; remove it")
    if node.style is not None:  # quoted or block text means exactly itself
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _NUMBER.fullmatch(text):
        return _number(text, location)
    if not text:
        raise LocatedError(location, "a value is missing; write one, or null")
    if node.tag != _TEXT_TAG:
        kind = node.tag.rpartition(":")[2]
        raise LocatedError(
            location,
            f"YAML reads {text!r} as a {kind}; put it in quotes if it is text, "
            "else write true, false, null or a decimal number",
        )
    return text


def _number(text: str, location: Location) -> int | float:
    if text.lstrip("-").isdigit():
        if len(text) > 20 or not -(2**63) <= int(text) < 2**64:
            raise LocatedError(location, "integer is too large; expected 64 bits")
        return int(text)
    number = float(text)
    if not math.isfinite(number):
        raise LocatedError(location, "number is too large; expected a finite number")
    return number
