"""How the services of a governor hang together, in the order in which a call meets them.

content in and out → what people said → effects → decision

Invariant: all of them stand on the same ground, and each part knows only the parts before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aisecops_langchain.canonical import JsonValue
from aisecops_langchain.policy import PolicyEngine
from aisecops_langchain.policy.protocol import inspection_of
from aisecops_langchain.provenance import KeywordScope, ScopeExtractor
from aisecops_langchain.runtime.admission import Admission
from aisecops_langchain.runtime.approvals.briefing import Briefings
from aisecops_langchain.runtime.approvals.service import Approvals
from aisecops_langchain.runtime.content.inspecting import Inspecting
from aisecops_langchain.runtime.content.inspectors import Inspectors
from aisecops_langchain.runtime.content.pseudonyms import Pseudonyms
from aisecops_langchain.runtime.content.quarantine import Quarantine
from aisecops_langchain.runtime.content.spotlights import Spotlights
from aisecops_langchain.runtime.decisions.authority import Authority
from aisecops_langchain.runtime.decisions.budgets import Budgets
from aisecops_langchain.runtime.decisions.gate import Gate
from aisecops_langchain.runtime.decisions.insistence import Insistence
from aisecops_langchain.runtime.decisions.issuing import Issuing
from aisecops_langchain.runtime.decisions.oversight import Oversight
from aisecops_langchain.runtime.decisions.pins import Pins
from aisecops_langchain.runtime.decisions.spending import Spending
from aisecops_langchain.runtime.delivery import Delivery
from aisecops_langchain.runtime.effects.execution import Execution
from aisecops_langchain.runtime.effects.reconcile import Reconciliation
from aisecops_langchain.runtime.effects.rows import Effects
from aisecops_langchain.runtime.effects.terms import TermSheet
from aisecops_langchain.runtime.grants.service import StandingGrants
from aisecops_langchain.runtime.memory.service import Memories
from aisecops_langchain.runtime.opening import today_in
from aisecops_langchain.runtime.plans.planner import Planner
from aisecops_langchain.runtime.plans.tasks import FixedScopes, TaskReader
from aisecops_langchain.runtime.policies.in_force import PolicyInForce
from aisecops_langchain.runtime.ports import Clock, Ledger
from aisecops_langchain.runtime.principals.delegation import Delegations
from aisecops_langchain.runtime.principals.stops import Stops
from aisecops_langchain.runtime.principals.warrants import WarrantSigner
from aisecops_langchain.runtime.recorder import Recorder
from aisecops_langchain.sanitize import PiiRedactor, Sanitizer
from aisecops_langchain.sealing import Sealer


@dataclass(frozen=True, slots=True)
class Ground:
    """What every service stands on."""

    policy: PolicyInForce
    ledger: Ledger
    recorder: Recorder
    sealer: Sealer
    clock: Clock


class Content:
    """What content meets on its way in and out.

    Args:
        ground: What it stands on.
        sanitizer: Inspects whatever the policy says; ``None`` where the policy decides.
        redactor: Finds personal data.
        quarantine: Keeps withheld content; ``None`` for nowhere.
    """

    def __init__(
        self, ground: Ground, sanitizer: Sanitizer | None, redactor: PiiRedactor | None, quarantine: Quarantine | None
    ) -> None:
        self._recorder = ground.recorder
        self._inspectors = Inspectors(sanitizer, redactor)
        self.pseudonyms = Pseudonyms(ground.policy, ground.ledger, ground.sealer)
        self.inspecting = Inspecting(
            self._inspectors.of(ground.policy.current),
            keep=ground.policy.inspection.keep_quarantined,
            quarantine=quarantine,
            veil=self.pseudonyms.veil,
        )
        self.admission = Admission(self.inspecting, ground.recorder)
        self.delivery = Delivery(self.inspecting, ground.recorder)
        self.memories = Memories(ground.ledger, ground.recorder, ground.sealer, lambda: self.inspecting.sanitizer)
        self.spotlights = Spotlights(ground.policy, ground.sealer, ground.recorder)

    def require_inspectable(self, policy: PolicyEngine) -> None:
        """Refuse a policy by which content could not be inspected.

        Args:
            policy: The policy.

        Raises:
            PolicyError: If it names what nothing here can find or read.
        """
        self._inspectors.of(policy)

    def adopt(self, policy: PolicyEngine) -> None:
        """Inspect, keep and show in the log what another policy says from now on.

        Args:
            policy: The policy.
        """
        inspection = inspection_of(policy)
        self._recorder.reveal(policy.reveal, inspection.unveil)
        self.inspecting.adopt(self._inspectors.of(policy), keep=inspection.keep_quarantined)


def planner_on(
    ground: Ground, content: Content, environment: Mapping[str, JsonValue] | None, extractor: ScopeExtractor | None
) -> Planner:
    """Make what turns a model's proposals into plans.

    Args:
        ground: What it stands on.
        content: Names private values.
        environment: Facts from configuration; ``today`` resolves dates.
        extractor: Reads the user's words for what they ask for; key words by default.

    Returns:
        The planner.

    Raises:
        ConfigurationError: If ``today`` is no date.
    """
    tasks = TaskReader(extractor or KeywordScope(), ground.policy, FixedScopes(ground.ledger, ground.sealer))
    return Planner(
        ground.recorder,
        ground.sealer,
        max_calls=ground.policy.limits.max_calls_per_plan,
        tasks=tasks,
        today=today_in(environment),
        pseudonyms=content.pseudonyms,
    )


class People:
    """What people said beside policy: grants and approvals, stops and warrants, pinned definitions.

    Args:
        ground: What it stands on.
        pins: The tool definitions that a person pinned; ``None`` where any definition will do.
    """

    def __init__(self, ground: Ground, pins: Pins | None) -> None:
        ledger, recorder, sealer, clock = ground.ledger, ground.recorder, ground.sealer, ground.clock
        lifetime = ground.policy.limits.approval_ttl_seconds
        self.grants = StandingGrants(ledger, recorder, sealer, clock)
        self.approvals = Approvals(ledger, recorder, sealer, clock, grants=self.grants, lifetime_seconds=lifetime)
        self.stops = Stops(ledger, recorder, sealer, clock)
        self.delegations = Delegations(WarrantSigner(sealer), self.stops, recorder, clock, policy=ground.policy)
        self.authority = Authority(ground.policy, self.stops, self.delegations, self.grants, pins)


class Acts:
    """What happens to an effect from its permit to its end.

    Args:
        ground: What it stands on.
        authority: Says whether what was permitted may still begin.
    """

    def __init__(self, ground: Ground, authority: Authority) -> None:
        self.rows = Effects(ground.ledger, ground.sealer)
        self.execution = Execution(
            self.rows,
            ground.recorder,
            ground.sealer,
            ground.clock,
            idempotent=ground.policy.idempotent,
            in_force=lambda: ground.policy.digest,
            require=authority.require,
        )
        self.reconciliation = Reconciliation(
            ground.ledger,
            self.rows,
            ground.recorder,
            ground.sealer,
            ground.clock,
            is_running=self.execution.claims.is_carried_out,
        )


class Deciding:
    """What decides whether, how often and how far.

    Args:
        ground: What it stands on.
        content: Tells approvers what was found in what a call came of.
        people: What people said.
        acts: What was permitted and begun before.
        environment: Facts from configuration that rules may ask for.
    """

    def __init__(
        self, ground: Ground, content: Content, people: People, acts: Acts, environment: Mapping[str, JsonValue] | None
    ) -> None:
        policy, recorder, clock = ground.policy, ground.recorder, ground.clock
        budgets = Budgets(ground.ledger, clock)
        spending = Spending(policy, acts.rows, budgets, people.authority)
        self.terms = TermSheet(policy, budgets)
        self.oversight = Oversight(policy, people.authority, Insistence(ground.ledger), budgets, recorder)
        issuing = Issuing(
            policy=policy,
            effects=acts.rows,
            approvals=people.approvals,
            claims=acts.execution.claims,
            spending=spending,
            recorder=recorder,
            sealer=ground.sealer,
            clock=clock,
        )
        self.gate = Gate(
            policy=policy,
            effects=acts.rows,
            approvals=people.approvals,
            recorder=recorder,
            clock=clock,
            environment=environment or {},
            authority=people.authority,
            spending=spending,
            issuing=issuing,
            grants=people.grants,
            briefings=Briefings(policy, acts.rows, content.admission.findings_on),
        )
