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
from aisecops_langchain.provenance import LabelSeals, MessageSeals, ScopeExtractor
from aisecops_langchain.runtime.assembly import Acts, Content, Deciding, Ground, People, planner_on
from aisecops_langchain.runtime.checkpoints.heads import Checkpoints
from aisecops_langchain.runtime.content.quarantine import Quarantine
from aisecops_langchain.runtime.decisions.pins import Pins, load_pins
from aisecops_langchain.runtime.effects.reconcile import EffectReconciler, ReconcileReport, checked_reconcilers
from aisecops_langchain.runtime.opening import PolicySource, load, open_stores
from aisecops_langchain.runtime.policies.change import PolicyChange
from aisecops_langchain.runtime.policies.in_force import PolicyInForce
from aisecops_langchain.runtime.policies.keeping import KeptPolicies
from aisecops_langchain.runtime.ports import AuditSink, CheckedClock, Clock, Ledger, SystemClock
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
        policies: Keeps every policy that comes into force.

    Attributes:
        policy: The policy in force; ``reload`` brings another one into force.
        recorder: Writes events.
        inspecting: Inspects content for the next two.
        admission: Lets content in.
        delivery: Lets words out.
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
        self.home: Path | None = None
        self._sink = sink
        self._ledger = ledger
        self._policy = PolicyInForce(policy)
        self.recorder = Recorder(sink, clock, sealer, policy.reveal, self._policy.inspection.unveil)
        ground = Ground(self._policy, ledger, self.recorder, sealer, clock)
        self.labels = LabelSeals(sealer)
        self.messages = MessageSeals(sealer)
        self.checkpoints = Checkpoints(ledger, self.recorder, sealer, lambda: self._policy.digest)

        self.quarantine = quarantine
        self._content = content = Content(ground, sanitizer, redactor, quarantine)
        self.inspecting, self.admission, self.delivery = content.inspecting, content.admission, content.delivery
        self.pseudonyms, self.memories, self.spotlights = content.pseudonyms, content.memories, content.spotlights
        self.planner = planner_on(ground, content, environment, scope_extractor)

        people = People(ground, pins)
        self.grants, self.approvals, self.stops = people.grants, people.approvals, people.stops
        self.delegations, self._authority = people.delegations, people.authority
        self.delegate = people.delegations.delegate

        acts = Acts(ground, people.authority)
        self.execution, self.effects = acts.execution, acts.reconciliation
        self._reconcilers = checked_reconcilers(reconcilers or {})

        deciding = Deciding(ground, content, people, acts, environment)
        self.gate, self.oversight, self.terms = deciding.gate, deciding.oversight, deciding.terms.of
        self._change = PolicyChange(self._policy, self.recorder, adopt=self._adopt, kept=policies)

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
        self._content.require_inspectable(loaded)  # what cannot be inspected as it asks must not come into force
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
        self._content.adopt(policy)

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
