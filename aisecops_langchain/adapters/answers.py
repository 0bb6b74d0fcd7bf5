"""What people answer to an approval request, in the shape that LangChain's chat interfaces send.

Invariant: anything that is not clearly a yes is a no. Reading an answer never raises, since an error raised after an
interrupt would be raised again at every later resume.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, TypeAdapter, ValidationError

from aisecops_langchain.domain.grant import GrantRequest
from aisecops_langchain.domain.plan import CanonicalCall
from aisecops_langchain.errors import AisecopsError
from aisecops_langchain.runtime.approvals import Answer, Approve, Edit, Reject
from aisecops_langchain.runtime.grant_bounds import read_wish
from aisecops_langchain.runtime.tasks import Toolbox

_MAX_TEXT = 10_000


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)


class _ApproveDecision(_Part):
    type: Literal["approve"]
    grant: object = None


class _Action(_Part):
    name: str = Field(max_length=256)
    args: dict[str, object]


class _EditDecision(_Part):
    type: Literal["edit"]
    edited_action: _Action
    grant: None = None
    """A grant goes with the very call that was shown, never with an edit of it."""


class _RejectDecision(_Part):
    type: Literal["reject"]
    message: str = Field(default="", max_length=_MAX_TEXT)


class _Response(_Part):
    decisions: list[Annotated[_ApproveDecision | _EditDecision | _RejectDecision, Discriminator("type")]] = Field(
        min_length=1, max_length=1
    )


_RESPONSE = TypeAdapter(_Response)


def read_answer(answer: object, tools: Toolbox, shown: CanonicalCall) -> tuple[Answer, Mapping[str, object] | None]:
    """Understand what a run was resumed with.

    Args:
        answer: Anything: ``{"decisions": [{"type": "approve" | "reject" | "edit", ...}]}`` with exactly one decision.
        tools: The tools within reach, to give edited arguments their canonical form.
        shown: The call that was asked about.

    Returns:
        The answer, and the edited arguments where there are any.
    """
    try:
        decision = _RESPONSE.validate_python(answer).decisions[0]
    except (ValidationError, RecursionError):
        return Reject("The answer could not be understood, so it counts as a no."), None
    if isinstance(decision, _ApproveDecision):
        return _approve(decision.grant, shown), None
    if isinstance(decision, _RejectDecision):
        return Reject(decision.message), None
    action = decision.edited_action
    tool = tools.get(action.name)
    if tool is None:
        return Reject("The edit names a tool that is not within reach."), None
    try:
        arguments = tool.canonical_arguments(action.args)
        return Edit(CanonicalCall.of(tool.name, arguments)), arguments
    except AisecopsError:
        return Reject("The edited arguments do not fit the tool."), None


def _approve(grant: object, shown: CanonicalCall) -> Answer:
    """Take a yes with what is granted beside it as a whole: where the grant cannot be read, there is no yes."""
    if grant is None:
        return Approve()
    try:
        return Approve(GrantRequest(wish=read_wish(grant), call=shown))
    except AisecopsError:
        return Reject("The grant beside the yes could not be understood, so the answer counts as a no.")
