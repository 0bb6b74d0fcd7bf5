"""The approval node: one interrupt for one call, and back to the guard, which asks again until the answers suffice.

Invariant: the node asks only about what the guard asked for in the ledger, shows exactly the call that the answer will
be bound to, takes each answer once and under the identity it came with, and never raises once an answer is there. It
interrupts once per execution: the host hands what came last to a second interrupt of the same node as if it were new.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final, Literal

from langchain_core.runnables import RunnableConfig
from langgraph.types import interrupt

from aisecops_langchain.adapters.core.agent_inbox import ask_inbox, read_inbox
from aisecops_langchain.adapters.core.answers import read_answer
from aisecops_langchain.adapters.core.context import sealed
from aisecops_langchain.adapters.core.place import ApproverSource, Place, PrincipalSource
from aisecops_langchain.adapters.nodes.node import GovernanceNode
from aisecops_langchain.adapters.nodes.orders import Reading, read_order
from aisecops_langchain.adapters.state import CHANNEL, MESSAGES
from aisecops_langchain.adapters.translate.answers import error_message
from aisecops_langchain.domain.effects import ResultProfile
from aisecops_langchain.domain.labels import Integrity, SourceKind
from aisecops_langchain.domain.permit import ApprovalState
from aisecops_langchain.domain.principal import Approver
from aisecops_langchain.errors import AisecopsError, ConfigurationError
from aisecops_langchain.runtime.approvals.facts import described, facts_of, takes_one
from aisecops_langchain.runtime.approvals.service import Edit, Reject, Respond
from aisecops_langchain.runtime.governor import Governor
from aisecops_langchain.runtime.ledger.records import ApprovalRecord
from aisecops_langchain.runtime.plans.tasks import Toolbox
from aisecops_langchain.runtime.principals.identity import Identity, IdentityProvider

_LOG = logging.getLogger(__name__)

_NOBODY: Final = Approver(id="unidentified", verified=False)

ApprovalFormat = Literal["hitl", "agent_inbox"]
"""How questions and answers look: as LangChain's human-in-the-loop middleware has them, or the older Agent Inbox."""


