"""The table of endpoints.

Invariant: every endpoint under ``/api/`` stands here once, with all that it takes and answers; the description of the
API and its routes are both made from it. Only the stream of live updates and the description itself stand beside it.
"""

from __future__ import annotations

from typing import Any, Final

from aisecops_langchain.domain.decision import Effect
from aisecops_langchain.domain.labels import Integrity
from aisecops_langchain.forensics.outcome import Outcome
from aisecops_langchain.web.api import approvals, compare, drift, measuring, reach, traces
from aisecops_langchain.web.api.whoami import WhoTold, show_caller
from aisecops_langchain.web.endpoints import Acting, Endpoint, Parameter, Reading
from aisecops_langchain.web.paging import MOST

_TEXT: Final[dict[str, Any]] = {"type": "string", "maxLength": 500}
_TIME: Final[dict[str, Any]] = {"type": "string", "format": "date-time"}
_NUMBER: Final[dict[str, Any]] = {"type": "integer", "minimum": 0}


def _one_of(values: type[Effect | Integrity | Outcome]) -> dict[str, Any]:
    return {"type": "string", "enum": [item.value for item in values]}


_FILTER: Final = (
    Parameter("since", "Runs that began then or later.", _TIME),
    Parameter("until", "Runs that began before then.", _TIME),
    Parameter("text", "Words that stand somewhere in the lines of the run.", _TEXT),
    Parameter("agent", "Agents that acted in the run.", _TEXT, many=True),
    Parameter("user", "Users on whose behalf they acted.", _TEXT, many=True),
    Parameter("tenant", "Organisations that the run touches.", _TEXT, many=True),
    Parameter("tool", "Tools that calls were decided for.", _TEXT, many=True),
    Parameter("trust", "Integrity of content in the run.", _one_of(Integrity), many=True),
    Parameter("finding", "Categories of what was found in content.", _TEXT, many=True),
    Parameter("decision", "Effects of decisions.", _one_of(Effect), many=True),
    Parameter("outcome", "How the run ended.", _one_of(Outcome), many=True),
    Parameter("source", "Sources of content, as door:name.", _TEXT, many=True),
)

_NARROW: Final = tuple(parameter for parameter in _FILTER if parameter.name != "source")


def _paging(most: int = MOST) -> tuple[Parameter, ...]:
    limit = {"type": "integer", "minimum": 1, "maximum": most}
    return Parameter("offset", "How many to leave out.", _NUMBER), Parameter("limit", "How many to give.", limit)


_RUN: Final = Parameter("trace", "The run.", _TEXT, required=True)

ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    Reading("/api/traces", "Runs, the latest first.", traces.TracesTold, traces.list_traces, (*_FILTER, *_paging())),
    Reading("/api/facets", "Values to narrow runs by.", traces.FacetsTold, traces.list_facets, _FILTER),
    Reading("/api/summary", "One run at a glance.", traces.SummaryTold, traces.show_summary, (_RUN,)),
    Reading(
        "/api/timeline",
        "One run event by event.",
        traces.TimelineTold,
        traces.show_timeline,
        (_RUN, *_paging(traces.MOST_ENTRIES)),
    ),
    Reading(
        "/api/graph",
        "What followed from what in one run and in those that belong to it.",
        traces.GraphTold,
        traces.show_graph,
        (_RUN, Parameter("limit", "Most nodes.", {"type": "integer", "minimum": 1, "maximum": traces.MOST_NODES})),
    ),
    Reading(
        "/api/event",
        "One event as it stands in the log, and what vouches for it.",
        traces.EventTold,
        traces.show_event,
        (_RUN, Parameter("event", "The event.", _TEXT, required=True)),
    ),
    Reading(
        "/api/diff",
        "What was planned, decided and executed.",
        compare.WithinTold,
        compare.compare_one,
        (_RUN, *_paging(traces.MOST_ENTRIES)),
    ),
    Reading(
        "/api/compare",
        "One run against another.",
        compare.DiffTold,
        compare.compare_two,
        (
            Parameter("first", "A run.", _TEXT, required=True),
            Parameter("second", "Another one.", _TEXT, required=True),
        ),
    ),
    Reading(
        "/api/blast-radius",
        "Everything that a source touched.",
        reach.RadiusTold,
        reach.show_radius,
        (
            Parameter("source", "The source: its name, door:name or digits of its digest.", _TEXT, required=True),
            *_NARROW,
        ),
    ),
    Reading(
        "/api/origin",
        "Everything that an effect followed from.",
        reach.OriginsTold,
        reach.show_origins,
        (Parameter("effect", "The effect: a tool's name, a call id or an event's id.", _TEXT, required=True), *_FILTER),
    ),
    Reading("/api/measures", "The measures of governance.", measuring.MeasuresTold, measuring.show_measures, _FILTER),
    Reading("/api/verify", "How the log verified last.", measuring.VerifyTold, measuring.show_verification),
    Reading("/api/policies", "The bundles at hand.", drift.BundlesTold, drift.list_bundles),
    Reading(
        "/api/drift",
        "History decided again under a bundle at hand.",
        drift.DriftTold,
        drift.show_drift,
        (Parameter("policy", "Name of the bundle.", _TEXT, required=True),),
    ),
    Reading(
        "/api/drift/over-time",
        "One window of time against another.",
        drift.OverTimeTold,
        drift.show_over_time,
        (
            Parameter("before", "The earlier window ends here.", _TIME),
            Parameter("after", "The later window begins here.", _TIME),
        ),
    ),
    Reading(
        "/api/approvals",
        "Requests for approval, the earliest first.",
        approvals.ApprovalsTold,
        approvals.list_approvals,
        (
            Parameter("state", "Those that wait, or all.", {"type": "string", "enum": ["pending", "all"]}),
            *_paging(),
        ),
    ),
    Reading("/api/approvals/{key}", "One request.", approvals.ApprovalTold, approvals.show_approval),
    Acting(
        "/api/approvals/{key}/approve",
        "Say yes to exactly the call that was shown, and perhaps to later ones like it.",
        approvals.Approval,
        approvals.ApprovalTold,
        approvals.approve,
    ),
    Acting("/api/approvals/{key}/reject", "Say no.", approvals.Rejection, approvals.ApprovalTold, approvals.reject),
    Reading("/api/me", "Who asks, and what they may do.", WhoTold, show_caller),
)
