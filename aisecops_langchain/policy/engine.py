"""The policy decision point (NIST SP 800-162): a loaded policy that answers requests.

Invariant: pure and immutable; it performs no I/O, reads no clock, never raises on a request, and answers the same
request the same way for ever. It may be shared between threads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from aisecops_langchain.domain.decision import Decision, DecisionRequest, Effect
from aisecops_langchain.domain.effects import UNDECLARED, ToolProfile
from aisecops_langchain.domain.inspection import DEFAULT_INSPECTION, Inspection
from aisecops_langchain.policy.bounds import Bounds
from aisecops_langchain.policy.compiled import Index
from aisecops_langchain.policy.evaluation import Evaluation, engine_error, evaluate
from aisecops_langchain.policy.explain import Explanation, explain, unexplained
from aisecops_langchain.policy.model import Limits
from aisecops_langchain.policy.problems import UNKNOWN_ORIGIN, Origin


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Policy:
    """A compiled policy; make one with ``load_policy`` or ``parse_policy``."""

    id: str
    digest: str
    """Digest of the normalised content; comments, layout and the order of rules do not change it."""
    limits: Limits
    reveal: frozenset[str]
    """``tool.argument`` entries whose values may be logged even when they look like personal data."""
    agents: frozenset[str]
    tools: frozenset[str]
    """Every tool that some capability grants."""
    asks_approval: bool = field(repr=False)
    asks_task: bool = field(repr=False)
    """Whether any rule asks what the user's own words ask for."""
    profiles: Mapping[str, ToolProfile] = field(repr=False)
    """Declared effect profiles by tool."""
    bounds: Bounds = field(repr=False)
    """Budgets and chain risk."""
    normalised: bytes = field(repr=False)
    index: Index = field(repr=False)
    inspection: Inspection = field(default=DEFAULT_INSPECTION, repr=False)
    """How content is inspected."""
    origin: Origin = field(default=UNKNOWN_ORIGIN, repr=False)
    """Where the bundle was read from; not part of the digest."""

    def decide(self, request: DecisionRequest) -> Decision:
        """Decide a request. Never raises: what cannot be evaluated is denied with code ``engine_error``.

        Args:
            request: What is asked.

        Returns:
            The decision.
        """
        try:
            return self._bounded(evaluate(self.index, request), request).decision
        except Exception as error:  # noqa: BLE001 - code that cannot decide answers deny
            return engine_error(self.index, error)

    def explain(self, request: DecisionRequest) -> Explanation:
        """Decide a request and lay out why; it runs nothing, writes nothing, and never raises.

        Args:
            request: What is asked.

        Returns:
            The reason chain, with the same decision that ``decide`` gives.
        """
        try:
            return explain(self.index, request, self._bounded(evaluate(self.index, request), request))
        except Exception as error:  # noqa: BLE001 - code that cannot decide answers deny
            return unexplained(engine_error(self.index, error))

    def _bounded(self, evaluation: Evaluation, request: DecisionRequest) -> Evaluation:
        facts = evaluation.facts
        if not self.bounds or facts is None:
            return evaluation
        decision = self.bounds.restrict(evaluation.decision, request, facts.arguments, facts.profile)
        return evaluation._replace(decision=decision)

    def idempotent(self, tool: str) -> bool:
        """Tell whether a tool may be run again after a crash.

        Args:
            tool: The tool's name.

        Returns:
            True only if its profile says so, or some capability grants the tool and every one that does says so.
        """
        declared = self.profiles.get(tool)
        if declared is not None and declared.idempotent:
            return True
        granting = self.index.granting.get(tool, ())
        return bool(granting) and all(capability.idempotent for capability in granting)

    def profile(self, tool: str, declared: ToolProfile | None = None) -> ToolProfile:
        """Return what a tool does.

        Args:
            tool: The tool's name.
            declared: What the tool's own code declares, where governing code passed the tool itself.

        Returns:
            The bundle's declaration, or else the code's, or else the worst.
        """
        return self.profiles.get(tool) or declared or UNDECLARED

    def risk(self, tool: str) -> str:
        """Return the worst risk class of a tool.

        Args:
            tool: The tool's name.

        Returns:
            ``low``, ``medium``, ``high`` or ``critical``; critical for a tool that no capability grants.
        """
        return self.index.risk(tool)

    def effect_of(self, rule: str) -> Effect | None:
        """Return the effect of a rule.

        Args:
            rule: Its id.

        Returns:
            The effect; none if there is no such rule or it never applies.
        """
        return self.index.effects.get(rule)

    def requires_approval_possible(self) -> bool:
        """Tell whether any rule may ask for approval."""
        return self.asks_approval

    def bundle_json(self) -> bytes:
        """Return the normalised content that the digest covers; ``parse_policy`` reads it back to the same policy."""
        return self.normalised
