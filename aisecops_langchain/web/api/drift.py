"""Drift: history decided again under another bundle, and one window of time against another.

Invariant: only bundles that the server was started with decide; no bundle comes over the network. What is answered is
what ``aisecops drift`` prints with ``--json``, over the events that the caller may see.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from pathlib import Path

from starlette.requests import Request

from aisecops_langchain.audit.scan import Scan
from aisecops_langchain.canonical import JsonValue
from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.forensics.drift import DriftReport, TimeMachine
from aisecops_langchain.forensics.drift.over_time import DriftOverTime, Windows
from aisecops_langchain.policy import Policy
from aisecops_langchain.web.access import Caller
from aisecops_langchain.web.answers import Told
from aisecops_langchain.web.filters import moment_of, single
from aisecops_langchain.web.refusals import BadRequestError, NotFoundError
from aisecops_langchain.web.site import caller_of, site_of


class Bundle(Frozen):
    """A bundle at hand."""

    name: str
    digest: str


class BundlesTold(Told):
    """The bundles at hand."""

    policies: tuple[Bundle, ...]


class DriftTold(Told):
    """History under another bundle."""

    policy: str
    working: bool
    """Whether it is still being worked out; ask again."""
    unreadable_lines: int
    drift: DriftReport | None


class OverTimeTold(Told):
    """One window of time against another."""

    working: bool
    unreadable_lines: int
    drift: DriftOverTime | None


def list_bundles(request: Request) -> BundlesTold:
    """List the bundles at hand."""
    site = site_of(request)
    found = tuple(Bundle(name=name, digest=policy.digest) for name, policy in sorted(site.policies.items()))
    return BundlesTold(log=site.library.standing(), policies=found)


def show_drift(request: Request) -> DriftTold:
    """Decide history again under one of the bundles at hand."""
    site, caller = site_of(request), caller_of(request)
    name = single(request.query_params, "policy")
    policy = site.policies.get(name)
    if policy is None:
        raise NotFoundError("there is no such bundle", expected="a name that /api/policies lists", got=name[:40])
    key = ("drift", policy.digest, caller.tenants, site.library.size())
    recorded = site.recorded()
    found = site.work.result(key, partial(_decide_again, site.library.log, caller, policy, recorded))
    report, unreadable = found if found is not None else (None, 0)
    return DriftTold(
        log=site.library.standing(), policy=name, working=found is None, unreadable_lines=unreadable, drift=report
    )


def show_over_time(request: Request) -> OverTimeTold:
    """Compare the runs that began before one moment with those that began after another."""
    site, caller = site_of(request), caller_of(request)
    before, after = (single(request.query_params, name) for name in ("before", "after"))
    if not (before or after):
        raise BadRequestError("no window is named", expected="before or after, or both, as ISO 8601")
    until, since = moment_of(before or after, "before"), moment_of(after or before, "after")
    if since < until:
        raise BadRequestError("the windows overlap", expected="after no earlier than before")
    key = ("over_time", until, since, caller.tenants, site.library.size())
    recorded = site.recorded()
    found = site.work.result(key, partial(_compare, site.library.log, caller, recorded, until=until, since=since))
    report, unreadable = found if found is not None else (None, 0)
    return OverTimeTold(log=site.library.standing(), working=found is None, unreadable_lines=unreadable, drift=report)


def _decide_again(log: Path, caller: Caller, policy: Policy, recorded: tuple[Policy, ...]) -> tuple[DriftReport, int]:
    machine = TimeMachine([policy], recorded)
    scan = Scan(log, frozenset({"decision_made"}))
    for fields in _visible(scan, caller):
        machine.add(fields)
    return machine.report(), scan.unreadable


def _compare(
    log: Path, caller: Caller, recorded: tuple[Policy, ...], *, until: datetime, since: datetime
) -> tuple[DriftOverTime, int]:
    windows = Windows(recorded)
    scan = Scan(log, frozenset({"decision_made", "model_started"}))
    for fields in _visible(scan, caller):
        windows.add(fields)
    return windows.compare(until, since), scan.unreadable


def _visible(scan: Scan, caller: Caller) -> Iterator[dict[str, JsonValue]]:
    for fields in scan:
        who = fields.get("principal")
        tenant = who.get("tenant") if isinstance(who, dict) else None
        if caller.tenants is None or tenant in caller.tenants:
            yield fields
