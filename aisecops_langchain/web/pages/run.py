"""One run, view by view: overview, timeline, graph, arguments, calls.

Invariant: every view is a function of the run's recorded events and of the address. A long run is read beside the page,
which says so and looks again by itself; no view of it grows with its length.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from aisecops_langchain.forensics.diff.within import Verdict
from aisecops_langchain.forensics.graph import NodeKind
from aisecops_langchain.forensics.stages import STAGE_OF, TimelineStage
from aisecops_langchain.web.access import Caller
from aisecops_langchain.web.api.traces import run_of, show_graph
from aisecops_langchain.web.filters import Wanted, single
from aisecops_langchain.web.library import Library
from aisecops_langchain.web.paging import paging_of, part_of
from aisecops_langchain.web.refusals import BadRequestError
from aisecops_langchain.web.shelf import Run
from aisecops_langchain.web.site import caller_of, site_of
from aisecops_langchain.web.tables import graph_members
from aisecops_langchain.web.templating import page
from aisecops_langchain.web.wording import link

LONG: Final = 10_000
"""A run of more events is read beside the page."""
_ROWS: Final = 200
"""Nodes in the table beside the drawing, unless all are asked for."""
_ENTRIES: Final = 200
_CALLS: Final = 100
_GLANCE: Final = 50
"""Rows of each table of the overview."""

_Members = Mapping[str, object]


def run_page(request: Request) -> Response:
    """Show one run."""
    wanted = request.query_params.get("view", "overview")
    view = _VIEWS.get(wanted)
    if view is None:
        raise BadRequestError("there is no such view of a run", expected=", ".join(_VIEWS), got=wanted[:20])
    events = _being_read(request, wanted)
    if events:
        identity = single(request.query_params, "trace")
        return page(request, "run_waiting.html", {"identity": identity, "events": events})
    run = run_of(request)
    template, members = view(request, run)
    summary = site_of(request).library.summary(run, caller_of(request))
    return page(request, template, {"summary": summary, "trace": run.trace.id, **members})


def _being_read(request: Request, view: str) -> int:
    """Have a long run read; returns how many events it has as long as that goes on, else none."""
    site, caller, identity = site_of(request), caller_of(request), single(request.query_params, "trace")
    known = site.library.names(caller, Wanted(traces=(identity,))) if identity else []
    events = known[0][1] if known else 0
    if events <= LONG:
        return 0
    key = ("run", identity, view, caller.tenants, site.library.size())
    return 0 if site.work.result(key, partial(_read, site.library, identity, caller, view)) else events


def _read(library: Library, identity: str, caller: Caller, view: str) -> bool:
    """Read a run, and work out of it what a view takes longest for; both are kept beside it."""
    run = library.run(identity, caller)
    for name in ("summary", *_WORKED_OUT.get(view, ())):
        getattr(run, name)
    return True


def _overview(_: Request, __: Run) -> tuple[str, _Members]:
    return "run.html", {"most": _GLANCE}


def _timeline(request: Request, run: Run) -> tuple[str, _Members]:
    stage = request.query_params.get("stage", "")
    stages = [item.value for item in TimelineStage]
    if stage and stage not in stages:
        raise BadRequestError("there is no such stage", expected=", ".join(stages), got=stage[:20])
    events = [event for event in run.trace.events if not stage or STAGE_OF[event.kind].value == stage]
    part = paging_of(request.query_params, usual=_ENTRIES)
    return "run_timeline.html", {
        "timeline": run.timeline.tell(part_of(events, part)),
        "total": len(events),
        **part,
        "stage": stage,
        "stages": ["", *stages],
        "kept": {"trace": run.trace.id, "view": "timeline", "stage": stage},
    }


def _graph(request: Request, run: Run) -> tuple[str, _Members]:
    graph = show_graph(request).graph
    whole = request.query_params.get("table", "") == "all"
    return "run_graph.html", {
        **graph_members(graph, rows=len(graph.nodes) if whole else _ROWS),
        "graph_url": link("/api/graph", trace=run.trace.id),
        "as_table": "table" in request.query_params,
    }


def _arguments(request: Request, run: Run) -> tuple[str, _Members]:
    part = paging_of(request.query_params, usual=_CALLS)
    return "run_arguments.html", {
        "taint": run.taint.part(**part),
        "nodes": {node.id: node for node in run.graph.nodes if node.kind is NodeKind.SOURCE},
        "total": len(run.taint),
        **part,
        "kept": {"trace": run.trace.id, "view": "arguments"},
    }


def _calls(request: Request, run: Run) -> tuple[str, _Members]:
    verdict = request.query_params.get("verdict", "")
    verdicts = [item.value for item in Verdict]
    if verdict and verdict not in verdicts:
        raise BadRequestError("there is no such verdict", expected=", ".join(verdicts), got=verdict[:20])
    calls = [item for item in run.calls if not verdict or item.verdict.value == verdict]
    part = paging_of(request.query_params, usual=_CALLS)
    counts = Counter(item.verdict.value for item in run.calls)
    return "run_calls.html", {
        "calls": part_of(calls, part),
        "total": len(calls),
        **part,
        "verdict": verdict,
        "counts": {name: counts[name] for name in verdicts if counts[name]},
        "kept": {"trace": run.trace.id, "view": "calls", "verdict": verdict},
    }


_VIEWS: Final[dict[str, Callable[[Request, Run], tuple[str, _Members]]]] = {
    "overview": _overview,
    "timeline": _timeline,
    "graph": _graph,
    "arguments": _arguments,
    "calls": _calls,
}
_WORKED_OUT: Final[Mapping[str, tuple[str, ...]]] = {
    "timeline": ("timeline",),
    "graph": ("graph",),
    "arguments": ("taint",),
    "calls": ("calls",),
}
"""What of a run each view takes longest for, beside the summary on top of it."""
