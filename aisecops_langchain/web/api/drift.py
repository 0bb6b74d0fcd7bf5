"""Drift: history decided again under another bundle, and one window of time against another.

Invariant: only bundles that the server was started with decide; no bundle comes over the network. What is answered is
what ``aisecops drift`` prints with ``--json``, over the events that the caller may see.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import orjson
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

R = TypeVar("R")


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
    found = _found(request, ("drift", policy.digest), partial(_decide_again, site.library.log, caller, policy))
    return DriftTold(
        log=site.library.standing(),
        policy=name,
        working=found is None,
        unreadable_lines=found.unreadable if found else 0,
        drift=found.report if found else None,
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
    work = partial(_compare, site.library.log, caller, until=until, since=since)
    found = _found(request, ("over_time", until, since), work)
    return OverTimeTold(
        log=site.library.standing(),
        working=found is None,
        unreadable_lines=found.unreadable if found else 0,
        drift=found.report if found else None,
    )


class _Found(NamedTuple, Generic[R]):
    """What was worked out."""

    report: R
    unreadable: int
    """Lines that could not be read."""


def _found(
    request: Request, asked: tuple[Hashable, ...], work: Callable[[tuple[Policy, ...]], _Found[R]]
) -> _Found[R] | None:
    """Ask for what takes long, which also depends on the log, on who asks and on the bundles that decided."""
    site, recorded = site_of(request), site_of(request).recorded()
    key = (*asked, caller_of(request).tenants, site.library.size())
    return site.work.result(key, partial(work, recorded))


def _decide_again(log: Path, caller: Caller, policy: Policy, recorded: tuple[Policy, ...]) -> _Found[DriftReport]:
    machine = TimeMachine([policy], recorded, gather_uses=False)
    scan = Scan(log, frozenset({"decision_made"}))
    for line in _lines(scan, caller):
        machine.add_line(line)
    return _Found(machine.report(), scan.unreadable)


def _compare(
    log: Path, caller: Caller, recorded: tuple[Policy, ...], *, until: datetime, since: datetime
) -> _Found[DriftOverTime]:
    windows = Windows(recorded)
    scan = Scan(log, frozenset({"decision_made", "model_started"}))
    for fields in scan:
        if caller.tenants is None or _tenant(fields) in caller.tenants:
            windows.add(fields)
    return _Found(windows.compare(until, since), scan.unreadable)


def _lines(scan: Scan, caller: Caller) -> Iterator[bytes]:
    """Yield the lines that a caller may see; read as JSON only where that is needed to tell."""
    for line in scan.lines():
        if caller.tenants is None:
            yield line
            continue
        try:
            fields = orjson.loads(line)
        except orjson.JSONDecodeError:
            scan.unreadable += 1
            continue
        if _tenant(fields) in caller.tenants:
            yield line


def _tenant(fields: dict[str, JsonValue]) -> JsonValue:
    who = fields.get("principal")
    return who.get("tenant") if isinstance(who, dict) else None
