"""What engines of other policy languages share: who and what they know, and the words of their decisions.

Invariant: whatever an engine raises is a deny; an agent or a tool that it does not know is denied before it is asked.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from aisecops_langchain.canonical import digest
from aisecops_langchain.domain.decision import Decision, DecisionRequest, Effect, Reason, Stage
from aisecops_langchain.policy.model import Limits, Risk

_DEFAULT_DENY = Reason(code="default_deny", message="no rule matched, and what no rule allows is denied")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExternalEngine(ABC):
    """Base of the engines; a subclass says how a request that may be asked about is answered."""

    id: str
    digest: str
    agents: frozenset[str]
    tools: frozenset[str]
    limits: Limits
    reveal: frozenset[str]
    risks: Mapping[str, Risk]

    @abstractmethod
    def _answer(self, request: DecisionRequest) -> Decision:
        """Answer a request of a known agent for a known tool; may raise anything."""

    def decide(self, request: DecisionRequest) -> Decision:
        """Decide a request. Never raises: what cannot be evaluated is denied with code ``engine_error``.

        Args:
            request: What is asked.

        Returns:
            The decision.
        """
        try:
            if request.principal.agent not in self.agents:
                return self._refuse(request, "unknown_agent", "the agent is not in the policy")
            if request.call.tool not in self.tools:
                return self._refuse(request, "no_capability", "the policy does not know this tool")
            return self._answer(request)
        except Exception as error:  # noqa: BLE001 - code that cannot decide answers deny
            return self._refuse(request, "engine_error", f"the request could not be evaluated: {type(error).__name__}")

    def _decision(self, request: DecisionRequest, effect: Effect, matched: Iterable[str]) -> Decision:
        rules = tuple(sorted(matched))
        reasons = [Reason(code="rule", message=f"rule {rule!r} matched: {effect.value}", rule=rule) for rule in rules]
        return Decision(
            effect=effect,
            stage=Stage.RULES,
            policy=self.digest,
            capability=request.call.tool,
            risk=self.risk(request.call.tool),
            rules=rules,
            reasons=tuple(reasons) or (_DEFAULT_DENY,),
        )

    def _refuse(self, request: DecisionRequest, code: str, message: str) -> Decision:
        return Decision(
            effect=Effect.DENY,
            stage=Stage.CAPABILITY,
            policy=self.digest,
            risk=self.risk(request.call.tool),
            reasons=(Reason(code=code, message=message),),
        )

    def idempotent(self, tool: str) -> bool:  # noqa: ARG002 - the language does not say, so the worst is assumed
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


def engine_digest(
    language: str,
    sources: Collection[JsonValue],
    *,
    agents: Collection[str],
    tools: Mapping[str, Risk],
    limits: Limits,
    reveal: Collection[str],
) -> str:
    """Name everything that an engine's answers depend on.

    Args:
        language: The policy language.
        sources: The policy's text, and what else is written in or about it.
        agents: The agents that may act.
        tools: The tools, with their risk.
        limits: Bounds that the runtime enforces.
        reveal: What the log may show.

    Returns:
        The digest.
    """
    known: list[JsonValue] = [[*sorted(agents)], {tool: risk.value for tool, risk in tools.items()}]
    content: JsonValue = [*sources, *known, limits.model_dump(mode="json"), [*sorted(reveal)]]
    return digest("policy", [language, content])
