"""``shell_words``: one simple command that begins with allowed words.

Invariant: an accepted line is a list of literal words to a POSIX shell: nothing in it is expanded, substituted,
redirected or chained, and ``shlex`` splits it into the same words. What the command does with them is
its own affair: do not list commands that run what their arguments say.
"""

from __future__ import annotations

import re
import shlex
from typing import Final

from pydantic import JsonValue

from aisecops_langchain.policy.formats.base import Accepts, each, texts_of
from aisecops_langchain.policy.values import OperandError

_LONGEST: Final = 8192
_WORD: Final = r"(?:[A-Za-z0-9_@+=:,./-]|'[^'\x00-\x1f\x7f]*')+"
_LINE: Final = re.compile(rf"{_WORD}(?: +{_WORD})*")


def shell_words(operand: JsonValue) -> Accepts:
    """Build the constraint.

    Args:
        operand: One or several commands, each as the words that a line must begin with: ``ls``, ``git status``.

    Returns:
        The test.

    Raises:
        OperandError: If a command is not made of plain words.
    """
    commands = [text.split(" ") for text in texts_of("shell_words", operand)]
    for command in commands:
        if not _LINE.fullmatch(" ".join(command)) or "" in command or "'" in "".join(command) or "=" in command[0]:
            raise OperandError("shell_words takes commands of plain words, such as ls or git status")
    return each(lambda value: _allowed(value, commands), longest=_LONGEST)


def _allowed(value: str, commands: list[list[str]]) -> bool:
    if not _LINE.fullmatch(value) or not value.isprintable():
        return False
    words = shlex.split(value)
    return any(words[: len(command)] == command for command in commands)
