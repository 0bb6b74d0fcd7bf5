"""Approvals: what waits for a person, and a person's answer.

Invariant: what is told of a request, and what becomes of an answer, is the same as with ``aisecops approvals``; an
answer makes nothing run: the run goes on when whoever holds its thread resumes it.
"""

from __future__ import annotations

from pydantic import Field, JsonValue
from starlette.requests import Request

from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.domain.grant import GrantRequest
from aisecops_langchain.domain.plan import CanonicalCall
from aisecops_langchain.errors import GrantError
from aisecops_langchain.runtime.approvals.answers import Approve, Reject
from aisecops_langchain.runtime.approvals.facts import facts_of
from aisecops_langchain.runtime.grants.bounds import read_wish
from aisecops_langchain.runtime.ledger.records import ApprovalRecord
from aisecops_langchain.web.answers import Told
from aisecops_langchain.web.desk import Desk
from aisecops_langchain.web.paging import paging_of
from aisecops_langchain.web.refusals import BadRequestError, ConflictError, NotFoundError
from aisecops_langchain.web.site import caller_of, site_of

MOST_REASON = 500


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
    reason: str = Field(default="", max_length=MOST_REASON)
    """Why, for the record; the model is not told."""
    grant: dict[str, JsonValue] | None = None
    """What later calls like it may do without asking, as ``grant`` of an answer behind an interrupt. All of the answer
    counts, or nothing."""


class Rejection(Frozen):
    """A no."""

    call: str | None = Field(default=None, min_length=1, max_length=200)
    """Digest of the call that the person saw; if it is given, an answer to another one is refused."""
    reason: str = Field(default="", max_length=MOST_REASON)
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
    asked = _asked(request, body.call)
    answer = Approve(None if body.grant is None else _granting(body.grant, asked), body.reason)
    return _told(request, desk_of(request).answer(request.path_params["key"], answer, caller_of(request)))


def reject(request: Request, body: Rejection) -> ApprovalTold:
    """Say no to the call of a request."""
    if body.call is not None:
        _asked(request, body.call)
    return _told(request, desk_of(request).answer(request.path_params["key"], Reject(body.reason), caller_of(request)))


def _asked(request: Request, call: str) -> ApprovalRecord:
    """Return the request that is answered, if it is about the call that the person saw."""
    asked = desk_of(request).request(request.path_params["key"], caller_of(request))
    if asked.binding.call != call:
        raise BadRequestError("the answer names another call", expected="the digest under call of this request")
    return asked


def _granting(wish: dict[str, JsonValue], asked: ApprovalRecord) -> GrantRequest:
    """Read what is asked for beside a yes; whether policy permits it is decided where the answer is taken."""
    try:
        read = read_wish(wish)
    except GrantError as error:
        raise BadRequestError(error.message, expected=error.expected, got=error.got) from None
    if asked.briefing.arguments is None:
        raise ConflictError("the request is not open any more", got=asked.state.value)
    return GrantRequest(wish=read, call=CanonicalCall.of(asked.binding.tool, asked.briefing.arguments))


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
