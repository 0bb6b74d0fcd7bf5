"""What a sound bundle may still have wrong with it: rules that never decide, rights that nobody has.

Invariant: every finding is certain; a bundle without findings may still not say what its author meant.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.domain.decision import Effect
from aisecops_langchain.policy.compiled import CompiledRule, Gate
from aisecops_langchain.policy.engine import Policy
from aisecops_langchain.policy.model import Bundle
from aisecops_langchain.policy.reachability import STRONGER, condition_implies


class Severity(StrEnum):
    """How sure it is that a finding is a mistake."""

    ERROR = "error"
    """The bundle contradicts itself."""
    WARNING = "warning"
    """Something has no effect; it may be meant so."""


class Finding(Frozen):
    """One thing that a reader of the bundle should look at."""

    severity: Severity
    code: str
    """``shadowed_rule``, ``late_escalation``, ``idle_ttl``, ``unheld_capability``, ``uncovered_tool`` or
    ``powerless_agent``."""
    subject: str
    """Name of the rule, capability, tool or agent."""
    message: str


def find(policy: Policy) -> tuple[Finding, ...]:
    """Look a loaded policy over.

    Args:
        policy: The policy.

    Returns:
        The findings, errors first.
    """
    bundle = Bundle.model_validate_json(policy.bundle_json(), strict=True)
    return (
        *_shadowed(policy),
        *_late_escalation(bundle),
        *_idle_ttl(bundle),
        *_unheld(bundle),
        *_uncovered(policy),
        *_powerless(policy, bundle),
    )


def _shadowed(policy: Policy) -> Iterator[Finding]:
    """Rules that, wherever they stand, always match together with a stronger one."""
    gates: dict[str, list[Gate]] = {}
    rules: dict[str, CompiledRule] = {}
    for by_tool in policy.index.gates.values():
        for gate in by_tool.values():
            for rule in gate.rules:
                gates.setdefault(rule.id, []).append(gate)
                rules[rule.id] = rule
    for name, rule in sorted(rules.items()):
        over = [_overriding(rule, gate) for gate in gates[name]]
        if all(over):
            by = ", ".join(sorted(set(over)))
            message = f"rule {name!r} never decides: whenever it matches, so does {by}, which is stronger"
            yield Finding(severity=Severity.ERROR, code="shadowed_rule", subject=name, message=message)


def _overriding(rule: CompiledRule, gate: Gate) -> str:
    for other in gate.rules:
        if other.effect in STRONGER[rule.effect] and condition_implies(rule.condition, other.condition):
            return other.id
    return ""


def _late_escalation(bundle: Bundle) -> Iterator[Finding]:
    longest = bundle.limits.approval_ttl_seconds
    for rule in bundle.rules:
        late = rule.approval.escalate if rule.approval else None
        if late is not None and late.after_seconds >= longest:
            message = f"rule {rule.id!r} never escalates: its requests expire after {longest} seconds (limits)"
            yield Finding(severity=Severity.ERROR, code="late_escalation", subject=rule.id, message=message)


def _idle_ttl(bundle: Bundle) -> Iterator[Finding]:
    longest = bundle.limits.approval_ttl_seconds
    for rule in bundle.rules:
        ttl = rule.approval.ttl_seconds if rule.approval else None
        if ttl is not None and ttl > longest:
            message = f"rule {rule.id!r} would let requests wait longer than limits do: {longest} seconds count"
            yield Finding(severity=Severity.WARNING, code="idle_ttl", subject=rule.id, message=message)


def _unheld(bundle: Bundle) -> Iterator[Finding]:
    held = {name for agent in bundle.agents.values() for name in agent.capabilities}
    for name in sorted(bundle.capabilities.keys() - held):
        message = f"no agent holds capability {name!r}, so nobody can use it"
        yield Finding(severity=Severity.WARNING, code="unheld_capability", subject=name, message=message)


def _uncovered(policy: Policy) -> Iterator[Finding]:
    for tool in sorted(policy.tools):
        gates = [by_tool[tool] for by_tool in policy.index.gates.values() if tool in by_tool]
        if gates and not any(_can_pass(gate) for gate in gates):
            message = f"no rule allows tool {tool!r} or asks a person about it, so every call of it is denied"
            yield Finding(severity=Severity.WARNING, code="uncovered_tool", subject=tool, message=message)


def _powerless(policy: Policy, bundle: Bundle) -> Iterator[Finding]:
    for name in sorted(bundle.agents):
        if not any(_can_pass(gate) for gate in policy.index.gates[name].values()):
            message = f"agent {name!r} can do nothing: no capability of it meets a rule that allows or asks"
            yield Finding(severity=Severity.WARNING, code="powerless_agent", subject=name, message=message)


def _can_pass(gate: Gate) -> bool:
    return any(rule.effect is not Effect.DENY for rule in gate.rules)
