"""Cedar policies as a policy engine, behind the extra ``cedar``.

Invariant: Cedar skips a policy that errs, a prohibition too; here any error denies. A schema is demanded, every policy
and every request is checked against it, and what Cedar cannot represent (fractions, null, larger integers) denies.

A request is laid out as ``Agent::"<agent>"``, ``Action::"<tool>"``, ``Tenant::"<tenant>"`` with the context ``args``,
``user``, ``integrity``, ``confidentiality`` and ``labels`` (per argument, its integrity). A ``permit`` with the
annotation ``@effect("require_approval")`` asks a person. ``@id`` names a policy in decisions.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

import orjson
from pydantic import JsonValue

from aisecops_langchain.canonical import digest
from aisecops_langchain.domain.decision import Decision, DecisionRequest, Effect, Reason, Stage
from aisecops_langchain.errors import ConfigurationError, PolicyError
from aisecops_langchain.policy.model import Limits, Risk

if TYPE_CHECKING:
    import cedarpy

_APPROVAL: Final = Effect.REQUIRE_APPROVAL.value
_ESCAPES: Final = (b'"__entity"', b'"__extn"', b'"__expr"')
"""Keys by which Cedar's JSON smuggles in other kinds of values."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CedarPolicy:
    """A policy engine over Cedar; make one with ``CedarPolicy.parse``."""

    id: str
    digest: str
    agents: frozenset[str]
    tools: frozenset[str]
    limits: Limits
    reveal: frozenset[str]
    risks: Mapping[str, Risk]
    names: Mapping[str, str] = field(repr=False)
    """Name of each policy by Cedar's own id."""
    asking: frozenset[str] = field(repr=False)
    """Cedar's ids of the policies that ask a person."""
    policies: cedarpy.PolicySet = field(repr=False)
    schema: cedarpy.Schema = field(repr=False)

    @classmethod
    def parse(
        cls,
        policies: str,
        schema: str,
        *,
        name: str,
        agents: Collection[str],
        tools: Mapping[str, Risk],
        limits: Limits | None = None,
        reveal: Collection[str] = (),
    ) -> Self:
        """Parse and validate policies.

        Args:
            policies: Cedar policies.
            schema: Cedar schema, in Cedar's own syntax.
            name: Name of the policy.
            agents: The agents that may act at all.
            tools: The tools that may be called at all, with their risk.
            limits: Bounds that the runtime enforces.
            reveal: ``tool.argument`` entries whose values may be logged although they look like personal data.

        Returns:
            The engine.

        Raises:
            PolicyError: If the policies or the schema are not sound, or do not fit each other.
            ConfigurationError: If the extra is not installed.
        """
        try:
            import cedarpy  # noqa: PLC0415 - an extra
        except ImportError:
            raise ConfigurationError(
                "Cedar is not installed", expected="cedarpy", remedy="pip install 'aisecops-langchain[cedar]'"
            ) from None
        try:
            parsed, types = cedarpy.PolicySet.from_str(policies), cedarpy.Schema.from_str(schema)
            checked = cedarpy.validate_policies(policies, types)
            statements = orjson.loads(cedarpy.policies_to_json_str(policies))["staticPolicies"]
        except ValueError as error:
            raise PolicyError(f"Cedar policy or schema cannot be read: {error}", file=name) from None
        if not checked.validation_passed:
            raise PolicyError("; ".join(str(fault.error) for fault in checked.errors), file=name)
        bounds = limits or Limits()
        content: JsonValue = [
            policies,
            schema,
            name,
            [*sorted(agents)],
            {tool: risk.value for tool, risk in tools.items()},
            bounds.model_dump(mode="json"),
            [*sorted(reveal)],
        ]
        return cls(
            id=name,
            digest=digest("policy", ["cedar", content]),
            agents=frozenset(agents),
            tools=frozenset(tools),
            limits=bounds,
            reveal=frozenset(reveal),
            risks=dict(tools),
            names={key: item.get("annotations", {}).get("id", key) for key, item in statements.items()},
            asking=_asking(statements, name),
            policies=parsed,
            schema=types,
        )

    def decide(self, request: DecisionRequest) -> Decision:
        """Decide a request. Never raises: what cannot be evaluated is denied with code ``engine_error``.

        Args:
            request: What is asked.

        Returns:
            The decision.
        """
        try:
            return self._decide(request)
        except Exception as error:  # noqa: BLE001 - code that cannot decide answers deny
            return self._refuse(request, "engine_error", f"the request could not be evaluated: {type(error).__name__}")

    def _decide(self, request: DecisionRequest) -> Decision:
        import cedarpy  # noqa: PLC0415 - an extra

        if request.principal.agent not in self.agents:
            return self._refuse(request, "unknown_agent", "the agent is not in the policy")
        if request.call.tool not in self.tools:
            return self._refuse(request, "no_capability", "the policy does not know this tool")
        if any(escape in request.call.arguments_json for escape in _ESCAPES):
            return self._refuse(request, "engine_error", "an argument holds a key that Cedar would interpret")
        answer = cedarpy.is_authorized(_laid_out(request), self.policies, [], self.schema)
        if answer.diagnostics.errors:  # their words may hold values
            return self._refuse(request, "rule_error", "the policy could not be evaluated on this request")
        deciding = sorted(answer.diagnostics.reasons)
        if answer.decision is not cedarpy.Decision.Allow:
            return self._decision(request, Effect.DENY, deciding)
        asks = [key for key in deciding if key in self.asking]
        return self._decision(request, Effect.REQUIRE_APPROVAL if asks else Effect.ALLOW, asks or deciding)

    def _decision(self, request: DecisionRequest, effect: Effect, deciding: list[str]) -> Decision:
        rules = tuple(sorted(self.names[key] for key in deciding))
        reasons = [Reason(code="rule", message=f"rule {rule!r} matched: {effect.value}", rule=rule) for rule in rules]
        default = Reason(code="default_deny", message="no rule matched, and what no rule allows is denied")
        return Decision(
            effect=effect,
            stage=Stage.RULES,
            policy=self.digest,
            capability=request.call.tool,
            risk=self.risk(request.call.tool),
            rules=rules,
            reasons=tuple(reasons) or (default,),
        )

    def _refuse(self, request: DecisionRequest, code: str, message: str) -> Decision:
        return Decision(
            effect=Effect.DENY,
            stage=Stage.CAPABILITY,
            policy=self.digest,
            risk=self.risk(request.call.tool),
            reasons=(Reason(code=code, message=message),),
        )

    def idempotent(self, tool: str) -> bool:  # noqa: ARG002 - Cedar does not say, so the worst is assumed
        """Tell whether a tool may be run again after a crash: no.

        Args:
            tool: The tool's name.
        """
        return False

    def risk(self, tool: str) -> str:
        """Return the risk class of a tool.

        Args:
            tool: The tool's name.

        Returns:
            The risk; critical for a tool that the policy does not know.
        """
        return self.risks.get(tool, Risk.CRITICAL).value

    def requires_approval_possible(self) -> bool:
        """Tell whether any policy asks a person."""
        return bool(self.asking)


def _laid_out(request: DecisionRequest) -> dict[str, object]:
    labels = {name: request.arguments.get(name, request.context) for name in request.call.arguments()}
    return {
        "principal": {"type": "Agent", "id": request.principal.agent},
        "action": {"type": "Action", "id": request.call.tool},
        "resource": {"type": "Tenant", "id": request.principal.tenant},
        "context": {
            "args": request.call.arguments(),
            "user": request.principal.user,
            "integrity": request.context.integrity.value,
            "confidentiality": request.context.confidentiality.value,
            "labels": {name: label.integrity.value for name, label in labels.items()},
        },
    }


def _asking(statements: Mapping[str, Mapping[str, Mapping[str, str]]], name: str) -> frozenset[str]:
    """Find the policies that ask a person; any other effect, or one on a prohibition, is a mistake."""
    asking = set()
    for key, statement in statements.items():
        effect = statement.get("annotations", {}).get("effect")
        if effect is None:
            continue
        if effect != _APPROVAL or str(statement["effect"]) != "permit":
            raise PolicyError(f"{key}: @effect may only be {_APPROVAL!r}, on a permit", file=name)
        asking.add(key)
    return frozenset(asking)
