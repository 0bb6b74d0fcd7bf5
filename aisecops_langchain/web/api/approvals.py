"""Approvals: what waits for a person, and a person's answer.

Invariant: what is told of a request, and what becomes of an answer, is the same as with ``aisecops approvals``; an
answer makes nothing run: the run goes on when whoever holds its thread resumes it.
"""

from __future__ import annotations

from pydantic import Field, JsonValue
from starlette.requests import Request

from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.runtime.approvals.answers import Approve, Reject
from aisecops_langchain.runtime.approvals.facts import facts_of
from aisecops_langchain.runtime.ledger.records import ApprovalRecord
from aisecops_langchain.web.answers import Told
from aisecops_langchain.web.desk import Desk
from aisecops_langchain.web.paging import paging_of
from aisecops_langchain.web.refusals import BadRequestError, NotFoundError
from aisecops_langchain.web.site import caller_of, site_of


class ApprovalsTold(Told):
    """A page of the requests."""

    approvals: tuple[dict[str, JsonValue], ...]
    """The earliest first; as ``aisecops approvals list --json`` prints them."""
    total: int
    offset: int
    limit: int


class ApprovalTold(Told):
    """One request."""

    approval: dict[str, JsonValue]


class Approval(Frozen):
    """A yes to exactly the call that was shown."""

    call: str = Field(min_length=1, max_length=200)
    """Digest of the call that the person saw; an answer to another one is refused."""


class Rejection(Frozen):
    """A no."""

    reason: str = Field(default="", max_length=500)
    """Why, for the record; the model is not told."""


def list_approvals(request: Request) -> ApprovalsTold:
    """List requests, the earliest first."""
    part = paging_of(request.query_params)
    found = requests_of(request)
    shown = found[part["offset"] : part["offset"] + part["limit"]]
    return ApprovalsTold(
        log=site_of(request).library.standing(),
        approvals=tuple(facts_of(record) for record in shown),
        total=len(found),
        **part,
    )


def requests_of(request: Request) -> list[ApprovalRecord]:
    """List the requests that a request's ``state`` wants: ``pending``, unless it says ``all``."""
    state = request.query_params.get("state") or "pending"
    if state not in ("pending", "all"):
        raise BadRequestError("parameter state makes no sense", expected="pending or all", got=state[:40])
    return desk_of(request).requests(caller_of(request), everything=state == "all")


def show_approval(request: Request) -> ApprovalTold:
    """Show one request."""
    record = desk_of(request).request(request.path_params["key"], caller_of(request))
    return _told(request, record)


def approve(request: Request, body: Approval) -> ApprovalTold:
    """Say yes to the call of a request."""
    desk, caller, key = desk_of(request), caller_of(request), request.path_params["key"]
    asked = desk.request(key, caller)
    if asked.binding.call != body.call:
        raise BadRequestError("the answer names another call", expected="the digest under call of this request")
    return _told(request, desk.answer(key, Approve(), caller))


def reject(request: Request, body: Rejection) -> ApprovalTold:
    """Say no to the call of a request."""
    return _told(request, desk_of(request).answer(request.path_params["key"], Reject(body.reason), caller_of(request)))


def desk_of(request: Request) -> Desk:
    """Return where approvals are answered.

    Args:
        request: The request.

    Returns:
        The desk.

    Raises:
        NotFoundError: If only a log is served.
    """
    desk = site_of(request).desk
    if desk is None:
        raise NotFoundError("no approvals are served here", remedy="start the server with --home")
    return desk


def _told(request: Request, record: ApprovalRecord) -> ApprovalTold:
    return ApprovalTold(log=site_of(request).library.standing(), approval=facts_of(record))
