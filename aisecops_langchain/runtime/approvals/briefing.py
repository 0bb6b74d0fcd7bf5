"""What an approver is told beside the call: whence its arguments, what was found there, what it does, what ran before.

Invariant: every word comes from policy, from labels that were proved, from detectors and from the sealed ledger; names
and digests of content may be among them, its text never is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from aisecops_langchain.canonical import JsonValue
from aisecops_langchain.domain.decision import Decision
from aisecops_langchain.domain.effects import UNDECLARED, ToolProfile
from aisecops_langchain.domain.events import FindingRecord
from aisecops_langchain.domain.labels import Integrity, Source, label_for
from aisecops_langchain.domain.plan import ArgumentProvenance
from aisecops_langchain.domain.usage import MILLI
from aisecops_langchain.runtime.decisions.case import Case
from aisecops_langchain.runtime.effects.rows import Effects
from aisecops_langchain.runtime.ledger.records import Briefing, Facts
from aisecops_langchain.runtime.policies.in_force import PolicyInForce

_MOST: Final = 50
"""Sources, findings and earlier calls that are shown at most; what is more is counted, not named."""

FindingsOn = Callable[[Source], tuple[FindingRecord, ...]]


class Briefings:
    """Makes briefings.

    Args:
        policy: Knows what tools do.
        effects: Knows what the run began before.
        findings: Tells what was found on a source, as far as this process remembers.
    """

    def __init__(self, policy: PolicyInForce, effects: Effects, findings: FindingsOn) -> None:
        self._policy = policy
        self._effects = effects
        self._findings = findings

    def brief(self, case: Case, decision: Decision) -> Briefing:
        """Say what an approver is told beside the call.

        Args:
            case: The step.
            decision: What it answered.

        Returns:
            The briefing.

        Raises:
            LedgerError: If the ledger cannot be read, or a row of this run was edited at rest.
        """
        step = case.proposal.step
        arguments = step.call.arguments()
        profile = self._policy.profile(step.call.tool, step.profile)
        return Briefing(
            risk=decision.risk,
            arguments=arguments,
            rules=decision.rules,
            reasons=tuple(reason.message for reason in decision.reasons),
            provenance=tuple(_origin(item) for item in step.provenance),
            findings=self._seen(step.provenance),
            blast_radius=_blast_radius(profile, arguments),
            chain=self._chain(case),
            chain_risk=decision.chain.total / MILLI if decision.chain else None,
            grants=decision.grants,
        )

    def _seen(self, provenance: Iterable[ArgumentProvenance]) -> tuple[Facts, ...]:
        sources = {source for item in provenance for source in _sources(item)}
        seen: list[Facts] = [
            {"source": source.name, "rule": found.rule, "category": found.category, "severity": found.severity}
            for source in sorted(sources, key=_order)
            for found in self._findings(source)
        ]
        distinct = [item for number, item in enumerate(seen) if item not in seen[:number]]
        return tuple(distinct[:_MOST])

    def _chain(self, case: Case) -> tuple[Facts, ...]:
        begun = [known for known in self._effects.of_run(case.scope) if known.permit.binding.effect_key() != case.key]
        return tuple({"tool": item.permit.binding.tool, "state": item.state.value} for item in begun[-_MOST:])


def _origin(item: ArgumentProvenance) -> Facts:
    """Tell where an argument came from; found nowhere, it may be from anywhere that the model looked."""
    sources: list[JsonValue] = [
        {"kind": source.kind.value, "name": source.name, "untrusted": _is_untrusted(label_for(source).integrity)}
        for source in sorted(_sources(item), key=_order)[:_MOST]
    ]
    return {
        "argument": item.argument,
        "integrity": item.label.integrity.value,
        "method": item.method,
        "untrusted": _is_untrusted(item.label.integrity),
        "sources": sources,
    }


def _sources(item: ArgumentProvenance) -> frozenset[Source]:
    return item.sources or item.label.sources


def _is_untrusted(integrity: Integrity) -> bool:
    """Whether words are anybody's but the user's and the system's."""
    return integrity.rank < Integrity.USER.rank


def _order(source: Source) -> tuple[str, str, str]:
    return source.kind.value, source.name, source.digest


def _blast_radius(profile: ToolProfile, arguments: dict[str, JsonValue]) -> Facts:
    targets = tuple(arguments) if profile == UNDECLARED else profile.targets
    return {
        "declared": profile != UNDECLARED,
        "effects": [effect.value for effect in profile.effects],
        "reversible": profile.reversible,
        "targets": [*targets],
        "amounts": [*profile.amounts],
    }
