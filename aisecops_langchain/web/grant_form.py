"""The form in which an approver says what later calls like the one at hand may do without asking.

Invariant: the form only offers what policy permits, and what comes back is only read, never trusted: whoever takes the
answer holds it against the sealed request again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import orjson

from aisecops_langchain.canonical import JsonValue
from aisecops_langchain.domain.grant import GrantTerms, amount_of
from aisecops_langchain.web.refusals import BadRequestError

_NUMBER: Final = re.compile(r"[0-9]{1,6}")
_HOW: Final = "how:"


class Choice(NamedTuple):
    """What an argument may be in later calls."""

    argument: str
    value: JsonValue
    any: bool
    """Whether it may be left open."""
    sum: bool
    """Whether it may vary below a sum."""
    most: str | None
    """The highest sum; None where policy names none."""


class Offer(NamedTuple):
    """What may be granted beside a yes."""

    minutes: int
    """How long at most."""
    uses: int
    any_thread: bool
    choices: tuple[Choice, ...]


def offer_of(item: Mapping[str, Any]) -> Offer | None:
    """Say what may be granted beside a yes to a request.

    Args:
        item: The request, as ``facts_of`` tells it.

    Returns:
        The offer; None where policy permits none, one yes is not enough, or the request is closed.
    """
    if not item["grants"] or item["arguments"] is None or item["votes"]:
        return None
    if any(need["approvers"] > 1 for need in item["requires"]):
        return None
    terms = GrantTerms.model_validate_json(orjson.dumps(item["grants"]))
    choices = tuple(_choice(name, value, terms) for name, value in item["arguments"].items())
    return Offer(max(terms.max_seconds // 60, 1), terms.max_uses, terms.any_thread, choices)


def wish_of(form: Mapping[str, str]) -> dict[str, JsonValue]:
    """Read what an approver grants.

    Args:
        form: The form as sent.

    Returns:
        The wish, as the API takes it.

    Raises:
        BadRequestError: If a number is none.
    """
    how = {name.removeprefix(_HOW): value for name, value in form.items() if name.startswith(_HOW)}
    sums = [name for name, value in how.items() if value == "sum"]
    return {
        "for_seconds": _number(form, "minutes") * 60,
        "uses": _number(form, "uses"),
        "any": [name for name, value in how.items() if value == "any"],
        "up_to": {name: form.get(f"sum:{name}", "").strip() for name in sums},
        "each": {name: each for name in sums if (each := form.get(f"each:{name}", "").strip())},
        "any_thread": "any_thread" in form,
        "reason": form.get("reason", "").strip(),
    }


def _choice(name: str, value: JsonValue, terms: GrantTerms) -> Choice:
    limits = terms.up_to
    sums = amount_of(value) is not None and (limits is None or name in limits)
    return Choice(name, value, name in terms.any, sums, limits.get(name) if limits else None)


def _number(form: Mapping[str, str], name: str) -> int:
    text = form.get(name, "").strip()
    if not _NUMBER.fullmatch(text):
        raise BadRequestError(f"{name} makes no sense", expected="a whole number", got=text[:20])
    return int(text)
