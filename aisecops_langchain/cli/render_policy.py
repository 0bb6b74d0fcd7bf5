"""Shows to people how a policy comes to its decision.

Invariant: the decision comes first and is the one that the policy gives; text from the bundle is never interpreted.
"""

from __future__ import annotations

from typing import Final

from rich.console import Console

from aisecops_langchain.cli.render_log import line
from aisecops_langchain.domain.decision import DecisionRequest, Effect
from aisecops_langchain.forensics.text import call_text, name, said, short
from aisecops_langchain.policy import CapabilityResult, ConditionResult, Explanation, RuleResult

_STYLES: Final = {Effect.ALLOW: "green", Effect.REQUIRE_APPROVAL: "yellow", Effect.DENY: "red"}


def show_explanation(out: Console, request: DecisionRequest, explanation: Explanation) -> None:
    """Show a decision and its reason chain.

    Args:
        out: Where to.
        request: What was asked.
        explanation: What the policy answered.
    """
    decision = explanation.decision
    call = call_text(request.call.tool, request.call.arguments())
    agent = name(request.principal.agent)
    out.print(line(f"{decision.effect.upper()} for agent {agent}: {call}", f"bold {_STYLES[decision.effect]}"))
    out.print(
        line(f"Policy {short(decision.policy)}, settled at the {decision.stage} gate, risk {name(decision.risk)}")
    )
    for reason in decision.reasons:
        out.print(line(f"  {name(reason.code)}: {said(reason.message)}"))
    if decision.obligations:
        out.print(line(f"Obligations: {', '.join(sorted(decision.obligations))}"))
    for requirement in decision.approvals:
        of = f" (rule {name(requirement.rule)})" if requirement.rule else ""
        out.print(line(f"A yes takes {said(requirement.in_words())}{of}"))
    for capability in explanation.capabilities:
        _show_capability(out, capability)
    for rule in explanation.rules:
        _show_rule(out, rule)
    out.print(line(f"Combined: {said(explanation.combination)}"))


def _show_capability(out: Console, capability: CapabilityResult) -> None:
    if not capability.held:
        state = "not held by the agent"
    else:
        state = "grants the call" if capability.granted else "held, but does not grant this call"
    out.print(line(f"Capability {name(capability.id)} (risk {name(capability.risk)}): {state}"))
    for constraint in capability.constraints:
        held = "holds" if constraint.fault is None else f"fails: {said(constraint.fault)}"
        out.print(line(f"  {said(constraint.constraint)}: {held}"))


def _show_rule(out: Console, rule: RuleResult) -> None:
    outcome = rule.outcome.replace("_", " ")
    fault = f": {said(rule.fault)}" if rule.fault else ""
    out.print(line(f"Rule {name(rule.id)} ({rule.effect}): {outcome}{fault}"))
    if rule.condition is not None:
        _show_condition(out, rule.condition, depth=1)


def _show_condition(out: Console, condition: ConditionResult, *, depth: int) -> None:
    outcome = condition.outcome.replace("_", " ")
    fault = f": {said(condition.fault)}" if condition.fault else ""
    out.print(line(f"{'  ' * depth}{said(condition.condition)}: {outcome}{fault}"))
    for part in condition.parts:
        _show_condition(out, part, depth=depth + 1)
