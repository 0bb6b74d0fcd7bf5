"""What the model sees: every message with the label that it can prove, the rest inspected and untrusted.

Invariant: a message whose label does not open for its very content on its very thread is inspected anew and counts as
untrusted, whoever it claims to be from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, SystemMessage, ToolCall

from aisecops_langchain.adapters.core.place import Place
from aisecops_langchain.adapters.state import CHANNEL
from aisecops_langchain.adapters.translate.answers import refusal
from aisecops_langchain.adapters.translate.calls import proposals_of
from aisecops_langchain.adapters.translate.data import content_key, plain_artifact
from aisecops_langchain.adapters.translate.marks import framed
from aisecops_langchain.adapters.translate.turns import answered_after
from aisecops_langchain.adapters.translate.words import KINDS, text_of, uninspected_in, with_text
from aisecops_langchain.canonical import digest_text
from aisecops_langchain.domain.labels import Integrity, Label, Source, SourceKind, join_all, label_for
from aisecops_langchain.domain.principal import Principal
from aisecops_langchain.errors import SanitizeError
from aisecops_langchain.provenance import FieldValue, LabelledText, Opened, SealedLabel
from aisecops_langchain.runtime.governor import Governor
from aisecops_langchain.sanitize import Frame

MessageT = TypeVar("MessageT", bound=BaseMessage)


@dataclass(frozen=True, slots=True)
class ModelContext:
    """Messages fit to be shown to a model, and their labelled texts."""

    messages: tuple[BaseMessage, ...]
    contents: tuple[LabelledText, ...]
    """Without any frame around them."""
    frame: Frame | None = None
    """How untrusted content is set apart in ``messages``, where it is."""

    @property
    def label(self) -> Label:
        """Join of the labels of everything in it."""
        return join_all(item.label for item in self.contents)


def read_context(
    governor: Governor, place: Place, messages: Sequence[AnyMessage], system_prompt: str | None
) -> ModelContext:
    """Read a conversation as a model would be shown it.

    Args:
        governor: Opens labels and inspects what has none.
        place: Where.
        messages: The conversation.
        system_prompt: The agent's own instructions, from configuration.

    Returns:
        The context.

    Raises:
        SanitizeError: If a message could not be inspected.
        AuditWriteError: If an inspection could not be recorded.
    """
    shown: list[BaseMessage] = []
    contents: list[LabelledText] = []
    foreign: set[int] = set()
    if system_prompt is not None:
        shown.append(SystemMessage(system_prompt))
        source = Source(
            kind=SourceKind.SYSTEM_PROMPT, name="system_prompt", digest=digest_text("content", system_prompt)
        )
        contents.append(LabelledText(system_prompt, label_for(source)))
    for index, message in enumerate(messages):
        opened = opened_whole(governor, place, message)
        fit: BaseMessage = message
        if opened is None or (message.type == "ai" and opened.speaker != place.scope.principal.agent):
            fit, label = inspected(governor, place, message, opened)
        else:
            label = opened.label
        fields = frozenset[str]() if opened is None else opened.fields
        if label.integrity is Integrity.UNTRUSTED and not _speaks_to_model(place, fit, opened):
            foreign.add(len(shown))
        shown.append(fit)
        # What a model said is its own word: it carries the label of what it saw, but no argument is traced to it.
        contents.append(LabelledText("" if fit.type == "ai" else text_of(fit), label, fields))
        shown += _abandoned(messages, index)
    frame = governor.spotlights.frame(place.scope, [text_of(shown[index]) for index in sorted(foreign)])
    if frame is not None:
        shown = [framed(message, frame) if index in foreign else message for index, message in enumerate(shown)]
        shown[: system_prompt is not None] = [
            SystemMessage(frame.instruction if system_prompt is None else f"{system_prompt}\n\n{frame.instruction}")
        ]
    return ModelContext(tuple(shown), tuple(contents), frame)


def _speaks_to_model(place: Place, message: BaseMessage, opened: Opened | None) -> bool:
    """Whether a message is the model's own, its instructions, or the order of the agent that it acts for."""
    match message.type:
        case "ai":
            return opened is not None and opened.speaker == place.scope.principal.agent
        case "human":
            return opened is not None and bool(place.scope.principal.delegators)
        case kind:
            return kind == "system"


def _abandoned(messages: Sequence[AnyMessage], index: int) -> list[BaseMessage]:
    """Answer calls that were left open when the conversation went on: models refuse a call without an answer."""
    message = messages[index]
    if not isinstance(message, AIMessage) or index == len(messages) - 1:
        return []
    answered = answered_after(messages, index)
    return [
        refusal(call.call_id, call.tool, "The conversation went on without it.", code="abandoned")
        for call in proposals_of(message)
        if call.call_id and call.call_id not in answered
    ]


