"""What people answer to an approval request, in the shape that LangChain's chat interfaces send.

Invariant: anything that is not clearly a yes to this very call is none, and the place of a decision in a list never
matters. Reading an answer never raises, since an error raised after an interrupt would be raised at every later resume.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Discriminator, Field, TypeAdapter, ValidationError

from aisecops_langchain.canonical import digest_text
from aisecops_langchain.domain.grant import GrantRequest
from aisecops_langchain.domain.permit import Binding
from aisecops_langchain.domain.plan import CanonicalCall
from aisecops_langchain.errors import AisecopsError
from aisecops_langchain.runtime.approvals.service import Answer, Approve, Edit, Elsewhere, Reject, Respond
from aisecops_langchain.runtime.grants.bounds import read_wish
from aisecops_langchain.runtime.plans.tasks import Toolbox

_MAX_TEXT: Final = 10_000
_MAX_DECISIONS: Final = 256


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)


class _Decision(_Part):
    call: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    """Digest of the call that the decision is about; left out, it is about the call of this interrupt."""
    approval: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    """Key of the request that the decision is about, which tells even two like calls apart."""

    @property
    def is_named(self) -> bool:
        """Whether it says which call it is about."""
        return self.call is not None or self.approval is not None

    def is_about(self, binding: Binding) -> bool:
        """Whether everything that it names is this call."""
        return self.call in (None, binding.call) and self.approval in (None, binding.approval_key())


class _ApproveDecision(_Decision):
    type: Literal["approve"]
    grant: object = None


class _Action(_Part):
    name: str = Field(max_length=256)
    args: dict[str, object]


class _EditDecision(_Decision):
    type: Literal["edit"]
    edited_action: _Action
    grant: None = None
    """A grant goes with the very call that was shown, never with an edit of it."""


class _RejectDecision(_Decision):
    type: Literal["reject"]
    message: str = Field(default="", max_length=_MAX_TEXT)


class _RespondDecision(_Decision):
    type: Literal["respond"]
    message: str = Field(min_length=1, max_length=_MAX_TEXT)


_AnyDecision = _ApproveDecision | _EditDecision | _RejectDecision | _RespondDecision


class _Response(_Part):
    decisions: list[Annotated[_AnyDecision, Discriminator("type")]] = Field(min_length=1, max_length=_MAX_DECISIONS)


_RESPONSE = TypeAdapter(_Response)


class ReadAnswer(NamedTuple):
    """An answer as understood."""

    answer: Answer
    arguments: Mapping[str, Any] | None = None
    """The arguments of an edit."""
    words: str = ""
    """What the model is to be told, where that is the answer."""


_UNCLEAR: Final = ReadAnswer(Reject("The answer could not be understood, so it counts as a no."))
_TWICE: Final = ReadAnswer(Reject("Two decisions for one call count as a no."))


def read_answer(answer: object, tools: Toolbox, binding: Binding, shown: CanonicalCall) -> ReadAnswer:
    """Understand what a run was resumed with.

    Args:
        answer: Anything: ``{"decisions": [{"type": "approve" | "reject" | "edit" | "respond", ...}]}``. A single
            decision may leave out which call it is about; of several, each names its ``call`` or its ``approval``.
        tools: The tools within reach, to give edited arguments their canonical form.
        binding: The call that was asked about.
        shown: The same call with its arguments.

    Returns:
        The answer to that call.
    """
    try:
        decisions = _RESPONSE.validate_python(answer).decisions
    except (ValidationError, RecursionError):
        return _UNCLEAR
    if len(decisions) > 1 and not all(item.is_named for item in decisions):
        return _UNCLEAR
    mine = [item for item in decisions if item.is_about(binding)]
    if not mine:
        return ReadAnswer(Elsewhere())
    return _read(mine[0], tools, shown) if len(mine) == 1 else _TWICE


def _read(decision: _AnyDecision, tools: Toolbox, shown: CanonicalCall) -> ReadAnswer:
    match decision:
        case _ApproveDecision():
            return _read_yes(decision.grant, shown)
        case _RejectDecision():
            return ReadAnswer(Reject(decision.message))
        case _RespondDecision():
            return ReadAnswer(Respond(digest_text("content", decision.message)), words=decision.message)
        case _EditDecision():
            return _read_edit(decision.edited_action, tools)


def _read_yes(grant: object, shown: CanonicalCall) -> ReadAnswer:
    """Take a yes with what is granted beside it as a whole: where the grant cannot be read, there is no yes."""
    if grant is None:
        return ReadAnswer(Approve())
    try:
        return ReadAnswer(Approve(GrantRequest(wish=read_wish(grant), call=shown)))
    except AisecopsError:
        return ReadAnswer(Reject("The grant beside the yes could not be understood, so the answer counts as a no."))


def _read_edit(action: _Action, tools: Toolbox) -> ReadAnswer:
    tool = tools.get(action.name)
    if tool is None:
        return ReadAnswer(Reject("The edit names a tool that is not within reach."))
    try:
        arguments = tool.canonical_arguments(action.args)
        return ReadAnswer(Edit(CanonicalCall.of(tool.name, arguments)), arguments)
    except AisecopsError:
        return ReadAnswer(Reject("The edited arguments do not fit the tool."))
