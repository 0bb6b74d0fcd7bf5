"""One reading of a text, and all of them.

Invariant: every span of a reading leads to a span of the raw text.
"""

from __future__ import annotations

from typing import NamedTuple

from aisecops_langchain.sanitize.steps import Locate


class View(NamedTuple):
    """One reading of a raw text."""

    name: str
    """``text``, ``normalized`` (folded), ``hidden`` (not seen by readers) or ``decoded``."""
    text: str
    span: Locate
    """From a non-empty span of ``text`` to one of the raw text."""
    steps: tuple[str, ...] = ()
    """How it was made, step by step."""
    squeezed: bool = False
    """Whether the spaces between words are lost."""
    folded_beside: bool = False
    """Whether the next reading is this one folded, and shows all that this one shows but for the marks themselves."""


class Readings(NamedTuple):
    """The readings of one text."""

    views: tuple[View, ...]
    complete: bool
    """False if there were more than the bounds allow."""
