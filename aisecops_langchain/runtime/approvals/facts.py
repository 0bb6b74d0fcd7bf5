"""What can be told of an approval request, as plain JSON, the same in every channel.

Invariant: read from the sealed record alone, so that nobody can put words before the person who answers.
"""

from __future__ import annotations

from typing import Final

from aisecops_langchain.canonical import JsonValue
from aisecops_langchain.domain.approval import ApprovalRequirement
from aisecops_langchain.domain.permit import ApprovalState
from aisecops_langchain.domain.principal import Approver
from aisecops_langchain.runtime.approvals.looks import REASONS, oddities
from aisecops_langchain.runtime.approvals.votes import REFUSALS, demanded, missing
from aisecops_langchain.runtime.ledger.records import ApprovalRecord, Facts
from aisecops_langchain.runtime.recorder import at

_NAME: Final = 64
"""Names of arguments are cut there, because a tool may take any."""


def facts_of(record: ApprovalRecord) -> Facts:
    """Tell a request.

    Args:
        record: The request as kept.

    Returns:
        What is asked, what it takes, who said yes so far, and the briefing; the arguments only while it is pending.
    """
    binding, briefing = record.binding, record.briefing.model_dump(mode="json")
    principal, grant = binding.scope.principal, record.grant
    requires: list[JsonValue] = [_requirement(item, record) for item in demanded(record.requires)]
    odd: dict[str, JsonValue] = {
        name[:_NAME]: [*why] for name, why in oddities(record.briefing.arguments or {}).items()
    }
    votes: list[JsonValue] = [
        {**_person(vote.approver), "at": at(vote.at).isoformat(), "reason": vote.reason} for vote in record.votes
    ]
    return {
        **briefing,
        "look_twice": odd,
        "approval": binding.approval_key(),
        "state": record.state.value,
        "tool": binding.tool,
        "call": binding.call,
        "plan": binding.plan,
        "thread": binding.scope.thread,
        "policy": binding.scope.policy,
        "agent": principal.agent,
        "user": principal.user,
        "tenant": principal.tenant,
        "requested_at": at(record.requested_at).isoformat(),
        "expires_at": at(record.expires_at).isoformat(),
        "requires": requires,
        "votes": votes,
        "missing": lacking(record) if record.state is ApprovalState.PENDING else 0,
        "refused": REFUSALS.get(record.last_refused or "", ""),
        "answered_by": None if record.approver is None else _person(record.approver),
        "reason": record.reason,
        "granted": None
        if grant is None
        else {"grant": grant.id, "uses": grant.uses, "until": at(grant.expires_at).isoformat()},
    }


def lacking(record: ApprovalRecord) -> int:
    """Count how many more persons must say yes at least."""
    return missing(demanded(record.requires), record.votes, record.binding.scope.principal, record.requested_at)


def takes_one(record: ApprovalRecord) -> bool:
    """Whether one person's yes is enough and none was given, so that this person may also edit the call."""
    return not record.votes and all(item.approvers == 1 for item in record.requires)


def described(record: ApprovalRecord) -> str:
    """Tell a request in a few lines, for interfaces that show nothing but a description.

    Args:
        record: The request as kept.

    Returns:
        Who wants what, what it takes, and which arguments are nobody's word.
    """
    binding, briefing = record.binding, record.briefing
    lines = [f"{binding.scope.principal.agent} wants to call {binding.tool} (risk: {briefing.risk})."]
    lines += [f"Policy: {reason}." for reason in briefing.reasons]
    untrusted = [str(item["argument"])[:_NAME] for item in briefing.provenance if item.get("untrusted")]
    if untrusted:
        lines.append(f"UNTRUSTED, not the user's own words: {', '.join(untrusted)}.")
    for name, why in oddities(briefing.arguments or {}).items():
        lines.append(f"LOOK TWICE: {name[:_NAME]} holds {', '.join(REASONS[code] for code in why)}.")
    if briefing.findings:
        lines.append(f"Found there: {', '.join(sorted({str(item['rule']) for item in briefing.findings}))}.")
    if briefing.blast_radius and not briefing.blast_radius.get("reversible"):
        lines.append("It cannot be undone.")
    if record.requires:
        lines.append(f"It takes {lacking(record)} more yes: {'; '.join(item.in_words() for item in record.requires)}.")
    return "\n".join("".join(c if c.isprintable() else " " for c in line) for line in lines)


def _requirement(item: ApprovalRequirement, record: ApprovalRecord) -> Facts:
    late = item.escalate
    roles: list[JsonValue] = [*item.roles_after(late.after_seconds if late and item.rule in record.escalated else 0)]
    return {
        "rule": item.rule,
        "approvers": item.approvers,
        "roles": roles,
        "requester_may_approve": item.requester_may_approve,
    }


def _person(approver: Approver) -> Facts:
    return {
        "id": approver.id,
        "verified": approver.verified,
        "issuer": approver.issuer,
        "roles": [*approver.roles],
    }
