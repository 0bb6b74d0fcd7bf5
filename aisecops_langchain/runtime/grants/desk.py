"""Standing grants of a governance home, for an operator without a policy or an agent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from aisecops_langchain.canonical import JsonValue
from aisecops_langchain.domain.grant import amount_text
from aisecops_langchain.runtime.grants.events import shown_values
from aisecops_langchain.runtime.grants.service import GrantStanding, StandingGrants
from aisecops_langchain.runtime.home import open_home
from aisecops_langchain.runtime.ports import Clock
from aisecops_langchain.runtime.recorder import Recorder, at


@dataclass(frozen=True, slots=True)
class GrantDesk:
    """What an operator does with grants."""

    grants: StandingGrants
    recorder: Recorder

    def describe(self, standing: GrantStanding) -> dict[str, JsonValue]:
        """Lay a grant out in plain JSON, its values without secrets and personal data.

        Args:
            standing: The grant.

        Returns:
            Everything that is known of it; times in ISO 8601, amounts as text.
        """
        entry = standing.entry
        grant, binding = entry.grant, entry.grant.binding
        who = binding.scope.principal
        sums: dict[str, JsonValue] = {
            name: {"most": amount_text(most), "spent": amount_text(standing.spent[name])}
            for name, most in grant.up_to.items()
        }
        return {
            "id": grant.id,
            "state": standing.state.value,
            "tool": binding.tool,
            "same": shown_values(self.recorder, grant),
            "any": [*grant.any],
            "up_to": sums,
            "each": {name: amount_text(most) for name, most in grant.each.items()},
            "uses": grant.uses,
            "used": standing.used,
            "agent": who.agent,
            "delegators": [link.agent for link in who.delegators],
            "user": who.user,
            "issuer": who.issuer,
            "tenant": who.tenant,
            "thread": None if grant.any_thread else binding.scope.thread,
            "policy": binding.scope.policy,
            "approver": grant.approver.model_dump(mode="json"),
            "approval": grant.approval,
            "reason": grant.reason,
            "given_at": at(grant.given_at).isoformat(),
            "expires_at": at(grant.expires_at).isoformat(),
            "revoked_by": entry.by,
            "revoked_because": entry.reason,
        }


@contextmanager
def open_grants(
    home: str | os.PathLike[str], *, ledger: str | None = None, schema: str = "aisecops", clock: Clock | None = None
) -> Iterator[GrantDesk]:
    """Open the grants of a governance home; the arguments and errors are those of ``open_home``.

    Args:
        home: The directory that ``Governor.open`` was given.
        ledger: URL of the PostgreSQL ledger that it goes by, where it goes by one.
        schema: Where the tables of that ledger lie.
        clock: Tells the time; this machine's by default.

    Yields:
        The grants.
    """
    with open_home(home, ledger=ledger, schema=schema, clock=clock) as parts:
        yield GrantDesk(StandingGrants(parts.ledger, parts.recorder, parts.sealer, parts.clock), parts.recorder)
