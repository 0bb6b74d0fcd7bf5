"""What the real gate records of delegated, bounded and stopped calls is decided again as it was."""

from __future__ import annotations

import orjson
from runtime_kit import World

from aisecops_langchain.domain.decision import Stage
from aisecops_langchain.domain.principal import Principal
from aisecops_langchain.domain.stop import StopKind
from aisecops_langchain.forensics.drift import Change, DriftReport, TimeMachine
from aisecops_langchain.policy import Policy, parse_policy

TEXT = """
version: 1
id: firm
agents:
  boss: {capabilities: [reading, paying]}
  clerk: {capabilities: [reading, paying, wiping]}
capabilities:
  reading: {tools: [look]}
  paying: {tools: [pay]}
  wiping: {tools: [wipe]}
rules:
  - {id: all, effect: allow, tools: [look, pay, wipe]}
  - {id: big, effect: deny, tools: [pay], when: {args.amount: {gt: 100}}}
  - {id: boss-asks, effect: require_approval, tools: [pay], agents: [boss], when: {args.amount: {gt: 10}}}
budgets:
  calls: {measure: calls, limit: 3}
"""
FIRM = parse_policy(TEXT)
TRUSTING = parse_policy(TEXT.replace("{gt: 10}", "{gt: 50}").replace("limit: 3", "limit: 9"))


def again(world: World, *policies: Policy) -> DriftReport:
    machine = TimeMachine(policies, [FIRM])
    for event in world.sink.events:
        if event.kind == "decision_made":
            machine.add(orjson.loads(event.model_dump_json()))
    return machine.report()


def test_what_the_gate_decided_is_decided_again_alike() -> None:
    world = World(policy=FIRM)
    world.scope = world.scope.model_copy(update={"principal": Principal(agent="boss", user="ann", tenant="acme")})
    warrant = world.governor.delegate(world.scope, agent="clerk", tools=["look", "pay"], depth=1, budget={"calls": 2})
    principal = world.governor.delegations.present(warrant)
    world.scope = world.scope.model_copy(update={"principal": principal, "trace": "cd" * 16})
    for tool, arguments in (
        ("pay", {"amount": 5}),
        ("pay", {"amount": 20}),
        ("pay", {"amount": 500}),
        ("wipe", {}),
        ("look", {}),
        ("look", {}),
    ):
        world.decide(world.propose(tool, **arguments))
    world.governor.stops.order(StopKind.AGENT, "clerk", by="ann", reason="looks hijacked")
    world.decide(world.propose("look"))
    made = [event.decision for event in world.sink.events if event.kind == "decision_made"]
    assert {decision.stage for decision in made} >= {Stage.RULES, Stage.DELEGATION, Stage.STOP}
    report = again(world, FIRM, TRUSTING)
    same, trusting = report.bundles
    assert not report.determinism.faults
    assert report.determinism.reproduced == same.same == report.decisions == len(made)
    assert trusting.changed[Change.NEWLY_ALLOWED] == 1  # what the boss would have had to ask about
    assert trusting.held >= 2  # the warrant does not cover wiping, and the clerk was stopped
