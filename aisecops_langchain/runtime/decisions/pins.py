"""Tool definitions that a person reviewed, in a lock file beside the policy; any other definition has no authority.

Invariant: a pin's digest is computed from the very text that stands beside it in the file, so what a reviewer reads is
what is pinned; a file in which the two differ, or that two readers could read differently, is refused whole.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

from pydantic import ValidationError

from aisecops_langchain.domain.definition import ToolDefinition
from aisecops_langchain.errors import CanonicalizationError, PinError

VERSION: Final = 1
_MAX_BYTES: Final = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class PinFault:
    """Why a tool's definition has no authority."""

    code: str
    """``not_pinned`` or ``definition_changed``."""
    expected: str
    """The pinned digest; empty where there is none."""
    got: str
    """The digest of the definition as it is."""

    @property
    def message(self) -> str:
        """One sentence, for events and errors; digests only."""
        if self.code == "not_pinned":
            return f"no definition of this tool is pinned; it is {self.got}"
        return f"the tool's definition is {self.got}, and {self.expected} is pinned"


@dataclass(frozen=True, slots=True)
class Pins:
    """The pinned definitions.

    Attributes:
        definitions: By name of the tool.
    """

    definitions: Mapping[str, ToolDefinition]

    @classmethod
    def of(cls, definitions: Iterable[ToolDefinition]) -> Pins:
        """Pin definitions.

        Args:
            definitions: What was reviewed.

        Returns:
            The pins.

        Raises:
            PinError: If two have the same name, or one has no digest.
        """
        pinned: dict[str, ToolDefinition] = {}
        for item in definitions:
            if item.name in pinned:
                raise PinError("two tools share a name", expected="unique tool names", got=repr(item.name)[:80])
            _digest(item)
            pinned[item.name] = item
        return cls(pinned)

    def fault(self, tool: str, digest: str) -> PinFault | None:
        """Judge a tool's definition.

        Args:
            tool: The tool's name.
            digest: Digest of its definition as it is now.

        Returns:
            What is wrong with it; ``None`` if exactly this one is pinned.
        """
        pinned = self.definitions.get(tool)
        if pinned is None:
            return PinFault("not_pinned", "", digest)
        return None if pinned.digest == digest else PinFault("definition_changed", pinned.digest, digest)

    def render(self) -> str:
        """Write the lock file's text: JSON in ASCII, so that no letter looks like another one in a review."""
        tools = {
            name: {"digest": item.digest, "description": item.description, "schema": item.parameters}
            for name, item in sorted(self.definitions.items())
        }
        return json.dumps({"version": VERSION, "tools": tools}, indent=2, ensure_ascii=True, allow_nan=False) + "\n"


def load_pins(path: str | os.PathLike[str]) -> Pins:
    """Read a lock file.

    Args:
        path: The file.

    Returns:
        The pins.

    Raises:
        PinError: If it is missing, malformed, ambiguous, or a digest is not that of the text beside it.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise PinError(
            "the lock file cannot be read",
            expected="a file made by 'aisecops tools pin'",
            got=type(error).__name__,
            remedy="pin the tools, or open the governor without pins",
        ) from error
    return parse_pins(data)


def parse_pins(data: bytes) -> Pins:
    """Read a lock file's content.

    Args:
        data: UTF-8 JSON.

    Returns:
        The pins.

    Raises:
        PinError: As ``load_pins``.
    """
    if len(data) > _MAX_BYTES:
        raise PinError("the lock file is too large", expected=f"at most {_MAX_BYTES} bytes", got="more")
    try:
        found = json.loads(data, object_pairs_hook=_unique, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise PinError("the lock file is not JSON", expected="JSON", got=type(error).__name__) from None
    if not isinstance(found, dict) or found.keys() != {"version", "tools"} or not isinstance(found["tools"], dict):
        raise PinError("not a lock file", expected="an object with version and tools", got=type(found).__name__)
    if type(found["version"]) is not int or found["version"] != VERSION:
        raise PinError("a lock file of another version", expected=f"version {VERSION}", got="another")
    return Pins.of(_entry(name, entry) for name, entry in found["tools"].items())


def _entry(name: str, entry: object) -> ToolDefinition:
    if not isinstance(entry, dict) or entry.keys() != {"digest", "description", "schema"}:
        raise PinError(
            "a pin is malformed", expected="digest, description and schema", got=f"an entry for {name!r}"[:120]
        )
    try:
        given = {"name": name, "description": entry["description"], "parameters": entry["schema"]}
        definition = ToolDefinition.model_validate(given, strict=True)
    except ValidationError:
        raise PinError("a pin is malformed", expected="text and a JSON Schema", got=repr(name)[:80]) from None
    if entry["digest"] != _digest(definition):
        raise PinError(
            "a pin's digest is not that of the definition beside it",
            expected="the digest that 'aisecops tools pin' wrote",
            got=f"another one for {name!r}"[:120],
            remedy="review the tool and pin it anew; a lock file is not edited by hand",
        )
    return definition


def _digest(definition: ToolDefinition) -> str:
    try:
        return definition.digest
    except CanonicalizationError as error:
        raise PinError("a definition has no digest", expected=error.expected, got=repr(definition.name)[:80]) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a name that stands twice: a reviewer would read one entry, and the loader take the other."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise PinError("a name stands twice in the lock file", expected="unique names", got="a duplicate")
    return found


def _no_number(_text: str) -> NoReturn:
    raise PinError("the lock file holds what is no number", expected="JSON numbers", got="NaN or Infinity")
