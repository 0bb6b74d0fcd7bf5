"""What every policy engine must answer, as a pytest class that any implementation can be run through.

Invariant: an engine that passes denies what it does not know, lets deny beat approval beat allow, and denies where one
of its rules cannot be evaluated; the runtime relies on nothing else of an engine. Two cases are ways in which known
engines failed open: a prohibition that errs and is skipped, and a pattern flag that is ignored, so that the
prohibition never matches.

The engine under test expresses this policy, in its own language:

- agent ``buyer`` may use ``pay`` and ``read``, agent ``reader`` may use ``read``;
- ``read`` is allowed, but not where ``args.limit`` is over 10;
- ``pay`` is allowed below an ``args.amount`` of 100, and asks a person from 100 upwards;
- ``pay`` is denied where ``args.payee`` holds the word evil, in whatever case;
- ``pay`` is denied where the context is untrusted.

Use it by deriving a test class and overriding one fixture::

    class TestMyEngine(PolicyEngineConformance):
        @pytest.fixture
        def engine(self):
            return MyEngine(...)
"""
# ruff: noqa: S101 - a conformance suite is made of assertions

from __future__ import annotations

from typing import Final, NamedTuple

import pytest
from pydantic import JsonValue

from aisecops_langchain.domain.decision import DecisionRequest, Effect
from aisecops_langchain.domain.labels import Confidentiality, Integrity, Label
from aisecops_langchain.domain.plan import CanonicalCall
from aisecops_langchain.domain.principal import Principal
from aisecops_langchain.policy import PolicyEngine


class ConformanceCase(NamedTuple):
    """One request and its only right answer."""

    name: str
    agent: str
    tool: str
    arguments: dict[str, JsonValue]
    effect: Effect
    integrity: Integrity = Integrity.USER

    def request(self) -> DecisionRequest:
        """Return the request; its arguments carry the context's label."""
        context = Label(integrity=self.integrity, confidentiality=Confidentiality.INTERNAL)
        return DecisionRequest(
            principal=Principal(agent=self.agent, user="ann", tenant="acme"),
            call=CanonicalCall.of(self.tool, self.arguments),
            context=context,
            arguments=dict.fromkeys(self.arguments, context),
        )


def _pay(name: str, effect: Effect, integrity: Integrity = Integrity.USER, **arguments: JsonValue) -> ConformanceCase:
    return ConformanceCase(name, "buyer", "pay", {"amount": 5, "payee": "acme", **arguments}, effect, integrity)


CASES: Final = (
    ConformanceCase("a plain read", "reader", "read", {"limit": 5}, Effect.ALLOW),
    ConformanceCase("a read by another agent", "buyer", "read", {"limit": 10}, Effect.ALLOW),
    ConformanceCase("too large a read", "reader", "read", {"limit": 11}, Effect.DENY),
    ConformanceCase("trap: the prohibition errs on a missing argument", "reader", "read", {}, Effect.DENY),
    ConformanceCase("trap: the prohibition errs on a text", "reader", "read", {"limit": "11"}, Effect.DENY),
    ConformanceCase("trap: the prohibition errs on null", "reader", "read", {"limit": None}, Effect.DENY),
    ConformanceCase("trap: the prohibition errs on a boolean", "reader", "read", {"limit": True}, Effect.DENY),
    ConformanceCase("a tool that the agent may not use", "reader", "pay", {"amount": 5, "payee": "a"}, Effect.DENY),
    ConformanceCase("an unknown agent", "nobody", "read", {"limit": 5}, Effect.DENY),
    ConformanceCase("an unknown tool", "buyer", "wipe", {}, Effect.DENY),
    ConformanceCase("an agent in another spelling", "Buyer", "read", {"limit": 5}, Effect.DENY),
    ConformanceCase("a tool with a look-alike letter", "buyer", "r\u0435ad", {"limit": 5}, Effect.DENY),
    _pay("a small payment", Effect.ALLOW),
    _pay("the bound asks a person", Effect.REQUIRE_APPROVAL, amount=100),
    _pay("just below the bound", Effect.ALLOW, amount=99),
    _pay("a huge payment asks a person", Effect.REQUIRE_APPROVAL, amount=2**62),
    _pay("a forbidden payee", Effect.DENY, payee="evil corp"),
    _pay("deny beats approval", Effect.DENY, amount=500, payee="evil corp"),
    _pay("trap: a pattern flag that is ignored", Effect.DENY, payee="Mr EVIL"),
    _pay("trap: a pattern and a newline", Effect.DENY, payee="acme\nEvil"),
    _pay("an untrusted context", Effect.DENY, Integrity.UNTRUSTED),
    _pay("an untrusted context beats approval", Effect.DENY, Integrity.UNTRUSTED, amount=500),
    _pay("an amount as text", Effect.DENY, amount="5"),
    _pay("a payee that is a list", Effect.DENY, payee=["acme"]),
)
"""The corpus."""


class PolicyEngineConformance:
    """The suite; override ``engine``."""

    @pytest.fixture
    def engine(self) -> PolicyEngine:
        """Return the engine under test."""
        raise NotImplementedError

    @pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
    def test_answers(self, engine: PolicyEngine, case: ConformanceCase) -> None:
        """Every request gets its only right answer, with reasons, under the engine's digest."""
        decision = engine.decide(case.request())
        assert decision.effect is case.effect, [reason.message for reason in decision.reasons]
        assert decision.reasons
        assert decision.policy == engine.digest

    def test_describes_itself(self, engine: PolicyEngine) -> None:
        """The engine satisfies the protocol and answers for tools that it does not know."""
        assert isinstance(engine, PolicyEngine)
        assert {"buyer", "reader"} <= engine.agents
        assert {"pay", "read"} <= engine.tools
        assert engine.digest.startswith("sha256:")
        assert not engine.idempotent("wipe")
        assert engine.risk("wipe") == "critical"
        assert engine.requires_approval_possible()

    def test_repeats_itself(self, engine: PolicyEngine) -> None:
        """The same request gets the same answer, whatever was asked in between."""
        first = [engine.decide(case.request()) for case in CASES]
        assert [engine.decide(case.request()) for case in reversed(CASES)][::-1] == first
