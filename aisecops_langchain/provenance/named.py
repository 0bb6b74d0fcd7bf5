"""Values that a source vouches for because the user named that very source, and it leaves no choice.

Invariant: a kind of value is taken from a text only if the text holds exactly one of the kind, in any spelling that a
reader could take for one. Whoever adds a second one to a document makes it worthless, not his own.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from aisecops_langchain.domain.effects import ValueKind
from aisecops_langchain.provenance.fields import FieldValue

_MAX_TEXT: Final = 200_000
_EMAIL: Final = re.compile(r"[\w.+%'-]+@[\w.-]*\w")
_ACCOUNT: Final = re.compile(
    r"(?<![^\W_])[a-z]{2}[0-9]{2}(?:[a-z0-9]{8,30}|(?:[ -][a-z0-9]{4}){2,7}(?:[ -][a-z0-9]{1,3})?)(?![^\W_])"
)
_URL: Final = re.compile(r"(?:https?://|(?<![\w@.])www\.)[^\s<>\"']+|(?<![\w@./-])(?:[\w-]+\.)+[a-z]{2,}/[^\s<>\"']*")
_PATTERNS: Final[Mapping[ValueKind, re.Pattern[str]]] = {
    ValueKind.EMAIL: _EMAIL,
    ValueKind.IBAN: _ACCOUNT,
    ValueKind.URL: _URL,
}
_CLEAN: Final[Mapping[ValueKind, Callable[[str], str]]] = {
    ValueKind.EMAIL: lambda found: found.strip(".'"),
    ValueKind.IBAN: lambda found: found.replace(" ", "").replace("-", ""),
    ValueKind.URL: lambda found: found.rstrip(".,;:!?)'\"/"),
}


def only_values(text: str, kinds: Iterable[ValueKind]) -> tuple[FieldValue, ...]:
    """Find the values of which a text holds only one of the kind.

    Args:
        text: The whole content of the source.
        kinds: Which kinds to look for.

    Returns:
        At most one value for each kind; none for a text that is too long to be searched.
    """
    if len(text) > _MAX_TEXT:
        return ()
    plain = unicodedata.normalize("NFKC", text).casefold()
    return tuple(value for kind in kinds for value in _only(plain, kind))


def _only(text: str, kind: ValueKind) -> tuple[FieldValue, ...]:
    found = {_CLEAN[kind](match[0]) for match in _PATTERNS[kind].finditer(text)}
    return (FieldValue(kind.value, found.pop()),) if len(found) == 1 else ()
