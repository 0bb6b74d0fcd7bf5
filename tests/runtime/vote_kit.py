"""A world whose requester was verified, a policy that takes more than one yes, and the people who may give them."""

from __future__ import annotations

from runtime_kit import World

from aisecops_langchain.domain.principal import Approver, Principal
from aisecops_langchain.policy import parse_policy

ISSUER = "https://login"
ANN = Principal(agent="clerk", user="ann", tenant="acme", issuer=ISSUER)

POLICY = """
version: 1
id: votes
agents: {clerk: {capabilities: [paying]}}
capabilities: {paying: {tools: [pay, look, sync], risk: high}}
rules:
  - {id: plain, effect: require_approval, tools: [look]}
  - {id: own, effect: require_approval, tools: [sync], approval: {requester_may_approve: true}}
  - id: two
    effect: require_approval
    tools: [pay]
    approval:
      approvers: 2
      roles: [treasurer, cfo]
      ttl_seconds: 600
      escalate: {after_seconds: 300, roles: [ciso]}
  - {id: large, effect: require_approval, tools: [pay], when: {args.amount: {gt: 100}}, approval: {roles: [cfo]}}
limits: {approval_ttl_seconds: 1000}
"""


def person(name, *roles, tenant="acme", issuer=ISSUER, verified=True):
    """Somebody an identity provider names."""
    return Approver(id=name, verified=verified, tenant=tenant, issuer=issuer, roles=roles)


BOB = person("bob", "treasurer")
CAROL = person("carol", "treasurer", "auditor")
DAVE = person("dave", "cfo")
EVE = person("eve", "auditor")
CISO = person("grace", "ciso")


def voting_world(policy=POLICY, principal=ANN, **ports):
    """A world in which a verified person's agent acts."""
    world = World(policy=parse_policy(policy), **ports)
    world.scope = world.governor.scope(trace="ab" * 16, thread="thread-1", checkpoint_ns="", principal=principal)
    return world


def ask(world, tool="pay", **arguments):
    """Propose a call and ask about it as the guard does; returns the proposal and its binding."""
    proposal = world.propose(tool, **(arguments or {"amount": 5}))
    verdict = world.decide(proposal)
    world.governor.approvals.request(verdict.binding, verdict.briefing, verdict.requires, parents=(verdict.event,))
    return proposal, verdict.binding
