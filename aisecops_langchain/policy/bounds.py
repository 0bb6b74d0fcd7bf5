"""Budgets and chain risk: what bounds a call beside the rules.

Invariant: bounds only ever restrict a decision. A call whose demand cannot be told (an amount that is no number, a
negative amount, a usage that nobody counted) is denied.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aisecops_langchain.canonical import JsonValue
from aisecops_langchain.domain.approval import DEFAULT_REQUIREMENT, joined
from aisecops_langchain.domain.decision import Decision, DecisionRequest, Effect, Reason, Stage
from aisecops_langchain.domain.effects import ToolProfile
from aisecops_langchain.domain.usage import MICRO, MILLI, ChainStep, Share, Usage
from aisecops_langchain.policy.bounds_model import Beyond, Budget, ChainRisk, Measure
from aisecops_langchain.policy.demand import DemandError, demand_of

RISK_RANKS: Final = ("low", "medium", "high", "critical")
"""Risk classes from the least; their place is their rank."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The budgets and the chain risk of a bundle."""

    budgets: Mapping[str, Budget]
    chain: ChainRisk | None

    def __bool__(self) -> bool:
        return bool(self.budgets) or self.chain is not None

    @property
    def asks_approval(self) -> bool:
        """Whether a bound may ask for a person."""
        asking = any(item.beyond is Beyond.REQUIRE_APPROVAL for item in self.budgets.values())
        return asking or (self.chain is not None and self.chain.approval_at is not None)

    def applicable(self, tool: str) -> dict[str, Budget]:
        """Return the budgets that a call of a tool draws on, by id."""
        return {name: item for name, item in self.budgets.items() if not item.tools or tool in item.tools}

    def restrict(
        self, decision: Decision, request: DecisionRequest, arguments: Mapping[str, JsonValue], profile: ToolProfile
    ) -> Decision:
        """Hold a decision against the bounds.

        Args:
            decision: What the rules say.
            request: What was asked, with the usage so far.
            arguments: The call's arguments.
            profile: What the tool does.

        Returns:
            The same decision, or a stricter one, with what the call demands of each budget and its chain step.
        """
        if decision.effect is Effect.DENY:
            return decision
        usage = request.usage
        if usage is None:
            return _stricter(decision, Effect.DENY, [_reason("usage_unknown", "nobody counted what was used so far")])
        try:
            demand = demand_of(self.applicable(request.call.tool), usage, arguments, profile)
        except DemandError as error:
            return _stricter(decision, Effect.DENY, [_reason("demand_unknown", str(error))])
        step = self._step(decision, request, usage)
        shares = self._shares(demand, usage)
        denied, asked = self._overdrawn(demand, usage, step)
        denied += _above(shares, usage)
        made = decision.model_copy(update={"demand": demand, "chain": step, "shares": shares})
        if denied:
            return _stricter(made, Effect.DENY, denied)
        return _stricter(made, Effect.REQUIRE_APPROVAL, asked) if asked else made

    def _shares(self, demand: Mapping[str, int], usage: Usage) -> tuple[Share, ...]:
        """What counts towards the budget counts towards the ceilings; for recipients each link has seen others."""
        return tuple(
            Share(
                warrant=item.warrant,
                budget=item.budget,
                limit=item.limit,
                amount=item.fresh if self.budgets[item.budget].measure is Measure.RECIPIENTS else demand[item.budget],
            )
            for item in usage.ceilings
            if item.budget in demand
        )

    def _step(self, decision: Decision, request: DecisionRequest, usage: Usage) -> ChainStep | None:
        chain = self.chain
        if chain is None:
            return None
        weight, rank = chain.weights[decision.risk], RISK_RANKS.index(decision.risk)
        escalation = chain.escalation if 0 <= usage.worst < rank else 1.0
        trust = chain.trust[request.context.integrity]
        stress = 1 + (chain.stress - 1) * self._fullest(usage)
        added = math.ceil(weight * escalation * trust * stress * MILLI)
        return ChainStep(
            step=weight, escalation=escalation, trust=trust, stress=stress, added=added, total=usage.risk + added
        )

    def _fullest(self, usage: Usage) -> float:
        shares = (usage.used.get(name, 0) / limit_of(item) for name, item in self.budgets.items())
        return min(max(shares, default=0.0), 1.0)

    def _overdrawn(
        self, demand: Mapping[str, int], usage: Usage, step: ChainStep | None
    ) -> tuple[list[Reason], list[Reason]]:
        denied: list[Reason] = []
        asked: list[Reason] = []
        for name, amount in demand.items():
            budget, used = self.budgets[name], usage.used.get(name, 0)
            spent = used >= limit_of(budget) if is_metered(budget) else used + amount > limit_of(budget)
            if spent:
                reason = _reason("budget_exceeded", f"the call goes beyond budget {name!r}")
                (asked if budget.beyond is Beyond.REQUIRE_APPROVAL else denied).append(reason)
        if self.chain is not None and step is not None:
            if step.total > self.chain.halt_at * MILLI:
                denied.append(_reason("chain_halted", "the risk of this chain of calls is too high to go on"))
            elif self.chain.approval_at is not None and step.total >= self.chain.approval_at * MILLI:
                asked.append(_reason("chain_risk", "the risk of this chain of calls needs a person"))
        return denied, asked


def _above(shares: tuple[Share, ...], usage: Usage) -> list[Reason]:
    used = {(item.warrant, item.budget): item.used for item in usage.ceilings}
    return [
        _reason("ceiling_exceeded", f"the call goes beyond the warrant's ceiling for {share.budget!r}")
        for share in shares
        if used[share.warrant, share.budget] + share.amount > share.limit
    ]


CEILED: Final = (Measure.CALLS, Measure.WRITES, Measure.SPEND, Measure.RECIPIENTS)
"""Measures that a warrant may put a ceiling on; its end bounds the time, and tokens are no act of the call."""


def limit_of(budget: Budget) -> int:
    """Return a budget's limit in the smallest unit of its measure."""
    return math.floor(budget.limit * MICRO) if budget.measure is Measure.SPEND else int(budget.limit)


def is_metered(budget: Budget) -> bool:
    """Whether a budget is filled by a meter outside the call: the model's tokens, the clock."""
    return budget.measure in (Measure.TOKENS, Measure.SECONDS)


NO_BOUNDS: Final = Bounds({}, None)
"""The bounds of a policy that has none."""


def _reason(code: str, message: str) -> Reason:
    return Reason(code=code, message=message)


def _stricter(decision: Decision, effect: Effect, reasons: list[Reason]) -> Decision:
    """Restrict a decision; one that asks for a person keeps its own reasons, and no grant answers the new ones."""
    obligations = frozenset() if effect is Effect.DENY else decision.obligations
    approvals = joined((*decision.approvals, DEFAULT_REQUIREMENT)) if effect is Effect.REQUIRE_APPROVAL else ()
    return decision.model_copy(
        update={
            "approvals": approvals,
            "effect": effect,
            "stage": Stage.BOUNDS,
            "reasons": (*reasons, *decision.reasons),
            "obligations": obligations,
            "grants": None,
        }
    )
