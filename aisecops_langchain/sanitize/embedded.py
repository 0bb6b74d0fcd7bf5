"""JSON inside text: whether it nests too deeply for whoever decodes it.

Invariant: the answer takes time linear in the text and no recursion. What the escapes of JSON hide is read elsewhere,
in the text as it stands.
"""

from __future__ import annotations

from typing import Final

import orjson

_BRACKETS: Final = 500
"""Text with more opening brackets than this is decoded to learn whether it nests too deeply."""

_STARTS: Final = frozenset('{["')


def nests_too_deeply(text: str) -> bool:
    """Tell whether a text is JSON that common decoders give up on.

    Args:
        text: Any text.

    Returns:
        Whether it starts like JSON and nests more deeply than orjson reads.
    """
    if text.count("[") + text.count("{") <= _BRACKETS or text.lstrip()[:1] not in _STARTS:
        return False
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return "depth" in str(error) or "recursion" in str(error).lower()
    return False
