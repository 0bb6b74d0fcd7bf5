"""Questions to a roster.

Invariant: a run that touches an organisation outside of the filter's tenants is in no answer, and in no count.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import orjson

from aisecops_langchain.forensics.roster.filters import FACETS, RunFilter
from aisecops_langchain.forensics.roster.reading import microseconds
from aisecops_langchain.forensics.roster.row import RunFigures, RunRow
from aisecops_langchain.forensics.roster.store import RosterFile

_MOST_VALUES: Final = 200
"""Values of a facet that are told; there may be as many as runs."""
_ALL: Final = "TRUE"
_LISTED: Final = "(SELECT value FROM json_each(?))"


def find(file: RosterFile, wanted: RunFilter, *, offset: int, limit: int) -> tuple[int, tuple[RunRow, ...]]:
    """Find runs, the latest first.

    Args:
        file: The roster.
        wanted: Which.
        offset: How many to leave out.
        limit: How many to give at most.

    Returns:
        How many there are, and the rows of this part.
    """
    where, values = _where(wanted)
    with file.reading() as db:
        db.execute("BEGIN")  # both answers are about one moment
        (total,) = db.execute(f"SELECT count(*) FROM runs WHERE {where}", values).fetchone()
        order = "ORDER BY begun DESC, trace DESC LIMIT ? OFFSET ?"
        rows = db.execute(f"SELECT shown FROM runs WHERE {where} {order}", (*values, limit, offset)).fetchall()
    return total, tuple(RunRow.model_validate_json(row[0]) for row in rows)


def traces(file: RosterFile, wanted: RunFilter) -> list[tuple[str, int]]:
    """Name the runs that are wanted and how many events each has, the latest first; arguments are those of ``find``."""
    where, values = _where(wanted)
    question = f"SELECT trace, events FROM runs WHERE {where} ORDER BY begun DESC, trace DESC"
    with file.reading() as db:
        return [(row[0], int(row[1])) for row in db.execute(question, values)]


def figures(file: RosterFile, wanted: RunFilter) -> Iterator[tuple[RunRow, RunFigures]]:
    """Yield rows and figures of all runs that are wanted, in no order; arguments are those of ``find``."""
    where, values = _where(wanted)
    with file.reading() as db:
        for shown, made in db.execute(f"SELECT shown, figures FROM runs WHERE {where}", values):
            yield RunRow.model_validate_json(shown), RunFigures.model_validate_json(made)


def values_of(file: RosterFile, wanted: RunFilter) -> dict[str, dict[str, int]]:
    """Say by which values runs can be narrowed further.

    Args:
        file: The roster.
        wanted: Which runs.

    Returns:
        By facet: the commonest values, and how many of the runs have each.
    """
    where, values = _where(wanted)
    among = "" if where == _ALL else f"AND n IN (SELECT n FROM runs WHERE {where})"
    question = (
        f"SELECT value, count(*) AS times FROM facets WHERE facet = ? {among} "
        "GROUP BY value ORDER BY times DESC, value LIMIT ?"
    )
    with file.reading() as db:
        return {facet: dict(db.execute(question, (facet, *values, _MOST_VALUES)).fetchall()) for facet in FACETS}


def family(file: RosterFile, trace: str) -> tuple[bytes, ...]:
    """Find the lines that tell of delegation to and from a run, and to and from those runs, and so on.

    Args:
        file: The roster.
        trace: The run.

    Returns:
        The exact lines.
    """
    known: dict[tuple[str, int, str], bytes] = {}
    with file.reading() as db:
        frontier = [row[0] for row in db.execute("SELECT n FROM runs WHERE trace = ?", (trace,))]
        seen = set(frontier)
        while frontier:
            question = (
                "SELECT warrant, n, role, line FROM links WHERE warrant IN (SELECT warrant FROM links WHERE n = ?)"
            )
            for warrant, number, role, line in db.execute(question, (frontier.pop(),)).fetchall():
                known[warrant, number, role] = line
                if number not in seen:
                    seen.add(number)
                    frontier.append(number)
    return tuple(line for _, line in sorted(known.items()))


def _where(wanted: RunFilter) -> tuple[str, tuple[object, ...]]:
    """Write a filter as SQL; what was asked for stands in values alone."""
    parts: list[str] = [_ALL]
    values: list[object] = []
    if wanted.since is not None:
        parts.append("begun >= ?")
        values.append(microseconds(wanted.since))
    if wanted.until is not None:
        parts.append("begun < ?")
        values.append(microseconds(wanted.until))
    for facet, some in wanted.facets.items():
        chosen = " OR ".join(["value = ?"] * len(some)) or "FALSE"
        parts.append(f"EXISTS (SELECT 1 FROM facets WHERE facet = ? AND ({chosen}) AND facets.n = runs.n)")
        values += [facet, *some]
    if wanted.traces is not None:
        parts.append(f"trace IN {_LISTED}")
        values.append(_listed(wanted.traces))
    if wanted.tenants is not None:
        outside = f"facet = 'tenant' AND value NOT IN {_LISTED}"
        parts.append(f"NOT EXISTS (SELECT 1 FROM facets WHERE facets.n = runs.n AND {outside})")
        values.append(_listed(wanted.tenants))
    return " AND ".join(parts), tuple(values)


def _listed(values: tuple[str, ...]) -> str:
    return orjson.dumps(values).decode()