class ApprovalNode(GovernanceNode):
    """Asks about one call.

    Args:
        tools: The tools within reach, governed.
        governor: Keeps and records approvals.
        principal: Who acts.
        approver: Tells who answers, from the configuration of the resuming call: an identity provider, or a function.
            Without it the answer is recorded as coming from somebody unidentified; where it is given and fails,
            nobody answered.
        approval_format: How questions and answers look.
        inside: How many graphs of ours lie between the node and the graph that it works for.
    """

    def __init__(
        self,
        tools: Toolbox,
        governor: Governor,
        principal: PrincipalSource,
        *,
        approver: ApproverSource | None = None,
        approval_format: ApprovalFormat = "hitl",
        inside: int = 0,
    ) -> None:
        super().__init__(governor, principal, inside=inside)
        if approval_format not in ("hitl", "agent_inbox"):
            raise ConfigurationError(
                "unknown format of approvals", expected="hitl or agent_inbox", got=str(approval_format)[:40]
            )
        self._tools = tools
        self._approver = approver
        self._inbox = approval_format == "agent_inbox"

    def run(self, state: Mapping[str, Any], config: RunnableConfig | None) -> dict[str, Any]:
        """Interrupt for an answer, and keep it."""
        place = self.locate(state, config)
        try:
            reading = read_order(state, self._tools, place.scope, self._governor.pseudonyms)
            record = self._waiting(reading, config)
            is_new = record is not None and not self._governor.approvals.was_heard(reading.binding, place.task)
        except AisecopsError as error:
            _LOG.warning("an approval order was dropped: %s", error)
            return {}
        if record is None:
            return {}
        question = _question(reading, record)
        answer = interrupt(ask_inbox(question) if self._inbox else question)
        if not is_new or record.state is not ApprovalState.PENDING:
            return {}  # taken before, perhaps from somebody else than who resumes now; or the run only waited
        return self._take(place, reading, answer, config, state)

    def _waiting(self, reading: Reading, config: RunnableConfig | None) -> ApprovalRecord | None:
        """Return the request if an answer to it is waited for here."""
        approvals, binding = self._governor.approvals, reading.binding
        record = approvals.look(binding.approval_key())
        if record is None:
            return None  # nobody asked
        same = binding.same_but_person(record.binding)
        if record.state is ApprovalState.PENDING and not same:  # another policy or place: no answer counts any more
            approvals.take(binding, Reject(), self._who(config))
            return None
        if record.state is ApprovalState.PENDING or (same and binding.claims() != record.binding.claims()):
            return record
        if same:
            approvals.record_answer(record)
        return None  # somebody answered: the guard knows what follows

    def _take(
        self,
        place: Place,
        reading: Reading,
        answer: object,
        config: RunnableConfig | None,
        order: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Take an answer; whatever goes wrong here leaves the call unapproved and the thread alive."""
        read = read_answer(read_inbox(answer) if self._inbox else answer, self._tools, reading.binding, reading.call)
        given = read.answer
        try:
            taken = self._governor.approvals.take(reading.binding, given, self._who(config), heard=place.task)
            record = taken.record
            if taken.refused is not None:
                return {}
            if isinstance(given, Edit) and record.edited_call == given.call.digest:
                raw, edited = order["call"]["args"], read.arguments or {}
                veiled = self._governor.pseudonyms.veiled_again(reading.call.tool, raw, edited, place.scope)
                return {CHANNEL: {"edits": {reading.call_id: veiled}}}
            if isinstance(given, Respond) and record.approver is not None:
                return self._told(place, reading, read.words, record.approver)
        except AisecopsError as error:
            _LOG.error("an answer could not be kept, the call stays unapproved: %s", error)
        return {}

    def _told(self, place: Place, reading: Reading, words: str, approver: Approver) -> dict[str, Any]:
        """Let a person's words to the model in, as content of theirs."""
        trust = ResultProfile(integrity=Integrity.FIRST_PARTY) if approver.verified else None
        admitted = self._governor.admission.admit(
            words, place.scope, kind=SourceKind.APPROVER, name=approver.id, results=trust
        )
        said = f"Not executed. A person answered instead: {admitted.text}"
        message = error_message(reading.call_id, reading.call.tool, said, outcome="refused", code="answered")
        return {
            MESSAGES: [message],
            CHANNEL: {"labels": sealed(self._governor, place, message, admitted.label)},
        }

    def _who(self, config: RunnableConfig | None) -> Approver | None:
        if self._approver is None:
            return _NOBODY
        try:
            if isinstance(self._approver, IdentityProvider):
                found: object = self._approver.identify(config or {})
            else:
                found = self._approver(config or {})
        except Exception:  # noqa: BLE001 - a user's function; whatever it raises, nobody was identified
            _LOG.exception("the approver could not be told")
            return None
        if isinstance(found, Identity):
            return found.approver()
        return found if isinstance(found, Approver) else None


def _question(reading: Reading, record: ApprovalRecord) -> dict[str, Any]:
    """Build the payload that agent-chat-ui, deep-agents-ui and Studio show, with our binding beside it."""
    about = facts_of(record)
    about.pop("arguments")  # they stand in the action
    description = described(record)
    if record.state is not ApprovalState.PENDING:
        who = record.binding.scope.principal.user
        description = f"Answered ({record.state}); the run goes on when it is resumed for {who}.\n{description}"
    decisions = ["approve", "edit", "reject", "respond"] if takes_one(record) else ["approve", "reject", "respond"]
    tool = reading.call.tool
    return {
        "action_requests": [{"name": tool, "args": reading.call.arguments(), "description": description}],
        "review_configs": [{"action_name": tool, "allowed_decisions": decisions}],
        "aisecops": about,
    }
