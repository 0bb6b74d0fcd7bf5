"""Approvals: what waits for a person, one request with all that an answer should rest on, and the answer.

Invariant: an answer goes the way of the API, with the same proof that it was meant; it names the call that is shown.
"""

from __future__ import annotations

from typing import Final

from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from aisecops_langchain.runtime.approvals.looks import REASONS
from aisecops_langchain.web.access import Role
from aisecops_langchain.web.api.approvals import (
    Approval,
    Rejection,
    approve,
    list_approvals,
    reject,
    show_approval,
)
from aisecops_langchain.web.csrf import check_meant, check_role
from aisecops_langchain.web.forms import form_of
from aisecops_langchain.web.grant_form import offer_of, wish_of
from aisecops_langchain.web.refusals import BadRequestError, ConflictError
from aisecops_langchain.web.site import caller_of, site_of
from aisecops_langchain.web.templating import page
from aisecops_langchain.web.wording import link

_ANSWERS: Final = ("approve", "grant", "reject")


def approvals_page(request: Request) -> Response:
    """List the requests."""
    if site_of(request).desk is None:
        return page(request, "approvals.html", {"found": None, "everything": False})
    told = list_approvals(request)
    everything = request.query_params.get("state") == "all"
    members = {"found": told.approvals, "total": told.total, "offset": told.offset, "limit": told.limit}
    kept = {"state": "all" if everything else ""}
    return page(request, "approvals.html", {**members, "everything": everything, "kept": kept})


def approval_page(request: Request) -> Response:
    """Show one request."""
    return _shown(request)


async def answer_page(request: Request) -> Response:
    """Take an answer, and show the request as it stands then."""
    form = await form_of(request)
    check_role(request)
    check_meant(request, given=form.get("csrf", ""))
    return await run_in_threadpool(_answered, request, form)


def _answered(request: Request, form: dict[str, str]) -> Response:
    try:
        _take(request, form)
    except (BadRequestError, ConflictError) as refused:
        told = ": ".join(
            filter(None, (refused.message, refused.got, refused.expected and f"expected {refused.expected}"))
        )
        return _shown(request, told=told, status=refused.status)
    return RedirectResponse(link(request.url.path), status_code=303)


def _take(request: Request, form: dict[str, str]) -> None:
    answer = form.get("answer", "")
    if answer not in _ANSWERS:
        raise BadRequestError("the answer makes no sense", expected=" or ".join(_ANSWERS), got=answer[:20])
    try:
        call, reason = form.get("call", ""), form.get("reason", "").strip()
        if answer == "reject":
            reject(request, Rejection(call=call, reason=reason))
        else:
            grant = wish_of(form) if answer == "grant" else None
            approve(request, Approval(call=call, reason=reason, grant=grant))
    except ValidationError:
        raise BadRequestError("the answer makes no sense", expected="the fields of the form, of their length") from None


def _shown(request: Request, *, told: str = "", status: int = 200) -> Response:
    item = show_approval(request).approval
    provenance = item["provenance"]
    origins = (
        {origin["argument"]: origin for origin in provenance if isinstance(origin, dict)}
        if isinstance(provenance, list)
        else {}
    )
    may_answer = caller_of(request).role is Role.APPROVER
    members = {
        "item": item,
        "origins": origins,
        "may_answer": may_answer,
        "told": told,
        "reasons": REASONS,
        "offer": offer_of(item),
    }
    return page(request, "approval.html", members, status=status)
