"""Runs: the list, and what one run did.

Invariant: what is answered is what ``aisecops replay`` prints with ``--json``, for a run that the caller may see.
"""

from __future__ import annotations

from starlette.requests import Request

from aisecops_langchain.forensics.evidence.line_proof import LineProof, prove_line
from aisecops_langchain.forensics.graph import Graph, cut, execution_graph
from aisecops_langchain.forensics.roster import RunRow
from aisecops_langchain.forensics.summary import Summary
from aisecops_langchain.forensics.timeline import TimelineEntry
from aisecops_langchain.web.answers import Told
from aisecops_langchain.web.filters import single, wanted_of
from aisecops_langchain.web.paging import PAGING, number_of, paging_of, part_of
from aisecops_langchain.web.refusals import BadRequestError, NotFoundError
from aisecops_langchain.web.shelf import Run
from aisecops_langchain.web.site import caller_of, site_of

USUAL_NODES = 2_000
MOST_NODES = 20_000
USUAL_ENTRIES = 500
MOST_ENTRIES = 5_000


class TracesTold(Told):
    """A page of the list of runs."""

    traces: tuple[RunRow, ...]
    """The latest first."""
    total: int
    """How many there are on all pages."""
    offset: int
    limit: int
    behind_bytes: int
    """Bytes of the log that were not read yet; the runs in them are missing."""


class FacetsTold(Told):
    """By which values runs can be narrowed."""

    facets: dict[str, dict[str, int]]
    """By facet: the commonest values, and how many runs have each."""


class SummaryTold(Told):
    """One run at a glance."""

    summary: Summary


class TimelineTold(Told):
    """A part of one run, event by event."""

    trace: str
    timeline: tuple[TimelineEntry, ...]
    total: int
    offset: int
    limit: int


class GraphTold(Told):
    """What followed from what in one run, and in the runs that belong to it by delegation."""

    graph: Graph


class EventTold(Told):
    """One event as it stands in the log, and what vouches for it."""

    trace: str
    event: str
    raw: str
    """The exact line; bytes that are no UTF-8 are shown as the replacement character."""
    proof: LineProof
    holds: bool
    """Whether chain and signature vouch for the line."""


def list_traces(request: Request) -> TracesTold:
    """List runs, the latest first."""
    library = site_of(request).library
    wanted = wanted_of(request.query_params, others=PAGING)
    found = library.runs(caller_of(request), wanted, **paging_of(request.query_params))
    return TracesTold(
        log=library.standing(),
        traces=found.runs,
        total=found.total,
        offset=found.offset,
        limit=found.limit,
        behind_bytes=found.behind_bytes,
    )


def list_facets(request: Request) -> FacetsTold:
    """Say by which values runs can be narrowed."""
    library = site_of(request).library
    found = library.facets(caller_of(request), wanted_of(request.query_params))
    return FacetsTold(log=library.standing(), facets=found)


def run_of(request: Request, name: str = "trace") -> Run:
    """Read the run that a request names; ids stand in parameters, since one may hold what a path would take apart.

    A request reads a run once, so that all it answers is about one state of the log.

    Args:
        request: The request.
        name: The parameter that names it.

    Returns:
        The run.

    Raises:
        BadRequestError: If none is named.
        NotFoundError: If there is none, or none that the caller may see.
    """
    identity = single(request.query_params, name)
    if not identity:
        raise BadRequestError(f"parameter {name} is missing", expected="the id of a run")
    read: dict[str, Run] = request.scope.setdefault("aisecops.runs", {})
    if identity not in read:
        read[identity] = site_of(request).library.run(identity, caller_of(request))
    return read[identity]


def show_summary(request: Request) -> SummaryTold:
    """Sum up one run."""
    library, run = site_of(request).library, run_of(request)
    return SummaryTold(log=library.standing(), summary=library.summary(run, caller_of(request)))


def show_timeline(request: Request) -> TimelineTold:
    """Tell one run event by event."""
    library, run = site_of(request).library, run_of(request)
    events, part = run.trace.events, paging_of(request.query_params, usual=USUAL_ENTRIES, most=MOST_ENTRIES)
    return TimelineTold(
        log=library.standing(),
        trace=run.trace.id,
        timeline=run.timeline.tell(part_of(events, part)),
        total=len(events),
        **part,
    )


def show_graph(request: Request) -> GraphTold:
    """Draw what followed from what in one run and in those that belong to it by delegation."""
    library, run, log = site_of(request).library, run_of(request), site_of(request).library.standing()
    limit = number_of(request.query_params, "limit", usual=USUAL_NODES, least=1, most=MOST_NODES)
    others = [item.trace for item in library.relatives(run.trace.id, caller_of(request))]
    graph = execution_graph([run.trace, *others]) if others else run.graph
    noted = graph.model_copy(update={"notes": (log.notice, *graph.notes)}) if log.notice else graph
    return GraphTold(log=log, graph=cut(noted, limit))


def show_event(request: Request) -> EventTold:
    """Show one event as it stands in the log, and what vouches for it."""
    library, run, event = site_of(request).library, run_of(request), single(request.query_params, "event")
    place = run.places.get(event)
    if place is None:
        raise NotFoundError("the run has no such event", expected="the id of an event of this run")
    proof = prove_line(library.log, segment=place.segment, offset=place.offset, public_keys=library.public_keys)
    return EventTold(
        log=library.standing(),
        trace=run.trace.id,
        event=event,
        raw=place.data.decode("utf-8", "replace"),
        proof=proof,
        holds=proof.holds,
    )
