"""How pages say times, digests, states and addresses.

Invariant: an address is made from a fixed path and quoted parameters alone, so whatever a log holds stays a parameter;
colour never says anything that the word beside it does not say, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode

from aisecops_langchain.forensics.diff import Step
from aisecops_langchain.forensics.text import call_text, clip, short, value_text

_STATES: Final = {
    "good": "allow allowed completed granted as_planned as_edited sound verified valid matches vouched_for user system",
    "warn": "require_approval pending paused stopped reserved first_party expired responded unfinished medium refused "
    "not_run kept_from_running checking terms newly_asked unknown_key",
    "bad": "deny denied failed blocked unknown rejected withheld untrusted unsound violation high critical invalid "
    "newly_allowed mismatch not_vouched_for",
}
_TONES: Final = {state: tone for tone, states in _STATES.items() for state in states.split(" ")}
_BAD_KINDS: Final = (
    "_blocked",
    "_refused",
    "_rejected",
    "_failed",
    "_unknown",
    "_tampered",
    "_exhausted",
    "mark_repeated",
)
_WARN_KINDS: Final = ("_sanitized", "_requested", "_expired", "_escalated", "_paused", "_late", "_revoked", "_retried")


def moment(time: datetime) -> str:
    """Say when something happened.

    Args:
        time: The time.

    Returns:
        The time in UTC, to the second.
    """
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def instant(time: str) -> str:
    """Say when something happened, given as text.

    Args:
        time: The time as ISO 8601, with its offset.

    Returns:
        As ``moment`` does.
    """
    return moment(datetime.fromisoformat(time))


def took(milliseconds: float) -> str:
    """Say how long something took.

    Args:
        milliseconds: How long, in milliseconds.

    Returns:
        The duration in the unit that suits it.
    """
    if abs(milliseconds) < 1_000:
        return f"{milliseconds:.0f} ms" if milliseconds == int(milliseconds) else f"{milliseconds:.1f} ms"
    seconds = milliseconds / 1_000
    for most, divisor, unit in ((120, 1, "s"), (7_200, 60, "min"), (172_800, 3_600, "h")):
        if abs(seconds) < most:
            return f"{seconds / divisor:.1f} {unit}"
    return f"{seconds / 86_400:.1f} days"


def seconds(value: float | None) -> str:
    """Say how long something took, where that is known.

    Args:
        value: How long, in seconds.

    Returns:
        As ``took`` does; a dash where it is not known.
    """
    return "-" if value is None else took(value * 1_000)


def percent(share: float | None) -> str:
    """Say a share.

    Args:
        share: From 0 to 1.

    Returns:
        The share in percent; a dash where it is not known.
    """
    return "-" if share is None else f"{share:.1%}"


def words(state: str) -> str:
    """Write a code of ours as words.

    Args:
        state: A code such as ``require_approval``.

    Returns:
        The code with spaces.
    """
    return str(state).replace("_", " ")


def tone(state: str) -> str:
    """Choose the colour of a state.

    Args:
        state: The code of the state.

    Returns:
        ``good``, ``warn``, ``bad``, or empty for what is neither.
    """
    return _TONES.get(state, "")


def kind_tone(kind: str) -> str:
    """Choose the colour of an event.

    Args:
        kind: Its kind.

    Returns:
        ``bad`` for what was refused or went wrong, ``warn`` for what asks for a look, else empty.
    """
    if kind.endswith(_BAD_KINDS):
        return "bad"
    return "warn" if kind.endswith(_WARN_KINDS) else ""


def link(path: str, kept: Mapping[str, object] | None = None, **parameters: object) -> str:
    """Make an address within the site.

    Args:
        path: The path, one of ours.
        kept: Parameters of the present address that stay.
        **parameters: Further ones; those that are empty or None are left out.

    Returns:
        The address.
    """
    given = {name: value for name, value in {**(kept or {}), **parameters}.items() if value not in (None, "")}
    return f"{path}?{urlencode(given)}" if given else path


def step_text(step: Step) -> str:
    """Show the call of a step.

    Args:
        step: The step.

    Returns:
        The call in one printable line.
    """
    return call_text(step.tool, step.arguments)


FILTERS: Final = {
    "moment": moment,
    "instant": instant,
    "took": took,
    "seconds": seconds,
    "percent": percent,
    "words": words,
    "tone": tone,
    "kind_tone": kind_tone,
    "brief": short,
    "clipped": clip,
    "call_text": step_text,
    "shown_value": value_text,
}
"""What templates call by these names."""
