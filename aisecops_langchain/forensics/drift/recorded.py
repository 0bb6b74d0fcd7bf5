"""What a decision was made from, read back from its event.

Invariant: a request counts as recorded only if its call is the one that was decided on, which its digest shows; a value
that was withheld, redacted or erased is named as such and never guessed.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final, NamedTuple

import orjson

from aisecops_langchain.canonical import JsonValue, canonical_bytes
from aisecops_langchain.domain.decision import DecisionRequest
from aisecops_langchain.domain.events import DecisionMade
from aisecops_langchain.domain.plan import CanonicalCall
from aisecops_langchain.errors import CanonicalizationError

_WITHHELD: Final = b'"$withheld"'


class Unknown(StrEnum):
    """Why a decision is not reproducible."""

    WITHHELD = "withheld"
    """The policy looks at an argument that the log does not show."""
    ALTERED = "altered"
    """The recorded arguments are not those that were decided on: redacted, erased or forged."""
    USAGE = "usage"
    """Nobody counted what the policy's budgets bound, or it was counted by another measure."""
    TASK = "task"
    """The policy asks what the user's words ask for, and that was not read for this policy."""
    WARRANT = "warrant"
    """A delegated call was denied before its warrant was judged, so nobody knows whether it stood."""


class Recorded(NamedTuple):
    """A request from the log."""

    request: DecisionRequest
    withheld: frozenset[str]
    """Top-level arguments of which something is withheld; whether each is there is known all the same."""


def recorded_of(event: DecisionMade) -> Recorded | Unknown:
    """Read back what a decision was made from.

    Args:
        event: The decision.

    Returns:
        The request, or why there is none.
    """
    call = event.call
    try:
        whole = CanonicalCall.of(call.tool, call.arguments)
        hidden = frozenset() if call.complete else _withheld(call.arguments)
    except CanonicalizationError:
        return Unknown.ALTERED
    if call.complete and whole.digest != call.digest:
        return Unknown.ALTERED
    request = DecisionRequest(
        principal=event.principal,
        call=whole if call.complete else whole.model_copy(update={"digest": call.digest}),
        context=event.context,
        arguments=event.argument_labels,
        methods=event.argument_methods,
        profile=event.tool_profile,
        task=event.task,
        environment=event.environment,
        usage=event.usage,
    )
    return Recorded(request, hidden)


def _withheld(arguments: dict[str, JsonValue]) -> frozenset[str]:
    """Name the arguments that hold a marker; where none does, none of them can be believed."""
    hidden = frozenset(name for name, value in arguments.items() if _WITHHELD in canonical_bytes(value))
    return hidden or frozenset(arguments)


def key_of(fields: dict[str, JsonValue]) -> bytes:
    """Name a recorded decision by its answer and all that it may depend on.

    Args:
        fields: A ``decision_made`` event as plain JSON.

    Returns:
        Bytes that two events share only if every policy re-decides both alike. Of sources, policy sees the kinds alone.

    Raises:
        TypeError: Or ``KeyError`` or ``AttributeError``, if the event is not of the right shape.
    """
    known: dict[str, Any] = fields
    call = known["call"]
    parts = (
        known["policy"],
        known["principal"],
        (call["tool"], call["digest"], call["arguments"], call["complete"]),
        _label(known["context"]),
        [(name, _label(item)) for name, item in known["argument_labels"].items()],
        [known.get(name) for name in _REST],
    )
    return orjson.dumps(parts)


_REST: Final = ("decision", "argument_methods", "environment", "tool_profile", "task", "usage")


def _label(label: dict[str, Any]) -> object:
    sources = label["sources"]
    kinds = sources[0]["kind"] if len(sources) == 1 else sorted({item["kind"] for item in sources})
    return label["integrity"], label["confidentiality"], kinds
