"""What budgets say about a step: what was used before it, and what its permit is charged with.

Invariant: a step is charged once, with its first permit, and never counts against itself when it is decided on again.
"""

from __future__ import annotations

from aisecops_langchain.domain.decision import Decision
from aisecops_langchain.domain.usage import Usage
from aisecops_langchain.runtime.decisions.authority import Authority
from aisecops_langchain.runtime.decisions.budgets import Budgets, Demand
from aisecops_langchain.runtime.decisions.case import Case
from aisecops_langchain.runtime.effects.rows import Effects
from aisecops_langchain.runtime.policies.in_force import PolicyInForce
from aisecops_langchain.runtime.ports import Charge


class Spending:
    """Asks budgets about steps.

    Args:
        policy: Sets the bounds.
        effects: Knows what a step was charged with before.
        budgets: Counts what calls use.
        authority: Knows what delegators left over.
    """

    def __init__(self, policy: PolicyInForce, effects: Effects, budgets: Budgets, authority: Authority) -> None:
        self._policy = policy
        self._effects = effects
        self._budgets = budgets
        self._authority = authority

    def charges(self, case: Case, decision: Decision, *, approved: bool) -> tuple[Charge, ...]:
        """Tell what the first permit of a step is charged with.

        Args:
            case: The step.
            decision: What policy answered.
            approved: Whether a person said yes to it.

        Returns:
            The charges; none where there are no bounds.
        """
        bounds = self._policy.bounds
        if not bounds:
            return ()
        return self._budgets.charges(bounds, self._demand(case), decision, approved=approved)

    def usage(self, case: Case) -> Usage | None:
        """Read what was used so far, without what this very step was charged with when it was first permitted.

        Args:
            case: The step.

        Returns:
            The usage, or ``None`` where there are no bounds.

        Raises:
            LedgerError: If the ledger cannot be read.
        """
        bounds = self._policy.bounds
        if not bounds:
            return None
        known = self._effects.reserved_here(case.key) or self._effects.read(case.key)
        own = known.record.charges if known else ()
        return self._budgets.usage(bounds, self._demand(case), own)

    def _demand(self, case: Case) -> Demand:
        proposal, scope = case.proposal, case.scope
        call = proposal.step.call
        profile = self._policy.profile(call.tool, proposal.step.profile)
        ceilings = self._authority.ceilings(scope.principal)
        return Demand(tool=call.tool, arguments=call.arguments(), profile=profile, scope=scope, ceilings=ceilings)
