"""JSON inside text: whether it nests too deeply for whoever decodes it.

Invariant: the answer takes time linear in the text and no recursion. What the escapes of JSON hide is read elsewhere,
in the text as it stands.
"""

from __future__ import annotations

import re
from itertools import accumulate
from typing import Final

import orjson

_BRACKETS: Final = 500
"""Text with more opening brackets than this is decoded to learn whether it nests too deeply."""

_STARTS: Final = frozenset('{["')
_DEEP: Final = 1_000
"""Levels that orjson reads in any case."""
_STRING: Final = re.compile(rb'"[^"]*+"')
_OTHERS: Final = bytes(code for code in range(256) if code not in b'[]{}"')


def nests_too_deeply(text: str) -> bool:
    """Tell whether a text is JSON that common decoders give up on.

    Args:
        text: Any text.

    Returns:
        Whether it starts like JSON and nests more deeply than orjson reads.
    """
    if text.count("[") + text.count("{") <= _BRACKETS or text.lstrip()[:1] not in _STARTS:
        return False
    if _depth(text) <= _DEEP:
        return False
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return "depth" in str(error) or "recursion" in str(error).lower()
    return False


def _depth(text: str) -> int:
    """Count how deeply brackets nest outside of strings, if it is JSON; unlike decoding, this takes little memory."""
    data = text.encode("utf-8", "replace").replace(rb"\\", b"").replace(rb"\"", b"").translate(None, _OTHERS)
    brackets = _STRING.sub(b"", data.replace(b'""', b""))
    return max(accumulate(1 if bracket in b"[{" else -1 for bracket in brackets), default=0)
