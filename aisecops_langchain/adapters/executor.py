"""The executor node: the only place where a governed tool runs, one call at a time, under a permit.

Invariant: nothing read from state is believed. The node computes what it is about to run, uses up the permit for
exactly that in the ledger, and only then hands the same canonical arguments to the tool.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from langchain_core.messages import BaseMessage, ToolCall, ToolMessage, convert_to_messages
from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphBubbleUp
from langgraph.types import Command

from aisecops_langchain.adapters.acting import Acting, acting, recipient_of
from aisecops_langchain.adapters.context import sealed
from aisecops_langchain.adapters.delegation import carried
from aisecops_langchain.adapters.host_tools import has_coroutine, tool_node
from aisecops_langchain.adapters.keys import hide_keys, require_key
from aisecops_langchain.adapters.node import GovernanceNode, mapping_of
from aisecops_langchain.adapters.orders import Reading, read_order
from aisecops_langchain.adapters.place import Place, PrincipalSource, traced
from aisecops_langchain.adapters.state import CHANNEL, MESSAGES
from aisecops_langchain.adapters.store import with_governed_store
from aisecops_langchain.adapters.tools import GovernedTool
from aisecops_langchain.adapters.translate import (
    error_message,
    refusal,
    structure_of,
    text_of,
    uninspected_in,
    with_text,
)
from aisecops_langchain.canonical import digest_text
from aisecops_langchain.domain.decision import Obligation
from aisecops_langchain.domain.effects import ResultProfile
from aisecops_langchain.domain.labels import NEUTRAL, Label, SourceKind, join_all
from aisecops_langchain.errors import AisecopsError, PermitError, SanitizeError
from aisecops_langchain.provenance import UNKNOWN_SENDER, FieldValue, SealedLabel, fields_of, only_values
from aisecops_langchain.runtime.carrier import UNRECORDED, Carrier, NotReturned, Returned
from aisecops_langchain.runtime.governor import Governor
from aisecops_langchain.runtime.running import Running
from aisecops_langchain.runtime.terms import Terms
from aisecops_langchain.runtime.waiting import undisturbed

_LOG = logging.getLogger(__name__)

_READ_STATE: Final = "__pregel_read_state"
"""Where LangGraph (1.2.24 on) lets tools read state as far as this node's input schema shows it, and that is an order;
without it, a tool that wants state is given all of it."""


@dataclass(frozen=True, slots=True)
class _Started:
    """A call that may run now."""

    place: Place
    reading: Reading
    tool: GovernedTool
    terms: Terms
    running: Running
    read: list[Label] = field(default_factory=list)
    """Labels of what the tool reads from memory."""


class ExecutorNode(GovernanceNode):
    """Runs permitted calls through LangGraph's ``ToolNode``.

    Args:
        tools: The governed tools.
        governor: Uses permits up, records intents and outcomes, inspects results.
        principal: Who acts.
    """

    def __init__(self, tools: Mapping[str, GovernedTool], governor: Governor, principal: PrincipalSource) -> None:
        super().__init__(governor, principal)
        hide_keys(governor, tools)
        self._tools = tools
        self._node = tool_node([tool.tool for tool in tools.values()])
        self._carrier = Carrier(governor.execution, pauses=(GraphBubbleUp,))

    def run(self, state: Mapping[str, Any], config: RunnableConfig | None) -> Any:
        """Run one call, if its permit lets it."""
        started = self._begin(state, config)
        if not isinstance(started, _Started):
            return started
        given, for_tools = [self._tool_call(started)], self._for_tools(config, started.place)
        with acting(self._acting(started)):
            ended = self._carrier.run(started.running, started.terms, lambda: self._node.invoke(given, for_tools))
        return self._account(started, ended)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002, ARG002
        """Run one call on the event loop; the accounting runs in worker threads."""
        started = await undisturbed(lambda: self._begin(mapping_of(input), config), undo=self._never_called)
        if not isinstance(started, _Started):
            return started
        given, for_tools = [self._tool_call(started)], self._for_tools(config, started.place)
        blocking = None if has_coroutine(started.tool.tool) else partial(self._node.invoke, given, for_tools)
        with acting(self._acting(started)):
            ended = await self._carrier.arun(
                started.running,
                started.terms,
                lambda: self._node.ainvoke(given, for_tools),
                blocking=blocking,
            )
        return await undisturbed(lambda: self._account(started, ended))

    def _begin(self, state: Mapping[str, Any], config: RunnableConfig | None) -> _Started | dict[str, Any]:
        place = self.locate(state, config)
        call = state.get("call")
        named = call if isinstance(call, Mapping) else {}
        try:
            reading = read_order(state, self._tools, place.scope)
            tool = self._tools[reading.call.tool]
            require_key(self._governor, tool)
            terms = self._governor.terms(tool.name, place.scope, tool.profile)
            running = self._governor.execution.begin(reading.permit, reading.binding)
        except PermitError as error:
            return self._refused(place, named, f"There is no permit for it: {error.message}.", error.code)
        except AisecopsError as error:
            _LOG.error("a call was not executed: %s", error)
            return self._refused(place, named, "The governance layer cannot carry it out right now.", "unavailable")
        return _Started(place, reading, tool, terms, running)

    def _acting(self, started: _Started) -> Acting:
        binding, permit = started.running.binding, started.running.permit
        label = self._governor.planner.context_of(binding.scope, binding.plan)
        key = started.running.idempotency_key
        return Acting(binding.scope, label or UNKNOWN_SENDER, recipient_of(permit.id), key, started.read)

    def _tool_call(self, started: _Started) -> ToolCall:
        """Write the call as the tool takes it: exactly what was permitted, and the key that the runtime gives."""
        reading, argument = started.reading, started.tool.key_argument
        given = {} if argument is None else {argument: started.running.idempotency_key}
        arguments = {**reading.call.arguments(), **given}
        return ToolCall(name=reading.call.tool, args=arguments, id=reading.call_id, type="tool_call")

    def _for_tools(self, config: RunnableConfig | None, place: Place) -> RunnableConfig:
        """Derive the configuration that tools run with; whatever store the graph has, they get the governed one."""
        known = traced(config, place)
        kept = {key: item for key, item in known.get("configurable", {}).items() if key != _READ_STATE}
        return {**known, "configurable": with_governed_store(kept, self._governor, self._principal)}

    def _never_called(self, started: _Started | dict[str, Any]) -> None:
        """Account for a call that was begun for a task which was cancelled meanwhile."""
        if isinstance(started, _Started):
            self._governor.execution.lose(started.running, reason="cancelled before the tool was called")

    def _account(self, started: _Started, ended: Returned[Any] | NotReturned) -> Any:
        if isinstance(ended, NotReturned):
            return self._answer(started, ended.message, ended.outcome)
        return self._complete(replace(started, running=ended.running), ended.value)

    def _complete(self, started: _Started, output: Any) -> Any:
        """Account for a result; one that cannot be inspected and recorded does not reach the model."""
        parts = output if isinstance(output, list) else [output]
        profile = self._governor.profile(started.tool.name, started.tool.profile)
        inspection = _Inspection(self._governor, started, profile.results)
        try:
            shown = [inspection.of(part) for part in parts]
            self._governor.execution.complete(
                started.running,
                result=digest_text("result", "\n".join(inspection.raw)),
                label=join_all(inspection.seen),
            )
        except AisecopsError as error:
            _LOG.error("a call ran, but its outcome could not be recorded: %s", error)
            with suppress(AisecopsError):  # where the result was at fault, and not the log or the ledger
                self._governor.execution.lose(started.running, reason="its result could not be inspected or recorded")
            return self._answer(started, UNRECORDED, "unknown")
        labels = {CHANNEL: {"labels": inspection.labels}}
        if len(shown) == 1 and isinstance(shown[0], dict):
            return {**shown[0], **labels}
        return [*shown, Command(update=labels)]

    def _answer(self, started: _Started, message: str, outcome: str) -> dict[str, Any]:
        reading = started.reading
        answer = error_message(reading.call_id, reading.call.tool, message, outcome=outcome, code=outcome)
        return self._labelled(started.place, answer)

    def _refused(self, place: Place, call: Mapping[str, Any], message: str, code: str) -> dict[str, Any]:
        call_id, name = call.get("id"), call.get("name")
        if not isinstance(call_id, str) or not call_id:
            return {}
        known = name if isinstance(name, str) and name in self._tools else "unknown"
        return self._labelled(place, refusal(call_id, known, message, code=code))

    def _labelled(self, place: Place, answer: ToolMessage) -> dict[str, Any]:
        return {MESSAGES: [answer], CHANNEL: {"labels": sealed(self._governor, place, answer, NEUTRAL)}}


class _Inspection:
    """Inspects everything that a tool sent back, and seals a label to each message."""

    def __init__(self, governor: Governor, started: _Started, results: ResultProfile) -> None:
        self._governor = governor
        self._results = results
        self._started = started
        self._redact = Obligation.REDACT_PII_IN_RESULT in started.running.record.obligations
        self.labels: dict[str, SealedLabel] = {}
        self.seen: list[Label] = []
        self.raw: list[str] = []

    def of(self, part: Any) -> Any:
        """Derive a part of the node's output in which every message was inspected."""
        if isinstance(part, Command):
            return replace(part, update=self.of(part.update))
        if isinstance(part, dict) and MESSAGES in part:
            found = part[MESSAGES]
            messages = found if isinstance(found, list) else [found]
            return {**part, MESSAGES: [self._message(item) for item in _as_messages(messages)]}
        return part

    def _message(self, message: BaseMessage) -> BaseMessage:
        labels: list[Label] = []
        running = self._started.running
        artifact = message.artifact if isinstance(message, ToolMessage) else None
        sent = carried(self._governor, message, artifact, recipient=recipient_of(running.permit.id))
        own = sent is None and self._is_result(message)

        def inspect(text: str, uninspected: tuple[str, ...] = ()) -> str:
            admitted = self._governor.admission.admit(
                text,
                running.binding.scope,
                kind=SourceKind.TOOL_RESULT if sent is None else SourceKind.AGENT_MESSAGE,
                name=running.binding.tool if sent is None else sent.sender,
                redact_pii=self._redact,
                parents=(running.event,),
                carried=None if sent is None else sent.label,
                results=self._results if own else None,
                uninspected=uninspected,
            )
            self.raw.append(text)
            labels.append(admitted.label)
            return admitted.text

        shown = with_text(message, inspect)
        shown, unread = self._with_artifact(shown, is_sealed=sent is not None)
        beside = (*uninspected_in(message), *unread)
        if beside or not labels:  # pictures, say: nobody read them, but they came from the tool
            inspect("", beside)
        label = join_all((*labels, *self._started.read))
        self.seen.append(label)
        fields = self._fields(message) if own else ()
        self.labels |= sealed(self._governor, self._started.place, shown, label, fields)
        return shown

    def _with_artifact(self, message: BaseMessage, *, is_sealed: bool) -> tuple[BaseMessage, tuple[str, ...]]:
        """Inspect what no model is shown, but programs read; data is cleaned, and anything else passes with a note."""
        artifact = message.artifact if isinstance(message, ToolMessage) else None
        if artifact is None or is_sealed:
            return message, ()
        try:
            plain = plain_artifact(artifact)
        except SanitizeError:
            return message, ("artifact",)
        running = self._started.running
        admitted = self._governor.admission.admit_value(
            plain,
            running.binding.scope,
            kind=SourceKind.TOOL_RESULT,
            name=running.binding.tool,
            redact_pii=self._redact,
            parents=(running.event,),
        )
        return (message.model_copy(update={"artifact": admitted.value}) if admitted.changed else message), ()

    def _is_result(self, message: BaseMessage) -> bool:
        """Whether a message is the tool's answer to this call, and not something else that it put into state."""
        return (
            isinstance(message, ToolMessage)
            and message.tool_call_id == self._started.reading.call_id
            and message.status != "error"
        )

    def _fields(self, message: BaseMessage) -> tuple[FieldValue, ...]:
        """Take out what policy says is the organisation's own, before anyone downstream could touch the result."""
        fields = fields_of(structure_of(message), self._results.fields) if self._results.fields else ()
        if self._started.running.record.named_by_user:
            fields += only_values(text_of(message), self._results.named_by_user)
        return fields


def _as_messages(found: list[Any]) -> list[BaseMessage]:
    try:
        return convert_to_messages(found)
    except (ValueError, TypeError, NotImplementedError) as error:
        raise SanitizeError("a tool added something that is no message", got=type(error).__name__) from None
