"""The approval node: one interrupt for one call, and the answer goes back to the guard.

Invariant: the node asks only about what the guard asked for in the ledger, shows exactly the call that the answer will
be bound to, and never raises once an answer is there.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.types import interrupt

from aisecops_langchain.adapters.answers import read_answer
from aisecops_langchain.adapters.node import GovernanceNode
from aisecops_langchain.adapters.orders import Reading, read_order
from aisecops_langchain.adapters.place import ApproverSource, PrincipalSource
from aisecops_langchain.adapters.state import CHANNEL
from aisecops_langchain.domain.permit import ApprovalState
from aisecops_langchain.domain.principal import Approver
from aisecops_langchain.errors import AisecopsError
from aisecops_langchain.runtime.approvals import Edit
from aisecops_langchain.runtime.governor import Governor
from aisecops_langchain.runtime.recorder import at
from aisecops_langchain.runtime.records import ApprovalRecord
from aisecops_langchain.runtime.tasks import Toolbox

_LOG = logging.getLogger(__name__)

_NOBODY = Approver(id="unidentified", verified=False)


class ApprovalNode(GovernanceNode):
    """Asks a person about one call.

    Args:
        tools: The tools within reach, governed.
        governor: Keeps and records approvals.
        principal: Who acts.
        approver: Tells who answers, from the configuration of the resuming call; without it the answer is recorded
            as coming from somebody unidentified.
    """

    def __init__(
        self,
        tools: Toolbox,
        governor: Governor,
        principal: PrincipalSource,
        *,
        approver: ApproverSource | None = None,
    ) -> None:
        super().__init__(governor, principal)
        self._tools = tools
        self._approver = approver or _unidentified

    def run(self, state: Mapping[str, Any], config: RunnableConfig | None) -> dict[str, Any]:
        """Interrupt for an answer, and keep it."""
        place = self.locate(state, config)
        try:
            reading = read_order(state, self._tools, place.scope, self._governor.pseudonyms)
            record = self._governor.approvals.find(reading.binding.approval_key())
        except AisecopsError as error:
            _LOG.warning("an approval order was dropped: %s", error)
            return {}
        if record is None or record.state is not ApprovalState.PENDING:
            return {}  # nobody asked, or somebody answered: the guard knows what follows
        if record.binding.claims() != reading.binding.claims():
            return self._keep(reading, None, config, state)
        return self._keep(reading, interrupt(_question(reading, record)), config, state)

    def _keep(
        self, reading: Reading, answer: object, config: RunnableConfig | None, order: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Keep an answer; whatever goes wrong here leaves the call unapproved and the thread alive."""
        understood, arguments = read_answer(answer, self._tools)
        try:
            record = self._governor.approvals.answer(reading.binding, understood, self._who(config))
            if isinstance(understood, Edit) and arguments is not None and record.edited_call == understood.call.digest:
                raw, scope = order["call"]["args"], reading.binding.scope
                veiled = self._governor.pseudonyms.veiled_again(reading.call.tool, raw, arguments, scope)
                return {CHANNEL: {"edits": {reading.call_id: veiled}}}
        except AisecopsError as error:
            _LOG.error("an answer could not be kept, the call stays unapproved: %s", error)
            return {}
        return {}

    def _who(self, config: RunnableConfig | None) -> Approver:
        try:
            found = self._approver(config or {})
        except Exception:  # noqa: BLE001 - a user's function; whatever it raises, nobody was identified
            _LOG.exception("the approver could not be told")
            return _NOBODY
        return found if isinstance(found, Approver) else _NOBODY


def _unidentified(_config: RunnableConfig) -> Approver:
    return _NOBODY


def _question(reading: Reading, record: ApprovalRecord) -> dict[str, Any]:
    """Build the payload that agent-chat-ui, deep-agents-ui and Studio show, with our binding beside it."""
    binding = reading.binding
    briefing = record.briefing
    agent, tool = binding.scope.principal.agent, reading.call.tool
    return {
        "action_requests": [
            {
                "name": tool,
                "args": reading.call.arguments(),
                "description": f"{agent} wants to call {tool} (risk: {briefing.risk}).",
            }
        ],
        "review_configs": [{"action_name": tool, "allowed_decisions": ["approve", "edit", "reject"]}],
        "aisecops": {
            **briefing.model_dump(mode="json"),
            "approval": binding.approval_key(),
            "call": binding.call,
            "plan": binding.plan,
            "thread": binding.scope.thread,
            "policy": binding.scope.policy,
            "expires_at": at(record.expires_at).isoformat(),
        },
    }
