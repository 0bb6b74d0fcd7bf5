"""What stands above an agent's own rules: stops, pinned tool definitions, and everybody that it acts in the place of.

Invariant: nothing here ever widens a decision. The answer for a delegated call is the strictest of the agent's own, of
every delegator's and of every warrant's; where any of them cannot be told, it is deny.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aisecops_langchain.domain.approval import DEFAULT_REQUIREMENT, ApprovalRequirement, joined
from aisecops_langchain.domain.decision import Decision, DecisionRequest, Effect, Reason, Stage
from aisecops_langchain.domain.grant import tightest
from aisecops_langchain.domain.permit import Binding
from aisecops_langchain.domain.principal import Principal
from aisecops_langchain.domain.scope import Scope
from aisecops_langchain.domain.warrant import Warrant
from aisecops_langchain.errors import PermitError, WarrantError
from aisecops_langchain.runtime.decisions.pins import PinFault, Pins
from aisecops_langchain.runtime.grants.service import StandingGrants
from aisecops_langchain.runtime.policies.in_force import PolicyInForce
from aisecops_langchain.runtime.principals.delegation import Delegations
from aisecops_langchain.runtime.principals.stops import Stops

_STOPPED: Final = Reason(code="stopped", message="a person stopped the run, the agent, the tenant or a warrant")


class Authority:
    """Narrows decisions, and says whether what was permitted may still begin.

    Args:
        policy: Asked for each delegator.
        stops: Knows what was stopped.
        delegations: Judges warrants.
        grants: Knows what was revoked.
        pins: The tool definitions that a person pinned; ``None`` where any definition will do.
    """

    def __init__(
        self,
        policy: PolicyInForce,
        stops: Stops,
        delegations: Delegations,
        grants: StandingGrants,
        pins: Pins | None = None,
    ) -> None:
        self._grants = grants
        self._policy = policy
        self._stops = stops
        self._delegations = delegations
        self._pins = pins

    def narrow(self, request: DecisionRequest, decision: Decision, binding: Binding) -> Decision:
        """Take the agent's own decision down to what those above it allow.

        Args:
            request: What was asked.
            decision: What policy answered for the agent itself.
            binding: What a permit would be good for.

        Returns:
            The same decision, or a stricter one with its reasons.

        Raises:
            LedgerError: If it cannot be told what was stopped or revoked.
            ClockError: If there is no time to judge a warrant by.
        """
        if self._stops.find(binding.scope) is not None:
            return _denied(decision, Stage.STOP, _STOPPED)
        fault = self.pin_fault(binding.tool, binding.tool_definition)
        if fault is not None:
            return _denied(decision, Stage.DEFINITION, Reason(code=fault.code, message=fault.message))
        if not request.principal.delegators or decision.effect is Effect.DENY:
            return decision
        try:
            warrant = self._delegations.standing(request.principal)
        except WarrantError as error:
            return _denied(decision, Stage.DELEGATION, Reason(code=f"warrant_{error.code}", message=error.message))
        return decision if warrant is None else self._delegated(request, decision, warrant)

    def pin_fault(self, tool: str, definition: str) -> PinFault | None:
        """Say what is wrong with a tool's definition, given its name and digest; ``None`` if nothing is."""
        return None if self._pins is None else self._pins.fault(tool, definition)

    def ceilings(self, principal: Principal) -> tuple[tuple[str, Mapping[str, int]], ...]:
        """Return what bounds a principal's calls together, as ``Delegations.ceilings`` does."""
        return self._delegations.ceilings(principal)

    def _delegated(self, request: DecisionRequest, decision: Decision, warrant: Warrant) -> Decision:
        if not _ceilings_counted(request, warrant):  # the policy in force has other budgets than the one before
            reason = Reason(code="ceiling_unknown", message="nobody counts what the warrant puts a ceiling on")
            return _denied(decision, Stage.DELEGATION, reason)
        for position, link in enumerate(warrant.links):
            if not link.claims.covers(request.call):
                reason = Reason(code="warrant_narrower", message="the warrant does not cover this call")
                return _denied(decision, Stage.DELEGATION, reason)
            above = _delegator(request.principal, position)
            theirs = self._policy.decide(request.model_copy(update={"principal": above}))
            if theirs.effect is Effect.DENY or theirs.policy != decision.policy:  # reloaded in between
                message = f"delegator {above.agent!r} may not do this: {theirs.reasons[0].code}"
                return _denied(decision, Stage.DELEGATION, Reason(code="delegator_denied", message=message))
            decision = _meet(decision, theirs, above.agent)
        return decision

    def require(self, binding: Binding, grant: str | None) -> None:
        """Refuse to begin what was permitted before a stop, by other pins, or under a warrant or grant that ended.

        Args:
            binding: What is about to begin.
            grant: The standing grant that its permit rests on, if it does.

        Raises:
            PermitError: If it may not begin.
            LedgerError: If that cannot be told.
            ClockError: If there is no time to judge a warrant by.
        """
        if self._stops.find(binding.scope) is not None:
            raise PermitError("stopped", _STOPPED.message, remedy="lift the stop, then propose the call again")
        fault = self.pin_fault(binding.tool, binding.tool_definition)
        if fault is not None:
            raise PermitError(fault.code, fault.message, remedy="review the tool, and pin it anew")
        try:
            self._delegations.standing(binding.scope.principal)
        except WarrantError as error:
            raise PermitError(f"warrant_{error.code}", error.message) from None
        if grant is not None:
            self._grants.require(grant, binding)

    def stopped(self, scope: Scope) -> bool:
        """Whether a person stopped what happens in a scope; raises as ``Stops.find`` does."""
        return self._stops.find(scope) is not None


def _ceilings_counted(request: DecisionRequest, warrant: Warrant) -> bool:
    counted = {(item.warrant, item.budget) for item in request.usage.ceilings} if request.usage else set()
    return all((link.claims.digest(), name) in counted for link in warrant.links for name in link.claims.budget)


def _delegator(principal: Principal, position: int) -> Principal:
    """Return who stood at a position of the chain, as policy would have seen it there."""
    links = principal.delegators
    return principal.model_copy(update={"agent": links[position].agent, "delegators": links[:position]})


def _meet(mine: Decision, theirs: Decision, agent: str) -> Decision:
    update: dict[str, object] = {
        "obligations": mine.obligations | theirs.obligations,
        "approvals": joined((*_asked(mine), *_asked(theirs))),
        "grants": tightest(item.grants for item in (mine, theirs) if item.effect is Effect.REQUIRE_APPROVAL),
    }
    if theirs.effect is Effect.REQUIRE_APPROVAL and mine.effect is not Effect.REQUIRE_APPROVAL:
        asks = Reason(code="delegator_requires_approval", message=f"delegator {agent!r} would have to ask a person")
        update |= {"effect": Effect.REQUIRE_APPROVAL, "reasons": (asks, *mine.reasons)}
    return mine.model_copy(update=update)


def _asked(decision: Decision) -> tuple[ApprovalRequirement, ...]:
    """What a decision takes from a person, with the default spelled out so that joining loses nothing of it."""
    if decision.effect is not Effect.REQUIRE_APPROVAL:
        return ()
    return decision.approvals or (DEFAULT_REQUIREMENT,)


def _denied(decision: Decision, stage: Stage, reason: Reason) -> Decision:
    return decision.model_copy(
        update={
            "effect": Effect.DENY,
            "stage": stage,
            "reasons": (reason, *decision.reasons),
            "obligations": frozenset(),
            "grants": None,
            "approvals": (),
        }
    )
