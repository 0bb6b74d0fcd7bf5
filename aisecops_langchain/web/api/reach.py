"""What followed from a source, and what an effect followed from, over many runs.

Invariant: what is answered is what ``aisecops replay blast-radius`` and ``origin`` print with ``--json``, over the runs
that the caller may see. Where there are more than can be drawn at once, the latest are looked at and that is said.
"""

from __future__ import annotations

from typing import Final

from starlette.requests import Request

from aisecops_langchain.forensics.graph import BlastRadius, Graph, Origin, blast_radius, execution_graph, origin
from aisecops_langchain.forensics.trace import Trace
from aisecops_langchain.web.answers import Told
from aisecops_langchain.web.filters import single, wanted_of
from aisecops_langchain.web.refusals import BadRequestError, NotFoundError
from aisecops_langchain.web.site import caller_of, site_of

MOST_EVENTS: Final = 20_000
"""So many events are drawn at once, over all runs."""


class RadiusTold(Told):
    """Everything that a source touched."""

    blast_radius: BlastRadius


class OriginsTold(Told):
    """Everything that effects followed from."""

    origins: tuple[Origin, ...]


def show_radius(request: Request) -> RadiusTold:
    """Find everything that a document, tool or text touched."""
    source = asked(request, "source")
    radius = blast_radius(graph_of(request, "source"), source)
    return RadiusTold(log=site_of(request).library.standing(), blast_radius=radius)


def show_origins(request: Request) -> OriginsTold:
    """Find everything that an effect followed from."""
    effect = asked(request, "effect")
    found = origin(graph_of(request, "effect"), effect)
    return OriginsTold(log=site_of(request).library.standing(), origins=tuple(found))


def asked(request: Request, name: str) -> str:
    """Read what a request is about.

    Args:
        request: The request.
        name: The parameter that says it.

    Returns:
        Its value.

    Raises:
        BadRequestError: If it says nothing.
    """
    value = single(request.query_params, name)
    if not value:
        raise BadRequestError(f"parameter {name} is missing", expected="a name, door:name, or an id")
    return value


def graph_of(request: Request, *others: str) -> Graph:
    """Draw the runs that a request's filter wants.

    Args:
        request: The request.
        *others: Names of parameters that are none of the filter's.

    Returns:
        The graph.
    """
    library, caller = site_of(request).library, caller_of(request)
    names = library.names(caller, wanted_of(request.query_params, others=others))
    traces: list[Trace] = []
    events = 0
    for trace, count in names:
        events += count
        if traces and events > MOST_EVENTS:
            break
        try:
            traces.append(library.run(trace, caller).trace)
        except NotFoundError:  # it is in the roster, and its lines are of no kind that is known here
            continue
    notes = [notice] if (notice := library.standing().notice) else []
    if len(traces) < len(names):
        notes.append(f"only the latest {len(traces)} of {len(names)} runs were looked at; narrow them by time or agent")
    return execution_graph(traces, notes=notes)
