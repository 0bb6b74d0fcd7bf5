"""Delegation: warrants are given, presented, judged and revoked here.

Invariant: authority only shrinks on its way down. A warrant is issued only by whoever may act right now, never beyond
its own bounds, and is judged whole at every use: signatures, narrowing, time, and whether any link was revoked.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Final

from aisecops_langchain.canonical import digest_texts
from aisecops_langchain.domain.events import WarrantIssued, WarrantRefused
from aisecops_langchain.domain.principal import Principal
from aisecops_langchain.domain.scope import Scope
from aisecops_langchain.domain.stop import StopKind
from aisecops_langchain.domain.warrant import Warrant, WarrantClaims, chain_fault
from aisecops_langchain.errors import CanonicalizationError, WarrantError
from aisecops_langchain.policy.bounds import CEILED
from aisecops_langchain.runtime.policies.in_force import PolicyInForce
from aisecops_langchain.runtime.ports import Clock
from aisecops_langchain.runtime.principals.stops import StopReport, Stops
from aisecops_langchain.runtime.principals.warrant_claims import Limits, WarrantWish, claims_for
from aisecops_langchain.runtime.principals.warrants import WarrantSigner, read_warrant
from aisecops_langchain.runtime.recorder import Recorder

_SECOND: Final = 1_000_000_000
_CLOCK_STEP: Final = 2 * _SECOND
"""How far a clock may be set back before a warrant counts as not yet given."""

_REMEMBERED: Final = 4096
_DIGEST: Final = re.compile("sha256:[0-9a-f]{64}")


class Delegations:
    """Gives warrants and judges them.

    Args:
        signer: Signs and checks links.
        stops: Knows what was revoked.
        recorder: Writes what was given and what was refused.
        clock: Tells the time.
        policy: The policy in force; it knows the agents.
    """

    def __init__(
        self,
        signer: WarrantSigner,
        stops: Stops,
        recorder: Recorder,
        clock: Clock,
        *,
        policy: PolicyInForce,
    ) -> None:
        self._signer = signer
        self._stops = stops
        self._recorder = recorder
        self._clock = clock
        self._policy = policy
        self._known: dict[Principal, Warrant] = {}
        self._read: dict[str, Principal] = {}

    def delegate(
        self,
        parent: Scope | Principal,
        *,
        agent: str,
        tools: Collection[str],
        expires_in: int = 600,
        values: Limits | None = None,
        budget: Mapping[str, int] | None = None,
        depth: int = 0,
    ) -> Warrant:
        """Let another agent act in an agent's place.

        Args:
            parent: Who delegates: the scope of its run, or the principal alone. What is delegated in a run stops with
                it. A principal that acts under a warrant itself passes on a part of that warrant.
            agent: The agent that is to act; the bundle must know it.
            tools: The only tools that it may call.
            expires_in: Seconds until the warrant is void; never longer than the parent's own.
            values: Arguments that may have only some values.
            budget: Ceilings by the name of a budget of the policy (of calls, writes, spend or recipients), in its
                unit: the most that all calls under this warrant, and under those derived from it, take together.
            depth: How many agents further down it may delegate to in turn.

        Returns:
            The warrant; hand it to ``govern(..., warrant=...)``.

        Raises:
            WarrantError: If the parent may not act, or not pass on what is asked; nothing was issued.
            AuditWriteError: If it could not be recorded; nothing was issued.
        """
        scope = parent if isinstance(parent, Scope) else None
        giver = parent.principal if isinstance(parent, Scope) else parent
        run = scope.thread if scope else ""
        wish = WarrantWish(agent, tools, expires_in, values or {}, budget or {}, depth, run)
        try:
            above, claims = self._granted(giver, wish)
        except WarrantError as error:
            self._refused(giver, giver.delegators[-1].warrant if giver.delegators else "", error)
            raise
        link = self._signer.sign(claims)
        self._record_issued(scope or self._scope(giver, claims.digest()), claims)
        return Warrant(links=(*above.links, link) if above else (link,))

    def _granted(self, giver: Principal, wish: WarrantWish) -> tuple[Warrant | None, WarrantClaims]:
        above = self.standing(giver)
        if wish.agent not in self._policy.agents:
            raise WarrantError("unknown_agent", "nobody knows the agent that is to act", expected="one of the bundle")
        ceiled = {name for name, item in self._policy.bounds.budgets.items() if item.measure in CEILED}
        unknown = sorted(set(wish.budget) - ceiled)
        if unknown:
            raise WarrantError(
                "unknown_budget",
                "a ceiling is for no budget that could have one",
                expected=", ".join(sorted(ceiled)) or "none: the policy has no such budgets",
                got=", ".join(unknown)[:80],
            )
        return above, claims_for(wish, giver, above, now=self._clock.now())

    def present(self, presented: object, *, agent: str | None = None, identity: Principal | None = None) -> Principal:
        """Find out who acts under a warrant; time and revocation are judged when something is done.

        Args:
            presented: The warrant, or its JSON text.
            agent: The agent that presents it, if it is known otherwise.
            identity: Tenant, user and issuer as an identity provider told them, if one did.

        Returns:
            The principal, with its chain of delegators.

        Raises:
            WarrantError: If the warrant is forged, edited, widened, cyclic, or for somebody else; recorded.
        """
        try:
            return self._accepted(presented, agent, identity)
        except WarrantError as error:
            who = identity or Principal(agent="unknown", user="unknown", tenant="unknown")
            self._refused(who.model_copy(update={"agent": agent or "unknown"}), _name(presented), error)
            raise

    def _accepted(self, presented: object, agent: str | None, identity: Principal | None) -> Principal:
        principal = self._verified(presented)
        if agent is not None and principal.agent != agent:
            raise WarrantError("other_agent", "the warrant is for another agent", expected=agent)
        if identity is not None and _person(identity) != _person(principal):
            raise WarrantError("other_user", "the warrant is for another user than the one that was identified")
        return principal

    def _verified(self, presented: object) -> Principal:
        if isinstance(presented, str) and presented in self._read:
            return self._read[presented]
        warrant = read_warrant(presented)
        text = warrant.model_dump_json()
        if text not in self._read:
            self._verify(warrant)
            if len(self._read) >= _REMEMBERED:
                self._read.clear()
                self._known.clear()
            principal = warrant.principal()
            self._known[principal] = warrant
            self._read[text] = principal
        return self._read[text]

    def _verify(self, warrant: Warrant) -> None:
        if not all(self._signer.is_genuine(link) for link in warrant.links):
            raise WarrantError("forged", "the warrant does not carry our signature", expected="an unchanged warrant")
        fault = chain_fault(tuple(link.claims for link in warrant.links))
        if fault is not None:
            raise WarrantError(*fault, expected="links that only narrow")

    def standing(self, principal: Principal) -> Warrant | None:
        """Judge by what right a principal acts.

        Args:
            principal: Who acts.

        Returns:
            Its warrant, or ``None`` for an agent that acts by itself.

        Raises:
            WarrantError: If it names delegators, and no warrant that was presented here lets it act now.
            LedgerError: If it cannot be told whether a warrant was revoked.
            ClockError: If there is no time to judge by.
        """
        if not principal.delegators:
            return None
        warrant = self._known.get(principal)
        if warrant is None:
            raise WarrantError("unknown", "nobody presented a warrant for this chain of delegators")
        now = self._clock.now()
        for link in warrant.links:
            if now >= link.claims.expires_at:
                raise WarrantError("expired", "the warrant, or one before it, has expired", remedy="ask for another")
            if now < link.claims.issued_at - _CLOCK_STEP:
                raise WarrantError("not_yet_valid", "the warrant was given in the future", remedy="check the clock")
        if self._stops.revoked(link.warrant for link in principal.delegators):
            raise WarrantError("revoked", "the warrant, or one before it, was revoked")
        return warrant

    def ceilings(self, principal: Principal) -> tuple[tuple[str, Mapping[str, int]], ...]:
        """Return what bounds a principal's calls together, link by link; whether its warrant stands is not judged.

        Args:
            principal: Who acts.

        Returns:
            Digest and ceilings of each link that has any.
        """
        warrant = self._known.get(principal) if principal.delegators else None
        links = warrant.links if warrant else ()
        return tuple((link.claims.digest(), link.claims.budget) for link in links if link.claims.budget)

    def require(self, principal: Principal) -> None:
        """Refuse to begin a run whose warrant does not stand; recorded. Raises as ``standing`` does."""
        try:
            self.standing(principal)
        except WarrantError as error:
            self._refused(principal, principal.delegators[-1].warrant, error)
            raise

    def revoke(self, warrant: Warrant | str, *, reason: str = "", by: str = "") -> StopReport:
        """Revoke a warrant and, with it, all that were derived from it.

        Args:
            warrant: The warrant, its text, or the digest of a link.
            reason: Why, for the record.
            by: Who revokes it, for the record.

        Returns:
            What had been permitted, begun and done under it.

        Raises:
            WarrantError: If it is none of these; nothing was revoked.
            LedgerError: If that could not be made durable.
            AuditWriteError: If it could not be recorded.
        """
        if isinstance(warrant, str) and _DIGEST.fullmatch(warrant):
            return self._stops.order(StopKind.WARRANT, warrant, reason=reason, by=by)
        claims = read_warrant(warrant).claims
        until = claims.expires_at + _CLOCK_STEP
        return self._stops.order(StopKind.WARRANT, claims.digest(), reason=reason, by=by, until=until)

    def _record_issued(self, scope: Scope, claims: WarrantClaims) -> None:
        identity = claims.digest()
        self._recorder.record(WarrantIssued, scope, identity, warrant=identity, claims=claims)
        self._recorder.commit()

    def _refused(self, principal: Principal, warrant: str, error: WarrantError) -> None:
        scope = self._scope(principal, warrant)
        self._recorder.record(WarrantRefused, scope, error.code, warrant=warrant, code=error.code, reason=error.message)

    def _scope(self, principal: Principal, warrant: str) -> Scope:
        trace = digest_texts("warrant-trace", warrant, principal.agent)[7:39]
        return Scope(trace=trace, thread=f"warrant-{trace}", principal=principal, policy=self._policy.digest)


def _person(principal: Principal) -> tuple[str, str, str]:
    return principal.tenant, principal.user, principal.issuer


def _name(presented: object) -> str:
    """Name what was presented without trusting any of it."""
    try:
        return read_warrant(presented).claims.digest()
    except (WarrantError, CanonicalizationError):
        return ""