def opened_label(governor: Governor, place: Place, message: BaseMessage) -> Label | None:
    """Return the label that was sealed for a message on this thread, if state still holds it."""
    opened = opened_whole(governor, place, message)
    return None if opened is None else opened.label


def opened_whole(governor: Governor, place: Place, message: BaseMessage) -> Opened | None:
    """Open the label that the channel holds for a message, or the one that rides on the message itself."""
    key = content_key(message)
    labels, rider = place.memory.get("labels"), message.additional_kwargs.get(CHANNEL)
    for found in (labels.get(key) if isinstance(labels, Mapping) else None, rider):
        opened = None if found is None else governor.labels.open_whole(place.scope.thread, key, found)
        if opened is not None:
            return opened
    return None


def sealed(
    governor: Governor,
    place: Place,
    message: BaseMessage,
    label: Label,
    fields: Sequence[FieldValue] = (),
    *,
    speaker: str = "",
) -> dict[str, SealedLabel]:
    """Seal a label for a message.

    Args:
        governor: Holds the key.
        place: Where the message will stand.
        message: The message exactly as it will stand in state.
        label: Its label.
        fields: First-party values in it.
        speaker: The agent whose model said it; to every other agent these are the words of somebody else.

    Returns:
        An entry for ``labels`` in the governance channel.
    """
    key = content_key(message)
    return {key: governor.labels.close_over(place.scope.thread, key, label, fields, speaker)}


def riding(message: MessageT, labels: Mapping[str, SealedLabel]) -> MessageT:
    """Derive a message that carries its own sealed label, for graphs whose state has no channel for it.

    Args:
        message: The message; stays as it is.
        labels: The entry that was sealed for it.

    Returns:
        A copy with the label among the fields that no model is shown.
    """
    label = labels[content_key(message)]
    return message.model_copy(update={"additional_kwargs": {**message.additional_kwargs, CHANNEL: dict(label)}})


def spoken(principal: Principal, message: BaseMessage, seen: Label) -> Label:
    """Label what a model said: by all that it saw, and as an agent's message where it acts for another agent.

    Args:
        principal: Who speaks.
        message: The message.
        seen: Join of everything that the model was shown.

    Returns:
        The label.
    """
    if not principal.delegators:
        return seen
    source = Source(kind=SourceKind.AGENT_MESSAGE, name=principal.agent, digest=content_key(message))
    return seen.model_copy(update={"sources": seen.sources | {source}})


def inspected(
    governor: Governor, place: Place, message: BaseMessage, opened: Opened | None = None
) -> tuple[BaseMessage, Label]:
    """Inspect a message that nobody vouched for, or that another agent's model said.

    Args:
        governor: Inspects and records.
        place: Where it was found.
        message: The message; stays as it is.
        opened: What its seal vouches for, if it has one.

    Returns:
        The message as it may be shown, and its label: untrusted without a seal, whatever type it has. Of what another
        model said, the arguments of its calls are inspected, too, and nothing is shown of what stands beside its words.
    """
    kind = KINDS.get(message.type, SourceKind.AGENT_MESSAGE)
    kind = kind if kind is SourceKind.TOOL_RESULT else SourceKind.AGENT_MESSAGE
    name = (opened.speaker if opened is not None else "") or f"unlabelled {message.type} message"[:64]
    carried = None if opened is None else opened.label
    labels: list[Label] = []

    def inspect(text: str, uninspected: tuple[str, ...] = ()) -> str:
        admitted = governor.admission.admit(
            text, place.scope, kind=kind, name=name, carried=carried, uninspected=uninspected
        )
        labels.append(admitted.label)
        return admitted.text

    shown = with_text(message, inspect)
    beside = uninspected_in(message)
    if beside or not labels:
        inspect("", beside)
    if isinstance(shown, AIMessage):
        shown = _with_calls_of_another(governor, place, shown, name)
    label = join_all(labels)
    return shown, label if opened is not None else label.model_copy(update={"integrity": Integrity.UNTRUSTED})


def _with_calls_of_another(governor: Governor, place: Place, message: AIMessage, name: str) -> AIMessage:
    """Derive what another model said with calls whose arguments were inspected, and nothing beside them."""

    def clean(call: ToolCall) -> ToolCall:
        try:
            plain = plain_artifact(call["args"])
        except SanitizeError:  # nothing that a model could have said
            plain = {}
        admitted = governor.admission.admit_value(plain, place.scope, kind=SourceKind.AGENT_MESSAGE, name=name)
        args = admitted.value if isinstance(admitted.value, dict) else {}
        return ToolCall(**{**call, "args": args})

    calls = [clean(call) for call in message.tool_calls]
    return message.model_copy(update={"tool_calls": calls, "invalid_tool_calls": [], "additional_kwargs": {}})
