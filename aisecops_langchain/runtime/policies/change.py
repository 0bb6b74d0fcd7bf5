"""Bringing another policy into force, or none at all.

Invariant: no policy decides before its bundle is kept and the log names it; while the change is being recorded,
everything is denied.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from uuid import uuid4

from aisecops_langchain.canonical import digest
from aisecops_langchain.domain.events import PolicyLoaded
from aisecops_langchain.domain.principal import Principal
from aisecops_langchain.domain.scope import Scope
from aisecops_langchain.policy import PolicyEngine, Suspended
from aisecops_langchain.runtime.policies.in_force import PolicyInForce
from aisecops_langchain.runtime.policies.keeping import KeptPolicies
from aisecops_langchain.runtime.recorder import Recorder


class PolicyChange:
    """Exchanges the policy in force.

    Args:
        policy: What is in force.
        recorder: Records each change.
        adopt: Tells the services of limits and of what the log may reveal.
        kept: Where bundles are kept, if anywhere.
    """

    def __init__(
        self,
        policy: PolicyInForce,
        recorder: Recorder,
        *,
        adopt: Callable[[PolicyEngine], None],
        kept: KeptPolicies | None = None,
    ) -> None:
        self._policy = policy
        self._recorder = recorder
        self._adopt = adopt
        self._kept = kept
        self._lock = Lock()

    def to(self, policy: PolicyEngine) -> None:
        """Bring a policy into force.

        Args:
            policy: The policy.

        Raises:
            AuditWriteError: If it could not be kept or recorded; then everything is denied until a change can be.
        """
        self._make(policy, "")

    def to_none(self, fault: str) -> None:
        """Deny everything until a policy is brought into force.

        Args:
            fault: Why; it stands in the log.

        Raises:
            AuditWriteError: If it could not be recorded; everything is denied nevertheless.
        """
        current = self._policy.current
        if not isinstance(current, Suspended):
            self._make(Suspended(current, fault), fault)

    def _make(self, policy: PolicyEngine, fault: str) -> None:
        with self._lock:
            before = self._policy.current
            self._policy.current = Suspended(before, fault or "the change is being recorded")
            if self._kept is not None:
                self._kept.keep(policy)
            trace = digest("policy", [before.digest, policy.digest])
            scope = Scope(trace=trace, thread=trace, principal=Principal(agent="governor"), policy=policy.digest)
            self._recorder.record(
                PolicyLoaded, scope, uuid4().hex, bundle=policy.id, previous=before.digest, fault=fault
            )
            self._recorder.commit()
            self._adopt(policy)
            self._policy.current = policy
