"""What a standing grant may say, and which calls it is good for: pure functions over what was sealed.

Invariant: a call is covered only if every argument that it has, and no other, is what the grant says; nothing is
coerced, folded or left out on the way. A grant never says more than every rule permits that asked for a person.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from pydantic import ValidationError

from aisecops_langchain.canonical import canonical_bytes, digest_texts
from aisecops_langchain.domain.approval import ApprovalRequirement
from aisecops_langchain.domain.grant import (
    GrantRequest,
    GrantTerms,
    GrantWish,
    StandingGrant,
    amount_of,
    micro,
)
from aisecops_langchain.domain.permit import Binding
from aisecops_langchain.domain.plan import CanonicalCall
from aisecops_langchain.domain.principal import Approver
from aisecops_langchain.errors import CanonicalizationError, GrantError
from aisecops_langchain.runtime.approvals.votes import bar_of, demanded
from aisecops_langchain.runtime.ledger.records import ApprovalRecord

_SECOND: Final = 1_000_000_000
_LARGEST_CALL: Final = 65_536
_LARGEST_WISH: Final = 16_384


def read_wish(value: object) -> GrantWish:
    """Understand what an approver asks for.

    Args:
        value: Anything; ``{"for_seconds": 3600, "uses": 10, "same": ["to"], "up_to": {"amount": "500"}}`` or so.

    Returns:
        The wish.

    Raises:
        GrantError: If it is not that; the message shows nothing of it.
    """
    try:
        data = canonical_bytes(value)
        if len(data) > _LARGEST_WISH:
            raise GrantError("malformed", "this is no grant", expected=f"at most {_LARGEST_WISH} bytes")
        return GrantWish.model_validate_json(data, strict=True)
    except (CanonicalizationError, RecursionError):
        raise GrantError("malformed", "this is no grant", expected="plain JSON") from None
    except ValidationError as error:
        expected = "for_seconds and uses, and optionally same, any, up_to, each, any_thread and reason"
        got = f"{error.error_count()} faults"
        raise GrantError("malformed", "this is no grant", expected=expected, got=got) from None


def make_grant(record: ApprovalRecord, asked: GrantRequest, approver: Approver, *, now: int) -> StandingGrant:
    """Make the grant that goes with an approval.

    Args:
        record: The request, with what the rules permit that made it.
        asked: What the approver asks for, with the call that was shown.
        approver: Who gives it.
        now: Nanoseconds since the Unix epoch.

    Returns:
        The grant.

    Raises:
        GrantError: If policy does not permit it, or it does not fit the call.
    """
    wish, binding = asked.wish, record.binding
    grant = StandingGrant(
        id=digest_texts("grant", binding.approval_key())[7:39],
        binding=binding,
        any_thread=wish.any_thread,
        fixed=_fixed(binding, asked),
        any=wish.any,
        up_to={name: micro(text) for name, text in wish.up_to.items()},
        each={name: micro(text) for name, text in wish.each.items()},
        uses=wish.uses,
        asked_at=record.requested_at,
        given_at=now,
        expires_at=now + wish.for_seconds * _SECOND,
        approver=approver,
        reason=wish.reason,
    )
    fault = next(excesses(grant, record.briefing.grants), None)
    if fault is not None:
        raise GrantError("not_permitted", f"policy does not permit this grant: {fault}", expected="less, or none")
    return grant


def excesses(grant: StandingGrant, terms: GrantTerms | None) -> Iterator[str]:
    """Hold a grant against what policy permits.

    Args:
        grant: The grant.
        terms: What the rules permit that ask for a person about a call.

    Yields:
        What goes too far; nothing if the grant lies within the terms.
    """
    if terms is None:
        yield "a rule that asks for a person permits no grants"
        return
    if grant.expires_at - grant.given_at > terms.max_seconds * _SECOND:
        yield f"it stands for more than {terms.max_seconds} seconds"
    if grant.uses > terms.max_uses:
        yield f"it has more than {terms.max_uses} uses"
    if not set(grant.any) <= set(terms.any):
        yield "it leaves an argument open that must not be"
    if grant.any_thread and not terms.any_thread:
        yield "it reaches beyond its thread"
    if terms.up_to is not None:
        if not grant.up_to.keys() <= terms.up_to.keys():
            yield "an argument may not vary below a sum"
        elif any(most > micro(terms.up_to[name]) for name, most in grant.up_to.items()):
            yield "a sum is too high"


def answers_for(grant: StandingGrant, requires: Iterable[ApprovalRequirement]) -> bool:
    """Tell whether a grant stands for the approval that a call takes.

    Args:
        grant: The grant.
        requires: What policy takes for the call at hand.

    Returns:
        Whether one person's yes is enough for it, and whoever gave the grant might have given that.
    """
    requester, waited = grant.binding.scope.principal, grant.given_at - grant.asked_at
    return all(
        item.approvers == 1 and bar_of(item, grant.approver, requester, waited) is None for item in demanded(requires)
    )


def amounts_of(grant: StandingGrant, call: CanonicalCall) -> dict[str, int] | None:
    """Tell whether a grant covers a call, and what the call takes from its sums.

    Args:
        grant: The grant; that the call is made in its place was checked.
        call: The call.

    Returns:
        By argument with a ceiling, the amount in millionths; ``None`` if the grant does not cover the call.
    """
    arguments = call.arguments()
    if call.tool != grant.binding.tool or arguments.keys() != {*grant.fixed, *grant.any, *grant.up_to}:
        return None
    if any(canonical_bytes(arguments[name]) != text.encode() for name, text in grant.fixed.items()):
        return None
    amounts: dict[str, int] = {}
    for name, most in grant.up_to.items():
        amount = amount_of(arguments[name])
        if amount is None or amount > min(most, grant.each.get(name, most)):
            return None
        amounts[name] = amount
    return amounts


def _fixed(binding: Binding, asked: GrantRequest) -> dict[str, str]:
    """Keep the values of all arguments that the wish does not let vary, having checked that it names each once."""
    wish, call = asked.wish, asked.call
    if len(call.arguments_json) > _LARGEST_CALL:
        raise GrantError("too_large", "the call is too large to be kept", expected=f"at most {_LARGEST_CALL} bytes")
    arguments = call.arguments()
    if (call.tool, CanonicalCall.of(call.tool, arguments).digest) != (binding.tool, binding.call):
        raise GrantError("other_call", "a grant goes with the very call that is approved")
    named = (*wish.same, *wish.any, *wish.up_to)
    if len(set(named)) != len(named) or not arguments.keys() >= set(named) or not wish.up_to.keys() >= wish.each.keys():
        raise GrantError("malformed", "this grant contradicts itself or the call", expected="each argument named once")
    if any(amount_of(arguments[name]) is None for name in wish.up_to):
        raise GrantError("malformed", "only a number can vary below a sum", expected="a JSON number of at least 0")
    varying = {*wish.any, *wish.up_to}
    return {name: canonical_bytes(value).decode() for name, value in arguments.items() if name not in varying}
