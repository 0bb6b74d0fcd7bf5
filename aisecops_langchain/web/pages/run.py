"""One run, view by view: overview, timeline, graph, arguments, calls.

Invariant: every view is a function of the run's recorded events and of the address.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from aisecops_langchain.forensics.diff import compare_within
from aisecops_langchain.forensics.graph import NodeKind, execution_graph, taint_of
from aisecops_langchain.forensics.stages import TimelineStage
from aisecops_langchain.forensics.summary import summarize
from aisecops_langchain.forensics.timeline import timeline
from aisecops_langchain.forensics.trace import Trace
from aisecops_langchain.web.api.traces import run_of, show_graph
from aisecops_langchain.web.paging import paging_of
from aisecops_langchain.web.refusals import BadRequestError
from aisecops_langchain.web.site import caller_of, site_of
from aisecops_langchain.web.tables import graph_members
from aisecops_langchain.web.templating import page
from aisecops_langchain.web.wording import link

_ROWS: Final = 200
"""Nodes in the table beside the drawing, unless all are asked for."""
_ENTRIES: Final = 200


def run_page(request: Request) -> Response:
    """Show one run."""
    trace = run_of(request).trace
    wanted = request.query_params.get("view", "overview")
    view = _VIEWS.get(wanted)
    if view is None:
        raise BadRequestError("there is no such view of a run", expected=", ".join(_VIEWS), got=wanted[:20])
    template, members = view(request, trace)
    delegations = site_of(request).library.delegations(trace.id, caller_of(request))
    return page(request, template, {"summary": summarize(trace, delegations), "trace": trace.id, **members})


def _overview(_: Request, __: Trace) -> tuple[str, Mapping[str, object]]:
    return "run.html", {}


def _timeline(request: Request, trace: Trace) -> tuple[str, Mapping[str, object]]:
    stage = request.query_params.get("stage", "")
    stages = [item.value for item in TimelineStage]
    if stage and stage not in stages:
        raise BadRequestError("there is no such stage", expected=", ".join(stages), got=stage[:20])
    entries = [entry for entry in timeline(trace) if not stage or entry.stage.value == stage]
    part = paging_of(request.query_params, usual=_ENTRIES)
    return "run_timeline.html", {
        "timeline": entries[part["offset"] : part["offset"] + part["limit"]],
        "total": len(entries),
        **part,
        "stage": stage,
        "stages": ["", *stages],
        "kept": {"trace": trace.id, "view": "timeline", "stage": stage},
    }


def _graph(request: Request, trace: Trace) -> tuple[str, Mapping[str, object]]:
    graph = show_graph(request).graph
    whole = request.query_params.get("table", "") == "all"
    return "run_graph.html", {
        **graph_members(graph, rows=len(graph.nodes) if whole else _ROWS),
        "graph_url": link("/api/graph", trace=trace.id),
        "as_table": "table" in request.query_params,
    }


def _arguments(_: Request, trace: Trace) -> tuple[str, Mapping[str, object]]:
    graph = execution_graph([trace])
    nodes = {node.id: node for node in graph.nodes if node.kind is NodeKind.SOURCE}
    return "run_arguments.html", {"taint": taint_of(graph), "nodes": nodes}


def _calls(_: Request, trace: Trace) -> tuple[str, Mapping[str, object]]:
    return "run_calls.html", {"calls": compare_within(trace)}


_VIEWS: Final[dict[str, Callable[[Request, Trace], tuple[str, Mapping[str, object]]]]] = {
    "overview": _overview,
    "timeline": _timeline,
    "graph": _graph,
    "arguments": _arguments,
    "calls": _calls,
}
