"""The whole reason chain of a decision, for people and programs.

Invariant: it is derived from the evaluation that made the decision, so the two cannot disagree; it runs and writes
nothing, and shows what policy says, never an argument's value.
"""

from __future__ import annotations

from enum import StrEnum

from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.domain.decision import Decision, DecisionRequest, Effect
from aisecops_langchain.policy.attributes import Facts
from aisecops_langchain.policy.compiled import CapabilityCheck, CompiledCapability, CompiledRule, Index, Judgement
from aisecops_langchain.policy.conditions import Condition, Group, Predicate
from aisecops_langchain.policy.evaluation import Evaluation
from aisecops_langchain.policy.values import EvaluationError


class Outcome(StrEnum):
    """What became of a rule or a condition."""

    MATCHED = "matched"
    NOT_MATCHED = "not_matched"
    ERRED = "erred"


class ConstraintResult(Frozen):
    """One argument constraint of a held capability."""

    constraint: str
    fault: str | None = None
    """Why it does not hold; none if it does."""


class CapabilityResult(Frozen):
    """One capability that grants the tool to somebody."""

    id: str
    risk: str
    held: bool
    """Whether the agent holds it."""
    granted: bool
    """Whether it grants this call."""
    constraints: tuple[ConstraintResult, ...] = ()


class ConditionResult(Frozen):
    """One condition, with its parts if it is ``all``, ``any`` or ``not``."""

    condition: str
    outcome: Outcome
    fault: str | None = None
    parts: tuple[ConditionResult, ...] = ()


class RuleResult(Frozen):
    """One rule for the agent and the tool."""

    id: str
    effect: Effect
    description: str
    outcome: Outcome
    fault: str | None = None
    condition: ConditionResult | None = None
    """None if the rule has no condition."""


class Explanation(Frozen):
    """Every step that led to a decision."""

    agent: str
    tool: str
    capabilities: tuple[CapabilityResult, ...] = ()
    rules: tuple[RuleResult, ...] = ()
    """Empty if the capability gate or a constraint denied before any rule was asked."""
    combination: str
    decision: Decision


def explain(index: Index, request: DecisionRequest, evaluation: Evaluation) -> Explanation:
    """Lay out an evaluation.

    Args:
        index: The policy that evaluated.
        request: What was asked.
        evaluation: What came of it.

    Returns:
        The explanation.
    """
    agent, tool = request.principal.agent, request.call.tool
    held = {check.capability.id: check for check in evaluation.checks}
    return Explanation(
        agent=agent,
        tool=tool,
        capabilities=tuple(_capability(item, held.get(item.id)) for item in index.granting.get(tool, ())),
        rules=_rules(index, evaluation.facts, evaluation.judgements),
        combination=_combination(evaluation),
        decision=evaluation.decision,
    )


def unexplained(decision: Decision) -> Explanation:
    """Wrap the decision on a request that could not be evaluated.

    Args:
        decision: The ``engine_error`` deny.

    Returns:
        An explanation without steps.
    """
    return Explanation(agent="", tool="", combination="nothing was evaluated, so deny", decision=decision)


def _capability(capability: CompiledCapability, check: CapabilityCheck | None) -> CapabilityResult:
    if check is None:
        return CapabilityResult(id=capability.id, risk=capability.risk, held=False, granted=False)
    violated = check.violations
    return CapabilityResult(
        id=capability.id,
        risk=capability.risk,
        held=True,
        granted=not violated,
        constraints=tuple(
            ConstraintResult(
                constraint=item.text,
                fault=next((reason.message for reason in violated if reason in (item.missing, item.violated)), None),
            )
            for item in capability.constraints
        ),
    )


def _rules(index: Index, facts: Facts | None, judgements: tuple[Judgement, ...]) -> tuple[RuleResult, ...]:
    if facts is None:
        return ()
    judged = {judgement.rule.id: judgement for judgement in judgements}
    gate = index.gates[facts.request.principal.agent][facts.request.call.tool]
    return tuple(_rule(rule, judged.get(rule.id), facts) for rule in gate.rules)


def _rule(rule: CompiledRule, judgement: Judgement | None, facts: Facts) -> RuleResult:
    erred = judgement is not None and judgement.reason is not rule.matched
    return RuleResult(
        id=rule.id,
        effect=rule.effect,
        description=rule.description,
        outcome=Outcome.NOT_MATCHED if judgement is None else Outcome.ERRED if erred else Outcome.MATCHED,
        fault=judgement.reason.message if judgement is not None and erred else None,
        condition=_condition(rule.condition, facts) if rule.condition is not None else None,
    )


def _condition(condition: Condition, facts: Facts) -> ConditionResult:
    outcome, fault = _ask(condition.holds, facts)
    parts = condition.parts if isinstance(condition, Group) else ()
    return ConditionResult(
        condition=condition.text,
        outcome=outcome,
        fault=fault,
        parts=tuple(_condition(part, facts) for part in parts),
    )


def _ask(holds: Predicate, facts: Facts) -> tuple[Outcome, str | None]:
    try:
        return (Outcome.MATCHED if holds(facts) else Outcome.NOT_MATCHED), None
    except EvaluationError as error:
        return Outcome.ERRED, error.message


def _combination(evaluation: Evaluation) -> str:
    decision = evaluation.decision
    if evaluation.facts is None:
        return f"the {decision.stage.value} gate refused, so deny; no rule was asked"
    if not evaluation.judgements:
        return "no rule matched, so deny by default"
    deciding = [item.rule.id for item in evaluation.judgements if item.effect is decision.effect]
    return f"deny before require_approval before allow: {decision.effect.value} by {', '.join(deciding)}"
