"""Words from the log, made safe to look at.

Invariant: whatever a log holds, the text made here is one line of printable characters. A log is written by the
governed system about hostile content, so a tool name may hold terminal escapes, line breaks that forge an entry, or
characters that reverse the reading direction (Trojan Source, CVE-2021-42574).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Final, TypeGuard

from aisecops_langchain.canonical import JsonValue
from aisecops_langchain.domain.decision import Reason

MAX_SHOWN: Final = 300
"""Longest run of log text inside one sentence, in characters; the rest is counted, not shown."""

_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_.:/@+-]{1,200}\Z")
_SHORT: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_SHOWN_DIGITS: Final = 12
_WITHHELD: Final = "$withheld"


def visible(text: str) -> str:
    r"""Write out every character that a terminal would obey rather than show.

    Args:
        text: Any text.

    Returns:
        The text with control, format, surrogate and unassigned characters as ``\n``, ``\x1b``, ``\u202e`` ...
    """
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _escape(character) for character in text)


def clip(text: str, limit: int = MAX_SHOWN) -> str:
    """Shorten text and say by how much, so that a long value cannot push the rest out of sight.

    Args:
        text: Any text.
        limit: Most characters to keep.

    Returns:
        The text, or its beginning and the number of characters left out.
    """
    if len(text) <= limit:
        return text
    return f"{text[:limit]}… (+{len(text) - limit} characters)"


def name(text: str) -> str:
    """Show an identifier: bare if it looks like one, else quoted, so that it cannot pass for our own words.

    Args:
        text: A name from the log.

    Returns:
        One printable line.
    """
    if _PLAIN_NAME.match(text):
        return text
    return visible(clip(json.dumps(text, ensure_ascii=False)))


def names(items: Iterable[str]) -> str:
    """Show several identifiers.

    Args:
        items: Names from the log.

    Returns:
        The names, parted by commas.
    """
    return clip(", ".join(name(item) for item in items))


def said(text: str) -> str:
    """Show a free remark from the log; callers put it last, after a colon.

    Args:
        text: A reason or message.

    Returns:
        One printable line.
    """
    return visible(clip(text))


def reasons(items: Iterable[Reason]) -> str:
    """Show why something was decided.

    Args:
        items: The recorded reasons.

    Returns:
        Their messages, parted by semicolons.
    """
    return said("; ".join(item.message for item in items)) or "no reason recorded"


def short(identity: str) -> str:
    """Show the beginning of a digest or other long identity.

    Args:
        identity: An identity from the log.

    Returns:
        At most twelve characters of it, without the hash's name.
    """
    return name(identity.removeprefix("sha256:")[:_SHOWN_DIGITS])


def call_text(tool: str, arguments: Mapping[str, JsonValue] | None, *, lacking: str = "arguments not recorded") -> str:
    """Show a tool call as the log recorded it.

    Args:
        tool: The tool's name.
        arguments: The recorded arguments, or None where they are not at hand.
        lacking: What stands in their place then.

    Returns:
        ``tool(name=value, ...)``, values as JSON, withheld values marked as such.
    """
    if arguments is None:
        return f"{name(tool)}({lacking})"
    shown = ", ".join(f"{name(key)}={value_text(value)}" for key, value in sorted(arguments.items()))
    return f"{name(tool)}({clip(shown)})"


def value_text(value: JsonValue) -> str:
    """Show one argument; a commitment stands for a value that the log does not hold.

    Args:
        value: The value as recorded.

    Returns:
        One printable line, as JSON.
    """
    if is_withheld(value):
        return f"<withheld: {name(str(value[_WITHHELD]))}>"
    return visible(json.dumps(value, ensure_ascii=False, sort_keys=True))


def is_withheld(value: object) -> TypeGuard[dict[str, JsonValue]]:
    """Whether a commitment stands in the place of a value.

    Args:
        value: The value as recorded.
    """
    return isinstance(value, dict) and _WITHHELD in value


def _escape(character: str) -> str:
    code = ord(character)
    if character in _SHORT:
        return _SHORT[character]
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
