"""What the audit log may show of a value: secrets never, personal data only where it is revealed on purpose.

Invariant: a string is shown whole or not at all. In place of what is withheld stands
``{"$withheld": KIND, "commitment": ...}``, where the commitment binds the value without showing it. Such a marker in
the output is always ours: input that uses the name is withheld itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic import JsonValue

from aisecops_langchain.canonical import MAX_DEPTH, canonical_bytes
from aisecops_langchain.errors import CanonicalizationError
from aisecops_langchain.sanitize.recognizers import is_card_number, names_secret, sensitive_kind

WITHHELD: Final = "$withheld"
"""Name that marks a withheld value."""

MAX_SHOWN: Final = 2_000
"""Characters of the longest string that a log shows."""

_NAME_FIELDS: Final = ("name", "key", "header")
"""Fields that name the field ``value`` beside them, as in a list of headers or environment variables."""


def scrub_value(name: str, value: JsonValue, *, reveal: bool, commit: Callable[[str], str]) -> tuple[JsonValue, bool]:
    """Replace what a log must not show.

    Args:
        name: Name of the value, for instance of the argument; it may itself say that the value is secret.
        value: A plain JSON value; it is left alone.
        reveal: Whether personal data is shown; secrets never are.
        commit: Makes a keyed commitment to a text.

    Returns:
        The value to show, and whether nothing was withheld.
    """
    scrubber = _Scrubber(reveal, commit)
    return scrubber.value(name, value, 0), not scrubber.withheld


def withheld(kind: str, value: JsonValue, commit: Callable[[str], str]) -> dict[str, JsonValue]:
    """Make what stands in the place of a value that is not shown.

    Args:
        kind: Why it is not.
        value: The value; a text is committed to as it is, anything else in its canonical form.
        commit: Makes a keyed commitment to a text.

    Returns:
        The marker.
    """
    if isinstance(value, str):
        return {WITHHELD: kind, "commitment": commit(value)}
    try:
        return {WITHHELD: kind, "commitment": commit(canonical_bytes(value).decode())}
    except CanonicalizationError:  # too deep or not plain JSON: nothing that a commitment could be checked against
        return {WITHHELD: kind}


@dataclass(slots=True)
class _Scrubber:
    """One walk over one value."""

    reveal: bool
    commit: Callable[[str], str]
    withheld: int = field(default=0)

    def value(self, name: str, value: JsonValue, depth: int) -> JsonValue:
        if depth > MAX_DEPTH:
            return self._withhold("depth", None)
        if names_secret(name, value):
            return self._withhold("secret", value)
        return self._unnamed(name, value, depth)

    def _unnamed(self, name: str, value: JsonValue, depth: int) -> JsonValue:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, list):
            return [self.value(name, item, depth + 1) for item in value]
        if isinstance(value, dict):
            return self._object(value, depth)
        if isinstance(value, int) and not self.reveal and is_card_number(str(value)):
            return self._withhold("card", value)
        return value

    def _text(self, text: str) -> JsonValue:
        if len(text) > MAX_SHOWN:
            return {**self._withhold("long_text", text), "size": len(text)}
        kind = self._kind(text)
        return text if kind is None else self._withhold(kind, text)

    def _object(self, value: Mapping[str, JsonValue], depth: int) -> JsonValue:
        if any(key.startswith(WITHHELD) for key in value):
            return self._withhold("reserved_name", dict(value))
        shown: dict[str, JsonValue] = {}
        for key, item in value.items():
            shown[self._key(key)] = self.value(name_of(key, value), item, depth + 1)
        return shown

    def _key(self, key: str) -> str:
        kind = "long_text" if len(key) > MAX_SHOWN else self._kind(key)
        if kind is None:
            return key
        self.withheld += 1
        return f"{WITHHELD}:{kind}:{self.commit(key)}"

    def _kind(self, text: str) -> str | None:
        kind = sensitive_kind(text)
        return None if self.reveal and kind != "secret" else kind

    def _withhold(self, kind: str, value: JsonValue) -> dict[str, JsonValue]:
        self.withheld += 1
        return withheld(kind, value, self.commit)


def name_of(key: str, siblings: Mapping[str, JsonValue]) -> str:
    """Return the name that tells what a field holds.

    Args:
        key: Its key.
        siblings: The object that it stands in.

    Returns:
        The key, or for ``value`` what the field beside it says.
    """
    if key != "value":
        return key
    names = (siblings.get(field_name) for field_name in _NAME_FIELDS)
    return next((name for name in names if isinstance(name, str)), key)
