"""The governor: one policy, one log, one ledger and one key, wired into the services that adapters call.

Invariant: adapters reach authority only through this object, and it cannot be half open: if the log, the ledger, the
keys or the policy are not usable, there is no governor.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from aisecops_langchain.audit import Durability
from aisecops_langchain.canonical import JsonValue
from aisecops_langchain.domain.effects import ToolProfile
from aisecops_langchain.domain.principal import Principal
from aisecops_langchain.domain.scope import Scope
from aisecops_langchain.policy import PolicyEngine
from aisecops_langchain.policy.protocol import inspection_of
from aisecops_langchain.provenance import KeywordScope, LabelSeals, MessageSeals, ScopeExtractor
from aisecops_langchain.runtime.admission import Admission
from aisecops_langchain.runtime.approvals.briefing import Briefings
from aisecops_langchain.runtime.approvals.service import Approvals
from aisecops_langchain.runtime.checkpoints.heads import Checkpoints
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
from aisecops_langchain.runtime.decisions.pins import Pins, load_pins
from aisecops_langchain.runtime.decisions.spending import Spending
from aisecops_langchain.runtime.effects.execution import Execution
from aisecops_langchain.runtime.effects.reconcile import (
    EffectReconciler,
    ReconcileReport,
    Reconciliation,
    checked_reconcilers,
)
from aisecops_langchain.runtime.effects.rows import Effects
from aisecops_langchain.runtime.effects.terms import TermSheet
from aisecops_langchain.runtime.grants.service import StandingGrants
from aisecops_langchain.runtime.memory.service import Memories
from aisecops_langchain.runtime.opening import PolicySource, load, open_stores, today_in
from aisecops_langchain.runtime.plans.planner import Planner
from aisecops_langchain.runtime.plans.tasks import FixedScopes, TaskReader
from aisecops_langchain.runtime.policies.change import PolicyChange
from aisecops_langchain.runtime.policies.in_force import PolicyInForce
from aisecops_langchain.runtime.policies.keeping import KeptPolicies
from aisecops_langchain.runtime.ports import AuditSink, CheckedClock, Clock, Ledger, SystemClock
from aisecops_langchain.runtime.principals.delegation import Delegations
from aisecops_langchain.runtime.principals.stops import Stops
from aisecops_langchain.runtime.principals.warrants import WarrantSigner
from aisecops_langchain.runtime.recorder import Recorder
from aisecops_langchain.sanitize import PiiRedactor, Sanitizer
from aisecops_langchain.sealing import Sealer

__all__ = ["Governor", "PolicySource"]


class Governor:
    """Everything that decides, remembers and records, behind one handle.

    Args:
        policy: The bundle in force.
        sink: The audit log.
        ledger: Effects and approvals.
        sealer: Holds the key that state and ledger never see.
        clock: Tells the time.
        sanitizer: Inspects content, whatever the policy says; by default the policy's ``sanitize`` section decides.
        redactor: Finds the personal data that the policy names; Presidio without a language model by default.
        quarantine: Keeps withheld content; without one, only its digest stays.
        environment: Facts from configuration that rules may ask for; ``today`` (a date like 2024-05-15) also resolves
            dates that the user spells without a year.
        scope_extractor: Reads the user's words for what they ask for, where a rule wants to know; key words by default.
        reconcilers: For each tool that has one, a function that finds out how an unknown effect ended.
        pins: The tool definitions that a person pinned; a call of any other one is denied.

    Attributes:
        policy: The policy in force; ``reload`` brings another one into force.
        recorder: Writes events.
        admission: Lets content in.
        memories: Seals what goes into long-term memory, and recognises what comes out.
        planner: Makes plans.
        gate: Decides and issues permits.
        approvals: Asks people.
        grants: Lists and revokes what people let run again without being asked.
        execution: Begins and ends effects.
        effects: Lists effects and settles unknown ones.
        labels: Seals labels for keeping in state.
        messages: Seals labels of messages between agents.
        stops: The kill switch.
        checkpoints: Seals checkpoints and judges what comes back of them.
        delegations: Gives and judges warrants.
        oversight: Tells how far a run may still go.
        quarantine: Keeps withheld content; ``None`` where none was given.
        pseudonyms: Names private values for models, and tools the values.
        spotlights: Sets untrusted content apart in what models are shown.
        terms: Tells how long is waited for a tool, and how often it may be tried: ``TermSheet.of``.
        delegate: Lets another agent act in an agent's place: ``delegations.delegate``.
    """

    def __init__(
        self,
        *,
        policy: PolicyEngine,
        sink: AuditSink,
        ledger: Ledger,
        sealer: Sealer,
        clock: Clock | None = None,
        sanitizer: Sanitizer | None = None,
        redactor: PiiRedactor | None = None,
        quarantine: Quarantine | None = None,
        environment: Mapping[str, JsonValue] | None = None,
        scope_extractor: ScopeExtractor | None = None,
        reconcilers: Mapping[str, EffectReconciler] | None = None,
        pins: Pins | None = None,
        policies: KeptPolicies | None = None,
    ) -> None:
        clock = CheckedClock(clock or SystemClock())
        limits = policy.limits
        self._policy = PolicyInForce(policy)
        self.home: Path | None = None
        self._sink = sink
        self._ledger = ledger
        self.recorder = Recorder(sink, clock, sealer, policy.reveal, self._policy.inspection.unveil)
        self.labels = LabelSeals(sealer)
        self.messages = MessageSeals(sealer)
        self.quarantine = quarantine
        self._inspectors = Inspectors(sanitizer, redactor)
        self.pseudonyms = Pseudonyms(self._policy, ledger, sealer)
        inspector, veil = self._inspectors.of(policy), self.pseudonyms.veil
        self.admission = Admission(inspector, self.recorder, quarantine=quarantine, veil=veil)
        self.admission.adopt(inspector, keep=self._policy.inspection.keep_quarantined)
        self.memories = Memories(ledger, self.recorder, sealer, lambda: self.admission.sanitizer)
        self.spotlights = Spotlights(self._policy, sealer, self.recorder)
        tasks = TaskReader(scope_extractor or KeywordScope(), self._policy, FixedScopes(ledger, sealer))
        self.planner = Planner(
            self.recorder,
            sealer,
            max_calls=limits.max_calls_per_plan,
            tasks=tasks,
            today=today_in(environment),
            pseudonyms=self.pseudonyms,
        )
        self.grants = StandingGrants(ledger, self.recorder, sealer, clock)
        self.approvals = Approvals(
            ledger,
            self.recorder,
            sealer,
            clock,
            grants=self.grants,
            lifetime_seconds=limits.approval_ttl_seconds,
        )
        effects = Effects(ledger, sealer)
        self.stops = Stops(ledger, self.recorder, sealer, clock)
        self.checkpoints = Checkpoints(ledger, self.recorder, sealer, lambda: self._policy.digest)
        self.delegations = Delegations(WarrantSigner(sealer), self.stops, self.recorder, clock, policy=self._policy)
        self.delegate = self.delegations.delegate
        self._authority = Authority(self._policy, self.stops, self.delegations, self.grants, pins)
        self.execution = Execution(
            effects,
            self.recorder,
            sealer,
            clock,
            idempotent=self._policy.idempotent,
            in_force=lambda: self._policy.digest,
            require=self._authority.require,
        )
        self._reconcilers = checked_reconcilers(reconcilers or {})
        self.effects = Reconciliation(
            ledger, effects, self.recorder, sealer, clock, is_running=self.execution.claims.is_carried_out
        )
        self._change = PolicyChange(self._policy, self.recorder, adopt=self._adopt, kept=policies)
        budgets = Budgets(ledger, clock)
        self.terms = TermSheet(self._policy, budgets).of
        self.oversight = Oversight(self._policy, self._authority, Insistence(ledger), budgets, self.recorder)
        spending = Spending(self._policy, effects, budgets, self._authority)
        issuing = Issuing(
            policy=self._policy,
            effects=effects,
            approvals=self.approvals,
            claims=self.execution.claims,
            spending=spending,
            recorder=self.recorder,
            sealer=sealer,
            clock=clock,
        )
        self.gate = Gate(
            policy=self._policy,
            effects=effects,
            approvals=self.approvals,
            recorder=self.recorder,
            clock=clock,
            environment=environment or {},
            authority=self._authority,
            spending=spending,
            issuing=issuing,
            grants=self.grants,
            briefings=Briefings(self._policy, effects, self.admission.findings_on),
        )

    @classmethod
    def open(
        cls,
        policy: PolicySource,
        home: str | os.PathLike[str],
        *,
        ledger: Ledger | str | None = None,
        durability: Durability | str = Durability.GROUP,
        clock: Clock | None = None,
        sanitizer: Sanitizer | None = None,
        redactor: PiiRedactor | None = None,
        environment: Mapping[str, JsonValue] | None = None,
        scope_extractor: ScopeExtractor | None = None,
        reconcilers: Mapping[str, EffectReconciler] | None = None,
        pins: Pins | str | os.PathLike[str] | None = None,
    ) -> Governor:
        """Open a governor: JSONL segments in a directory, and a ledger in the same one or shared with other hosts.

        Args:
            policy: A policy, or the path of a bundle.
            home: Directory for ``audit/``, ``ledger.sqlite3``, ``withheld/``, ``policies/`` and ``keys/``; made if
                missing. Keep its keys private.
            ledger: ``postgresql://`` URL of a ledger that hosts share (extra ``postgres``), or an open ledger, which
                the governor closes; a SQLite file in ``home`` by default. Hosts that share one need the same
                ``keys/seal.key``.
            durability: What the log waits for: ``none``, ``group`` (one sync shared by all who wait) or ``sync``.
            clock: Tells the time; this machine's by default.
            sanitizer: Inspects content, whatever the policy says; the policy's ``sanitize`` section decides by default.
            redactor: Finds the personal data that the policy names; Presidio without a language model by default.
            environment: Facts from configuration that rules may ask for.
            scope_extractor: Reads the user's words for what they ask for; key words by default.
            reconcilers: For each tool that has one, a function that finds out how an unknown effect ended.
            pins: Lock file of ``aisecops tools pin``: a call of a tool whose definition is another one is denied.

        Returns:
            The governor; close it, or use it in a ``with`` statement.

        Raises:
            PolicyError: If the bundle is missing, empty or malformed.
            PinError: If the lock file is missing or malformed.
            AuditWriteError: If the log directory cannot be written, or the bundle not be kept.
            LedgerError: If the ledger cannot be opened.
            KeyStoreError: If a key cannot be made or is open to others.
            ConfigurationError: If the home goes by another kind of ledger, or a package for it is missing.
        """
        bundle = load(policy)
        pinned = load_pins(pins) if isinstance(pins, str | os.PathLike) else pins
        root = Path(home)
        clock = clock or SystemClock()
        stores = open_stores(root, bundle, ledger=ledger, durability=durability, clock=clock)
        governor = cls(
            policy=bundle,
            sink=stores.log,
            ledger=stores.ledger,
            sealer=stores.sealer,
            clock=clock,
            sanitizer=sanitizer,
            redactor=redactor,
            quarantine=stores.quarantine,
            environment=environment,
            scope_extractor=scope_extractor,
            reconcilers=reconcilers,
            pins=pinned,
            policies=stores.policies,
        )
        governor.home = root
        return governor

    @property
    def policy(self) -> PolicyEngine:
        """The policy in force."""
        return self._policy.current

    def profile(self, tool: str, declared: ToolProfile | None = None) -> ToolProfile:
        """Return what a tool does, as the policy in force says.

        Args:
            tool: The tool's name.
            declared: What the tool's own code declares.

        Returns:
            The profile; the worst where nobody declares one.
        """
        return self._policy.profile(tool, declared)

    def vouches_for(self, tool: str, definition: str) -> bool:
        """Tell whether a tool may be offered to a model: whether its definition is pinned, where any has to be.

        Args:
            tool: The tool's name.
            definition: Digest of its definition.

        Returns:
            Whether it may; calls of it are judged anew each time.
        """
        return self._authority.pin_fault(tool, definition) is None

    def reload(self, policy: PolicySource) -> None:
        """Bring another policy into force; permits and approvals of the one before are void from then on.

        Args:
            policy: A policy, or the path of a bundle.

        Raises:
            PolicyError: If the bundle is not sound; the policy in force stays.
            AuditWriteError: If the bundle could not be kept or the change not be recorded; then everything is denied
                until one can be.
        """
        loaded = load(policy)
        self._inspectors.of(loaded)  # what cannot be inspected as it asks must not come into force
        self._change.to(loaded)

    def suspend(self, fault: str) -> None:
        """Deny everything until a policy is loaded, because what should be in force is not known.

        Args:
            fault: Why; it stands in the log, so it must hold no secret.

        Raises:
            AuditWriteError: If it could not be recorded; everything is denied nevertheless.
        """
        self._change.to_none(fault)

    def _adopt(self, policy: PolicyEngine) -> None:
        self.planner.limit(policy.limits.max_calls_per_plan)
        self.approvals.limit(policy.limits.approval_ttl_seconds)
        inspection = inspection_of(policy)
        self.recorder.reveal(policy.reveal, inspection.unveil)
        self.admission.adopt(self._inspectors.of(policy), keep=inspection.keep_quarantined)

    def scope(self, *, trace: str, thread: str, checkpoint_ns: str, principal: Principal) -> Scope:
        """Name a place under the policy in force.

        Args:
            trace: Identity of the run.
            thread: LangGraph thread, or the trace where there is none.
            checkpoint_ns: LangGraph checkpoint namespace.
            principal: Who acts.

        Returns:
            The scope.
        """
        return Scope(
            trace=trace, thread=thread, checkpoint_ns=checkpoint_ns, principal=principal, policy=self.policy.digest
        )

    def reconcile(self) -> ReconcileReport:
        """Ask the reconcilers about every effect of which nobody saw the end; nothing is run again.

        Returns:
            What was settled, and what is still unknown.

        Raises:
            AuditWriteError: If a settlement could not be recorded; that effect stays unknown.
            LedgerError: If the ledger could not be used, or a row was edited at rest.
        """
        return self.effects.run(self._reconcilers)

    def close(self) -> None:
        """Close the ledger and the log; the log signs its last head."""
        for part in (self._ledger, self._sink):
            close = getattr(part, "close", None)
            if close is not None:
                close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
