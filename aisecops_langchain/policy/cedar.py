"""Cedar policies as a policy engine, behind the extra ``cedar``.

Invariant: Cedar skips a policy that errs, a prohibition too; here any error denies. A schema is demanded, every policy
and every request is checked against it, and what Cedar cannot represent (fractions, null, larger integers) denies.

A request is laid out as ``Agent::"<agent>"``, ``Action::"<tool>"``, ``Tenant::"<tenant>"`` with the context ``args``,
``user``, ``integrity``, ``confidentiality`` and ``labels`` (per argument, its integrity). A ``permit`` with the
annotation ``@effect("require_approval")`` asks a person. ``@id`` names a policy in decisions.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

import orjson

from aisecops_langchain.domain.decision import Decision, DecisionRequest, Effect
from aisecops_langchain.errors import ConfigurationError, PolicyError
from aisecops_langchain.policy.external import ExternalEngine, engine_digest
from aisecops_langchain.policy.model import Limits, Risk

if TYPE_CHECKING:
    import cedarpy

_APPROVAL: Final = Effect.REQUIRE_APPROVAL.value
_ESCAPES: Final = (b'"__entity"', b'"__extn"', b'"__expr"')
"""Keys by which Cedar's JSON smuggles in other kinds of values."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CedarPolicy(ExternalEngine):
    """A policy engine over Cedar; make one with ``CedarPolicy.parse``."""

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
        return cls(
            id=name,
            digest=engine_digest(
                "cedar", [policies, schema, name], agents=agents, tools=tools, limits=bounds, reveal=reveal
            ),
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

    def _answer(self, request: DecisionRequest) -> Decision:
        import cedarpy  # noqa: PLC0415 - an extra

        if any(escape in request.call.arguments_json for escape in _ESCAPES):
            return self._refuse(request, "engine_error", "an argument holds a key that Cedar would interpret")
        answer = cedarpy.is_authorized(_laid_out(request), self.policies, [], self.schema)
        if answer.diagnostics.errors:  # their words may hold values
            return self._refuse(request, "rule_error", "the policy could not be evaluated on this request")
        deciding = sorted(answer.diagnostics.reasons)
        if answer.decision is not cedarpy.Decision.Allow:
            return self._decision(request, Effect.DENY, self._named(deciding))
        asks = [key for key in deciding if key in self.asking]
        return self._decision(request, Effect.REQUIRE_APPROVAL if asks else Effect.ALLOW, self._named(asks or deciding))

    def _named(self, keys: Iterable[str]) -> list[str]:
        return [self.names[key] for key in keys]

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
