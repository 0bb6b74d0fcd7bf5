"""What asking the model costs: whether it may be asked once more, and what it used.

Invariant: a refusal to ask is on record, and what was used is counted before the answer is acted on.
"""

from __future__ import annotations

from aisecops_langchain.domain.events import BudgetExhausted
from aisecops_langchain.domain.scope import Scope
from aisecops_langchain.runtime.decisions.budgets import Budgets
from aisecops_langchain.runtime.policies.in_force import PolicyInForce
from aisecops_langchain.runtime.recorder import Recorder


class ModelUse:
    """Meters a model.

    Args:
        budgets: Counts.
        policy: Sets the bounds.
        recorder: Records refusals.
    """

    def __init__(self, budgets: Budgets, policy: PolicyInForce, recorder: Recorder) -> None:
        self._budgets = budgets
        self._policy = policy
        self._recorder = recorder

    def may_ask(self, scope: Scope) -> bool:
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
