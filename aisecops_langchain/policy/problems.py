"""Faults of a bundle, tied to the place in the file that they are about.

Invariant: every fault names a location, and one error reports them all, sorted by line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple, NoReturn

from aisecops_langchain.errors import AisecopsError, PolicyError

Location = tuple[str | int, ...]
"""Keys and list positions that lead from the top of the bundle to a value."""


class Problem(NamedTuple):
    """One fault of a bundle."""

    location: Location
    message: str


class Origin(NamedTuple):
    """Where a policy was read from, for faults that show only once it is put to use."""

    file: str
    lines: Mapping[Location, int]
    """Line of each location."""

    @property
    def folder(self) -> Path:
        """Where paths in the bundle begin."""
        return Path(self.file).parent

    def error(
        self,
        location: Location,
        message: str,
        expected: str | None = None,
        got: str | None = None,
        remedy: str | None = None,
    ) -> PolicyError:
        """Word a fault.

        Args:
            location: Where in the bundle.
            message: What is wrong.
            expected: What would have been right.
            got: What came instead.
            remedy: What to do.

        Returns:
            An error to raise.
        """
        line = _line(location, self.lines) if self.lines else None
        return PolicyError(message, file=self.file, line=line, expected=expected, got=got, remedy=remedy)


UNKNOWN_ORIGIN: Final = Origin("<policy>", MappingProxyType({}))


class LocatedError(AisecopsError):
    """A part of a bundle cannot be compiled; the loader turns it into a ``PolicyError`` with file and line.

    Args:
        location: Where in the bundle.
        message: What is wrong, and what would be right.
    """

    def __init__(self, location: Location, message: str) -> None:
        self.problem = Problem(location, message)
        super().__init__(message)


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Word the fault of a name that nothing defines.

    Args:
        kind: What the name should name.
        name: The name.
        known: The names that exist.

    Returns:
        The message, with the nearest known name where one is near.
    """
    near = get_close_matches(name, sorted(known), n=1)
    return f"unknown {kind} {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")


def raise_problems(problems: Iterable[Problem], lines: Mapping[Location, int], file: str) -> None:
    """Raise one error for all faults, or return if there are none.

    Args:
        problems: The faults.
        lines: Line of each location.
        file: Name of the bundle, for the message.

    Raises:
        PolicyError: With the line of the first fault; the message holds all of them.
    """
    located = sorted({(_line(problem.location, lines), problem.message) for problem in problems})
    if not located:
        return
    _raise(located, file)


def _raise(located: list[tuple[int, str]], file: str) -> NoReturn:
    (line, first), *others = located
    message = "\n".join([first, *(f"{file}:{number}: {text}" for number, text in others)])
    raise PolicyError(message, file=file, line=line) from None  # the cause would repeat it with raw input


def _line(location: Location, lines: Mapping[Location, int]) -> int:
    """Line of the nearest enclosing location that the file has."""
    while location and location not in lines:
        location = location[:-1]
    return lines.get(location, 1)
