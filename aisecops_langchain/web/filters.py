"""Which runs are asked for: the parameters of a request, checked.

Invariant: a parameter that is not known, stands twice where it may not, or makes no sense is refused, since a filter
that is not applied would show what was not asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from starlette.datastructures import QueryParams

from aisecops_langchain.domain.decision import Effect
from aisecops_langchain.domain.labels import Integrity
from aisecops_langchain.forensics.outcome import Outcome
from aisecops_langchain.forensics.roster.filters import FACETS
from aisecops_langchain.web.refusals import BadRequestError

_CLOSED: Final[Mapping[str, tuple[str, ...]]] = {
    "decision": tuple(Effect),
    "trust": tuple(Integrity),
    "outcome": tuple(Outcome),
}
"""Facets whose values are known beforehand."""

_TIMES: Final = ("since", "until")
PARAMETERS: Final = (*_TIMES, "text", *FACETS)
"""All that a filter may say."""

_MOST_VALUES: Final = 20
_LONGEST: Final = 500
_SHORTEST_TEXT: Final = 2


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which runs are asked for; without a word, all."""

    since: datetime | None = None
    """Runs that began then or later; ``until``: before then."""
    until: datetime | None = None
    facets: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Values by facet: a run must have one of them for each."""
    text: str = ""
    """Words that stand somewhere in the lines of the run."""
    traces: tuple[str, ...] | None = None


def wanted_of(parameters: QueryParams, *, others: Collection[str] = ()) -> Wanted:
    """Read a filter.

    Args:
        parameters: The parameters of the request.
        others: Names of parameters that are none of the filter's here.

    Returns:
        Which runs are asked for.

    Raises:
        BadRequestError: If one is not known or makes no sense.
    """
    for name in parameters:
        if name not in PARAMETERS and name not in others:
            expected = f"some of {', '.join(sorted({*PARAMETERS, *others}))}"
            raise BadRequestError("a parameter is not known", expected=expected, got=name[:40])
    facets = {name: _values(parameters, name) for name in FACETS if name in parameters and name not in others}
    return Wanted(
        since=_moment(parameters, "since"),
        until=_moment(parameters, "until"),
        facets={name: values for name, values in facets.items() if values},
        text=_text(parameters),
    )


def single(parameters: QueryParams, name: str) -> str:
    """Read a parameter that stands at most once.

    Args:
        parameters: The parameters of the request.
        name: Its name.

    Returns:
        Its value, or an empty text.

    Raises:
        BadRequestError: If it stands there twice, or is too long.
    """
    values = parameters.getlist(name)
    if len(values) > 1 or any(len(value) > _LONGEST for value in values):
        raise BadRequestError(
            f"parameter {name} makes no sense", expected=f"one value of at most {_LONGEST} characters"
        )
    return values[0] if values else ""


def moment_of(text: str, name: str) -> datetime:
    """Read a time.

    Args:
        text: What was given.
        name: The parameter's name.

    Returns:
        The time; in UTC where it names no zone.

    Raises:
        BadRequestError: If it is none.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None:
        raise BadRequestError(
            f"parameter {name} is no time",
            expected="ISO 8601, such as 2026-03-01 or 2026-03-01T12:00:00Z",
            got=text[:40],
        )
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _moment(parameters: QueryParams, name: str) -> datetime | None:
    text = single(parameters, name)
    return moment_of(text, name) if text else None


def _values(parameters: QueryParams, name: str) -> tuple[str, ...]:
    values = tuple(value for value in dict.fromkeys(parameters.getlist(name)) if value)
    if len(values) > _MOST_VALUES or any(len(value) > _LONGEST for value in values):
        raise BadRequestError(
            f"parameter {name} makes no sense",
            expected=f"at most {_MOST_VALUES} values of at most {_LONGEST} characters",
        )
    known = _CLOSED.get(name)
    if known is not None and not set(values) <= set(known):
        raise BadRequestError(f"parameter {name} makes no sense", expected=f"some of {', '.join(known)}")
    return values


def _text(parameters: QueryParams) -> str:
    text = single(parameters, "text").strip()
    if text and len(text) < _SHORTEST_TEXT:
        raise BadRequestError("parameter text is too short", expected=f"at least {_SHORTEST_TEXT} characters")
    return text
