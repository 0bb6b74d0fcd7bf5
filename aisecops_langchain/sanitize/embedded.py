"""JSON inside text: escapes hide from a plain reading what whoever decodes them will see.

Invariant: decoding is bounded in rounds and never recurses; what is nested beyond the bounds is reported as such, and
what only looks like JSON is still unescaped.
"""

from __future__ import annotations

import re
from typing import Final

import orjson

from aisecops_langchain.sanitize.values import walk

_ROUNDS: Final = 4
"""How often JSON inside JSON inside JSON is decoded."""

_BRACKETS: Final = 500
"""Text with more opening brackets than this is decoded to learn whether it nests too deeply."""

_STARTS: Final = frozenset('{["')
_ESCAPE: Final = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|([nrt\"'/\\]))")
_SHORT: Final = {"n": "\n", "r": "\r", "t": "\t"}


def may_embed(text: str) -> bool:
    """Tell whether a text looks like JSON whose decoding could show what the text itself does not.

    Args:
        text: Any text.

    Returns:
        Whether it starts like JSON, and holds escapes or so many brackets that its depth must be known.
    """
    if text.lstrip()[:1] not in _STARTS:
        return False
    return "\\" in text or text.count("[") + text.count("{") > _BRACKETS


def embedded_texts(text: str) -> list[str] | None:
    """Read the texts of JSON that stands inside a text.

    Args:
        text: Any text.

    Returns:
        Every text and key of the JSON, at every level of embedding; empty if there is none, or if its escapes hide
        nothing; None if it nests too deeply to be read.
    """
    texts: list[str] = []
    current = [text] if may_embed(text) else []
    for _ in range(_ROUNDS):
        decoded: list[str] = []
        for candidate in current:
            found = _decode(candidate)
            if found is None:
                return None
            decoded += found
        texts += decoded
        current = [candidate for candidate in decoded if may_embed(candidate)]
    return None if current else texts


def _decode(text: str) -> list[str] | None:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        if "depth" in str(error) or "recursion" in str(error).lower():
            return None
        plain = _unescape(text)
        return [] if plain == text else [plain]
    return [item for _, item in walk(value) if isinstance(item, str)]


def _unescape(text: str) -> str:
    """Decode escapes one by one; the detour through UTF-16 joins pairs of surrogates."""
    plain = _ESCAPE.sub(_unescape_one, text)
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _unescape_one(escape: re.Match[str]) -> str:
    code = escape[1] or escape[2]
    return chr(int(code, 16)) if code else _SHORT.get(escape[3], escape[3])
