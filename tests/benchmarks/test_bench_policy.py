"""What the rules alone cost, at 20 and at 2,000 rules.

Run on demand (``make bench``); the ratio is asserted, because it is measured in one run, the times are printed.
"""

from __future__ import annotations

import statistics
import time

from aisecops_langchain import Principal, parse_policy
from aisecops_langchain.canonical import canonical_bytes
from aisecops_langchain.domain.decision import DecisionRequest
from aisecops_langchain.domain.labels import Confidentiality, Integrity, Label
from aisecops_langchain.domain.plan import CanonicalCall
from aisecops_langchain.policy import Policy

PER_TOOL = 4
ROUNDS = 4000


def bundle(rules: int) -> Policy:
    """A bundle of so many rules over a quarter as many tools: as policies grow, they grow by tools."""
    tools = [f"tool{number}" for number in range(rules // PER_TOOL)]
    content = {
        "version": 1,
        "id": "bench",
        "agents": {"bench": {"capabilities": [f"use.{tool}" for tool in tools]}},
        "capabilities": {
            f"use.{tool}": {"tools": [tool], "arguments": {"amount": {"min": 0}, "payee": {"max_length": 40}}}
            for tool in tools
        },
        "rules": [rule for tool in tools for rule in _rules(tool)],
    }
    return parse_policy(canonical_bytes(content).decode())


def _rules(tool: str) -> list[dict[str, object]]:
    about = {"tools": [tool]}
    return [
        {"id": f"{tool}-a", "effect": "allow", "when": {"args.amount": {"lt": 100}}, **about},
        {"id": f"{tool}-b", "effect": "require_approval", "when": {"args.amount": {"ge": 100}}, **about},
        {"id": f"{tool}-c", "effect": "deny", "when": {"labels.payee.integrity": {"at_most": "untrusted"}}, **about},
        {"id": f"{tool}-d", "effect": "deny", "when": {"args.payee": {"matches": ".*evil.*"}}, **about},
    ]


def median_us(policy: Policy) -> float:
    """Median CPU-bound time of one decision, in microseconds; the call is new each time, as in life."""
    label = Label(integrity=Integrity.USER, confidentiality=Confidentiality.INTERNAL)
    requests = [
        DecisionRequest(
            principal=Principal(agent="bench"),
            call=CanonicalCall.of("tool3", {"amount": number % 150, "payee": f"acme {number}"}),
            context=label,
            arguments={"amount": label, "payee": label},
        )
        for number in range(ROUNDS)
    ]
    spent = []
    for request in requests:
        before = time.perf_counter_ns()
        policy.decide(request)
        spent.append(time.perf_counter_ns() - before)
    return statistics.median(spent) / 1000


def test_rules_alone() -> None:
    """2,000 rules may cost at most twice what 20 do."""
    few, many = bundle(20), bundle(2000)
    small, large = median_us(few), median_us(many)
    print(f"\n20 rules: {small:.2f} us p50; 2,000 rules: {large:.2f} us p50; ratio {large / small:.2f}")
    assert large <= 2 * small
