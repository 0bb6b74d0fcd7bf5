"""How commands speak: one JSON object for programs, lines for people, one line for an error.

Invariant: nothing printed here carries a character that a terminal would obey, whatever the log or policy holds.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from rich.console import Console

_PIPE_WIDTH: Final = 120
"""Columns where the output is not a terminal."""

_SPECIAL: Final = re.compile(
    "[\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff]"
)


class CommandError(click.ClickException):
    """What was to be looked at cannot be: wrong arguments, missing files; shown as one line, exit code 2.

    Args:
        message: What went wrong.
    """

    exit_code = 2

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class UnsoundError(CommandError):
    """It was looked at, and the answer is no: not sound, not there, or not to be done; one line, exit code 1."""

    exit_code = 1


def one_line(text: str) -> str:
    """Make text safe to print as part of one line.

    Args:
        text: Any text.

    Returns:
        The text with control and format characters written out.
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def print_json(value: Mapping[str, object]) -> None:
    """Print one JSON object.

    Args:
        value: Plain JSON types, enums, dates and frozen data already dumped to them.
    """
    click.echo(json_text(value))


def json_text(value: Mapping[str, object]) -> str:
    """Write one JSON object.

    JSON allows terminal controls beyond ASCII to stand raw in strings; they are escaped, which means the same.

    Args:
        value: Plain JSON types, enums, dates and frozen data already dumped to them.

    Returns:
        The text, without a line break at its end.
    """
    import orjson

    return _escaped(orjson.dumps(value, option=orjson.OPT_INDENT_2))


def print_json_line(value: Mapping[str, object]) -> None:
    """Print one JSON object on one line, as ``print_json`` does.

    Args:
        value: Plain JSON types.
    """
    import orjson

    click.echo(_escaped(orjson.dumps(value)))


def write_file(path: Path, content: bytes) -> None:
    """Write a file that a person asked for.

    Args:
        path: Where to; what was there is replaced.
        content: All of its bytes.

    Raises:
        CommandError: If it cannot be written.
    """
    try:
        path.write_bytes(content)
    except OSError as error:
        raise CommandError(
            f"{path} cannot be written; expected: a place in a folder that may be written to; "
            f"got: {type(error).__name__} ({error.strerror or 'no reason given'})"
        ) from error


def console() -> Console:
    """Make a console on standard output that interprets nothing in what it prints.

    Returns:
        A rich console; colours only on a terminal.
    """
    from rich.console import Console

    width = None if sys.stdout.isatty() else _PIPE_WIDTH
    return Console(file=sys.stdout, width=width, markup=False, emoji=False, highlight=False)


def _escaped(text: bytes) -> str:
    return _SPECIAL.sub(_json_escape, text.decode())


def _json_escape(match: re.Match[str]) -> str:
    units = match.group().encode("utf-16-be")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
