"""What a decision was made from, read back from its event.

Invariant: a request counts as recorded only if its call is the one that was decided on, which its digest shows; a value
that was withheld, redacted or erased is named as such and never guessed.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

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
    shown = shown_call(call.tool, call.arguments, call.digest, complete=call.complete)
    if isinstance(shown, Unknown):
        return shown
    whole, hidden = shown
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


def shown_call(
    tool: str, arguments: dict[str, JsonValue], digest: str, *, complete: bool
) -> tuple[CanonicalCall, frozenset[str]] | Unknown:
    """Compare what the log shows of a call with the digest of what was decided on.

    Args:
        tool: The tool.
        arguments: The recorded arguments.
        digest: The recorded digest.
        complete: Whether nothing is said to be withheld.

    Returns:
        The call as shown and the arguments of which something is withheld; ``ALTERED`` if it is not that call.
    """
    try:
        whole = CanonicalCall.of(tool, arguments)
        hidden = frozenset() if complete else _withheld(arguments)
    except CanonicalizationError:
        return Unknown.ALTERED
    return Unknown.ALTERED if complete and whole.digest != digest else (whole, hidden)


def _withheld(arguments: dict[str, JsonValue]) -> frozenset[str]:
    """Name the arguments that hold a marker; where none does, none of them can be believed."""
    hidden = frozenset(name for name, value in arguments.items() if _WITHHELD in canonical_bytes(value))
    return hidden or frozenset(arguments)
