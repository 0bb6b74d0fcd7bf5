"""How far a run may still go: after refusals, after what its model used, after a stop.

Invariant: what is counted is counted in the ledger before the answer is given, so that no restart makes a run younger.
"""

from __future__ import annotations

from aisecops_langchain.domain.events import BudgetExhausted
from aisecops_langchain.domain.scope import Scope
from aisecops_langchain.runtime.decisions.authority import Authority
from aisecops_langchain.runtime.decisions.budgets import Budgets
from aisecops_langchain.runtime.decisions.insistence import Insistence
from aisecops_langchain.runtime.policies.in_force import PolicyInForce
from aisecops_langchain.runtime.recorder import Recorder


class Oversight:
    """Watches over runs.

    Args:
        policy: Sets limits and budgets.
        authority: Knows what was stopped.
        insistence: Counts refusals.
        budgets: Count what models use.
        recorder: Writes what is used up.
    """

    def __init__(
        self,
        policy: PolicyInForce,
        authority: Authority,
        insistence: Insistence,
        budgets: Budgets,
        recorder: Recorder,
    ) -> None:
        self._policy = policy
        self._authority = authority
        self._insistence = insistence
        self._budgets = budgets
        self._recorder = recorder

    def must_stop(self, scope: Scope, call: str) -> bool:
        """Count a denied call, and tell whether the run has insisted too often.

        Args:
            scope: Where it was denied.
            call: Digest of the call, or of what was proposed in its place.

        Returns:
            Whether the same call, or calls of this run altogether, were denied more often than policy bears, or a
            person stopped it.

        Raises:
            LedgerError: If it could not be counted.
        """
        return self._authority.stopped(scope) or self._insistence.is_too_much(scope, call, self._policy.limits)

    def may_ask_model(self, scope: Scope) -> bool:
        """Tell whether the model may be asked once more, and record it if not.

        Args:
            scope: Where.

        Returns:
            Whether no budget of tokens is used up.

        Raises:
            LedgerError: If that cannot be told.
            AuditWriteError: If it could not be recorded.
        """
        spent = self._budgets.metered_out(self._policy.bounds, scope)
        if spent:
            self._recorder.record(BudgetExhausted, scope, *spent, budgets=spent)
        return not spent

    def meter(self, scope: Scope, tokens: int) -> None:
        """Count what the model used.

        Args:
            scope: Where.
            tokens: How many tokens, as the model reports them.

        Raises:
            LedgerError: If they could not be counted.
        """
        self._budgets.meter(self._policy.bounds, scope, tokens)
