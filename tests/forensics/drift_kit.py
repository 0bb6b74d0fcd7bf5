"""Recorded decisions for tests of drift: made by the real engine, written as the real events."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import orjson

from aisecops_langchain import parse_policy
from aisecops_langchain.canonical import JsonValue
from aisecops_langchain.domain.decision import Decision, DecisionRequest
from aisecops_langchain.domain.events import DecisionMade, RecordedCall
from aisecops_langchain.domain.labels import Integrity, Label
from aisecops_langchain.domain.plan import CanonicalCall
from aisecops_langchain.domain.principal import Principal
from aisecops_langchain.forensics.drift import DriftReport, TimeMachine
from aisecops_langchain.policy import Policy

START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
HIDDEN: JsonValue = {"$withheld": "email", "commitment": "c" * 64}
_NUMBERS = count()

BUNDLE: dict[str, Any] = {
    "version": 1,
    "id": "office",
    "agents": {"clerk": {"capabilities": ["read", "pay"]}, "boss": {"capabilities": ["read", "pay"]}},
    "capabilities": {
        "read": {"tools": ["read"], "risk": "low"},
        "pay": {"tools": ["pay"], "arguments": {"amount": {"max": 1000}}},
    },
    "rules": [
        {"id": "read", "effect": "allow", "tools": ["read"]},
        {"id": "small", "effect": "allow", "tools": ["pay"], "when": {"args.amount": {"lt": 100}}},
        {"id": "large", "effect": "require_approval", "tools": ["pay"], "when": {"args.amount": {"ge": 100}}},
    ],
}


def bundle(*, drop: tuple[str, ...] = (), add: tuple[dict[str, Any], ...] = (), **changes: Any) -> Policy:
    """The office's bundle, with some rules out, others in, and other sections replaced."""
    rules = [item for item in BUNDLE["rules"] if item["id"] not in drop]
    return parse_policy(json.dumps({**BUNDLE, "rules": [*rules, *add], **changes}))


def request(tool: str = "pay", agent: str = "clerk", *, integrity: str = "user", **arguments: JsonValue):
    """A request of one of the office's agents."""
    return DecisionRequest(
        principal=Principal(agent=agent, user="alice"),
        call=CanonicalCall.of(tool, arguments),
        context=Label(integrity=Integrity(integrity), confidentiality="internal"),
    )


def event(
    asked: DecisionRequest,
    decision: Decision | Policy,
    *,
    trace: str = "t1",
    hide: tuple[str, ...] = (),
    time: datetime | None = None,
    number: int | None = None,
) -> DecisionMade:
    """The event of a decision; what is hidden is withheld as the recorder does it."""
    made = decision if isinstance(decision, Decision) else decision.decide(asked)
    place = next(_NUMBERS) if number is None else number
    shown = {name: HIDDEN if name in hide else value for name, value in asked.call.arguments().items()}
    return DecisionMade(
        id=f"{place:032x}",
        time=time or START + timedelta(seconds=place),
        trace=trace,
        thread="thread",
        principal=asked.principal,
        policy=made.policy,
        plan="plan",
        call=RecordedCall(
            call_id="c1", tool=asked.call.tool, digest=asked.call.digest, arguments=shown, complete=not hide
        ),
        decision=made,
        context=asked.context,
        argument_labels=asked.arguments,
        environment=asked.environment,
        argument_methods=asked.methods,
        tool_profile=asked.profile,
        task=asked.task,
        usage=asked.usage,
    )


def replay(events: list[DecisionMade], *policies: Policy, recorded: tuple[Policy, ...] = ()) -> DriftReport:
    """Decide events again."""
    machine = TimeMachine(policies, recorded)
    for item in events:
        machine.add(orjson.loads(item.model_dump_json()))
    return machine.report()
