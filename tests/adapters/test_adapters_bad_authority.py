"""Hostile arguments through a whole governed agent: denied or rejected, and the log says why."""

from __future__ import annotations

import pytest
from langchain_core.messages import AIMessage

from aisecops_langchain import Governor, govern, parse_policy
from aisecops_langchain.audit import read_log
from aisecops_langchain.testing import ScriptedChatModel

POLICY = parse_policy("""
version: 1
id: bad-authority
agents: {clerk: {capabilities: [paying]}}
capabilities:
  paying: {tools: [pay], risk: high, arguments: {to: {max_length: 4000000}, amount: {min: 0, max: 100}}}
tools: {pay: {effects: [spend], targets: [to], amounts: [amount]}}
rules:
  - {id: pay, effect: allow, tools: [pay]}
  - {id: named-by-the-user, effect: deny, tools: [pay], when: {labels.to.method: {not_in: [verbatim, spelled]}}}
""")
RULE = ("decision_made", "rule")
BOUND = ("decision_made", "argument_constraint")
SCHEMA = ("plan_rejected", "invalid_arguments")
UNKNOWN = ("plan_rejected", "unknown_tool")
HOSTILE = {
    "a megabyte that the page wrote": ("pay", {"to": "a" * 1_000_000, "amount": 5}, RULE),
    "more than an event may hold": ("pay", {"to": "a" * 3_000_000, "amount": 5}, RULE),
    "not a number": ("pay", {"to": "ann@example.com", "amount": float("nan")}, SCHEMA),
    "infinite": ("pay", {"to": "ann@example.com", "amount": float("inf")}, SCHEMA),
    "more than 64 bits": ("pay", {"to": "ann@example.com", "amount": 10**40}, SCHEMA),
    "a huge float": ("pay", {"to": "ann@example.com", "amount": 1e308}, BOUND),
    "a homoglyph in the tool's name": ("p\u0430y", {"to": "ann@example.com", "amount": 5}, UNKNOWN),
    "a fullwidth tool": ("\uff50ay", {"to": "ann@example.com", "amount": 5}, UNKNOWN),
    "a recipient that is equal in Unicode": ("pay", {"to": "\uff41nn@example.com", "amount": 5}, RULE),
    "a homoglyph in the recipient": ("pay", {"to": "\u0430nn@example.com", "amount": 5}, RULE),
    "a zero-width space in the recipient": ("pay", {"to": "ann\u200b@example.com", "amount": 5}, RULE),
    "a recipient whose part the user named": ("pay", {"to": "x.ann@example.com", "amount": 5}, RULE),
}


@pytest.mark.parametrize("way", ["sync", "async"])
@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_arguments_run_nothing_and_the_log_says_why(name, way, tmp_path):
    tool, arguments, why = HOSTILE[name]
    paid = []

    def pay(to: object, amount: float) -> str:
        """Pay somebody."""
        paid.append(to)
        return "paid"

    proposed = AIMessage("", tool_calls=[{"name": tool, "args": arguments, "id": "call-1", "type": "tool_call"}])
    model = ScriptedChatModel(script=[proposed, "Done."])
    asked = {"messages": [("user", "Pay 5 to ann@example.com.")]}
    with Governor.open(POLICY, tmp_path, durability="none") as governor:
        graph = govern(model, [pay], governor=governor, agent="clerk")
        await graph.ainvoke(asked) if way == "async" else graph.invoke(asked)
    assert paid == []
    found = []
    for entry in read_log(tmp_path / "audit"):
        event = entry.parse()
        if event.kind == "plan_rejected":
            found += [(event.kind, item.code) for item in event.rejected]
        if event.kind == "decision_made":
            found.append((event.kind, event.decision.reasons[0].code))
    assert found == [why]
