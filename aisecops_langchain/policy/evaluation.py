"""The one evaluation behind ``decide`` and ``explain``: capability gate, argument constraints, rules, combination.

Invariant: a call is allowed only if a held capability grants it, an allow rule matches, and no rule denies, asks for
approval or errs. Every other way out of here is a deny or a request for approval.
"""

from __future__ import annotations

from typing import NamedTuple

from pydantic import JsonValue

from aisecops_langchain.domain.approval import ApprovalRequirement, joined
from aisecops_langchain.domain.decision import Decision, DecisionRequest, Effect, Reason, Stage
from aisecops_langchain.domain.effects import UNDECLARED
from aisecops_langchain.domain.grant import tightest
from aisecops_langchain.errors import InvalidCallError
from aisecops_langchain.policy.attributes import Facts
from aisecops_langchain.policy.compiled import (
    MAX_COMBINED,
    CapabilityCheck,
    CompiledCapability,
    CompiledRule,
    Gate,
    Index,
    Judgement,
)
from aisecops_langchain.policy.values import EvaluationError


class Evaluation(NamedTuple):
    """A decision and everything that it rests on."""

    decision: Decision
    checks: tuple[CapabilityCheck, ...] = ()
    facts: Facts | None = None
    """What the rules saw; none if an earlier gate denied."""
    judgements: tuple[Judgement, ...] = ()


def evaluate(index: Index, request: DecisionRequest) -> Evaluation:
    """Decide a request.

    Args:
        index: The compiled policy.
        request: What is asked.

    Returns:
        The decision with its grounds.

    Raises:
        Exception: Whatever a malformed request causes; callers answer with ``engine_error``.
    """
    agent, tool = request.principal.agent, request.call.tool
    gates = index.gates.get(agent)
    if gates is None:
        return _refused(
            index, tool, Stage.CAPABILITY, _reason("unknown_agent", f"agent {agent!r} is not in the policy")
        )
    gate = gates.get(tool)
    if gate is None:
        message = f"no capability of agent {agent!r} covers this tool"
        return _refused(index, tool, Stage.CAPABILITY, _reason("no_capability", message))
    arguments = _arguments(request)
    checks = gate.check(arguments)
    granted = gate.capabilities if checks is gate.all_met else [item for item, violated in checks if not violated]
    if not granted:
        reasons = tuple(reason for check in checks for reason in check.violations)
        return _refused(index, tool, Stage.ARGUMENTS, *reasons)._replace(checks=checks)
    capability = granted[0]
    names = gate.names if granted is gate.capabilities else frozenset(item.id for item in granted)
    profile = gate.profile or request.profile or UNDECLARED
    facts = Facts(request, arguments, capability.id, capability.risk, names, profile)
    judgements = judge(gate, facts)
    return Evaluation(_decision(index.digest, gate, capability, judgements), checks, facts, judgements)


def judge(gate: Gate, facts: Facts) -> tuple[Judgement, ...]:
    """Ask every rule.

    Args:
        gate: Holds the rules for the agent and the tool.
        facts: What they see.

    Returns:
        Those that matched or erred, by id.
    """
    judged = []
    for holds, matched in gate.questions:
        try:
            if holds(facts):
                judged.append(matched)
        except EvaluationError as error:
            judged.append(_erred(matched.rule, error.message))
        except Exception as error:  # noqa: BLE001 - a rule that errs denies, whatever was raised
            judged.append(_erred(matched.rule, type(error).__name__))
    return tuple(judged)


def engine_error(index: Index, error: Exception) -> Decision:
    """Answer a request that could not be evaluated.

    Args:
        index: The compiled policy.
        error: What was raised; only its type is told.

    Returns:
        A deny.
    """
    reason = _reason("engine_error", f"the request could not be evaluated: {type(error).__name__}")
    return Decision(effect=Effect.DENY, stage=Stage.CAPABILITY, policy=index.digest, risk="critical", reasons=(reason,))


def _arguments(request: DecisionRequest) -> dict[str, JsonValue]:
    """A request read back from a log may hold anything; a list would answer ``in`` with its items."""
    arguments: JsonValue = request.call.arguments()
    if not isinstance(arguments, dict):
        raise InvalidCallError("arguments are not an object", expected="a JSON object", got=type(arguments).__name__)
    return arguments


def _erred(rule: CompiledRule, fault: str) -> Judgement:
    reason = Reason(code="rule_error", message=f"rule {rule.id!r} could not be evaluated: {fault}", rule=rule.id)
    return Judgement(rule, Effect.DENY, reason)


def _refused(index: Index, tool: str, stage: Stage, *reasons: Reason) -> Evaluation:
    return Evaluation(
        Decision(effect=Effect.DENY, stage=stage, policy=index.digest, risk=index.risk(tool), reasons=reasons)
    )


def _decision(policy: str, gate: Gate, capability: CompiledCapability, judgements: tuple[Judgement, ...]) -> Decision:
    """Reuse the decision on the same grounds; it is frozen, and building it costs more than asking the rules."""
    for judgement in judgements:
        if judgement.reason is not judgement.rule.matched:
            return _combine(policy, capability, judgements)  # an error's words differ from request to request
    grounds = (capability.id, *[judgement.rule.id for judgement in judgements])
    known = gate.combined.get(grounds)
    if known is not None:
        return known
    made = _combine(policy, capability, judgements)
    if len(gate.combined) < MAX_COMBINED:
        gate.combined[grounds] = made
    return made


def _combine(policy: str, capability: CompiledCapability, judgements: tuple[Judgement, ...]) -> Decision:
    effects = {judgement.effect for judgement in judgements}
    effect = next((effect for effect in _STRONGEST_FIRST if effect in effects), Effect.DENY)
    obligations = [judgement.rule.obligations for judgement in judgements if effect is not Effect.DENY]
    asking = [judgement.rule.grants for judgement in judgements if judgement.effect is Effect.REQUIRE_APPROVAL]
    decisive_first = sorted(judgements, key=lambda judgement: judgement.effect is not effect)
    return Decision(
        effect=effect,
        stage=Stage.RULES,
        policy=policy,
        capability=capability.id,
        risk=capability.risk,
        rules=tuple(judgement.rule.id for judgement in judgements),
        reasons=tuple(judgement.reason for judgement in decisive_first) or (_DEFAULT_DENY,),
        obligations=frozenset().union(*obligations),
        grants=tightest(asking) if effect is Effect.REQUIRE_APPROVAL else None,
        approvals=_approvals(judgements) if effect is Effect.REQUIRE_APPROVAL else (),
    )


def _approvals(judgements: tuple[Judgement, ...]) -> tuple[ApprovalRequirement, ...]:
    return joined(judgement.rule.approval for judgement in judgements if judgement.effect is Effect.REQUIRE_APPROVAL)


def _reason(code: str, message: str) -> Reason:
    return Reason(code=code, message=message)


_DEFAULT_DENY = _reason("default_deny", "no rule matched, and what no rule allows is denied")
_STRONGEST_FIRST = (Effect.DENY, Effect.REQUIRE_APPROVAL, Effect.ALLOW)
