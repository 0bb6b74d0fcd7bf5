"""A world in which a person may let payments run again without being asked."""

from __future__ import annotations

from itertools import count

from runtime_kit import ALICE, TOOLS, PlainTool, World, labelled

from aisecops_langchain.domain.grant import GrantRequest
from aisecops_langchain.policy import parse_policy
from aisecops_langchain.runtime.approvals.service import Approve
from aisecops_langchain.runtime.decisions.case import Proposal
from aisecops_langchain.runtime.decisions.verdicts import Permitted
from aisecops_langchain.runtime.grants.bounds import read_wish
from aisecops_langchain.runtime.ledger.records import Briefing
from aisecops_langchain.runtime.plans.planner import ProposedCall

BUNDLE = """
version: 1
id: grant-tests
agents: {clerk: {capabilities: [paying]}, helper: {capabilities: [paying]}}
capabilities:
  paying: {tools: [pay, sync], risk: high}
rules:
  - id: pay
    effect: require_approval
    tools: [pay]
    grants: {max_seconds: 3600, max_uses: 20, any: [note], any_thread: true}
  - {id: sync, effect: require_approval, tools: [sync]}
  - {id: never, effect: deny, tools: [pay], when: {args.note: {eq: never}}}
  - {id: odd, effect: require_approval, tools: [pay], when: {args.note: {eq: odd}}}
  - id: tight
    effect: require_approval
    tools: [pay]
    when: {args.to: {eq: alice}, args.amount: {eq: 77}}
    grants: {max_seconds: 60, max_uses: 20, any: [note]}
  - {id: boss, effect: require_approval, tools: [pay], agents: [clerk], when: {args.note: {eq: boss}}}
limits: {permit_ttl_seconds: 60}
"""
POLICY = parse_policy(BUNDLE)
PLAIN = parse_policy(BUNDLE.partition("  - {id: never")[0])
"""Without rules that need an argument, so that a call without it is a question and no error."""

WISH = {"for_seconds": 3600, "uses": 10, "same": ["to"], "up_to": {"amount": "500"}, "any": ["note"]}
CALL = {"to": "alice", "amount": 100, "note": "rent"}


class GrantWorld(World):
    """One clerk, one person who grants, one payment after the other."""

    def __init__(self, **given) -> None:
        super().__init__(**{"policy": POLICY, **given})
        self._steps = count(1)

    def step(self, tool: str = "pay", scope=None, version: str | None = None, **arguments) -> Proposal:
        """Propose a call in a turn of its own."""
        number = next(self._steps)
        tools = TOOLS if version is None else {**TOOLS, tool: PlainTool(tool, version)}
        plan = self.governor.planner.plan(
            [ProposedCall(f"call-{number}", tool, arguments)],
            [labelled("do it")],
            tools,
            scope or self.scope,
            turn=f"turn-{number}",
        )
        (step,) = plan.steps
        return Proposal(step=step, plan=plan.id, context=plan.context, planned_call=step.call.digest)

    def answer(self, proposal: Proposal, wish: object, approver=ALICE):
        """Ask, whether or not a grant stands already, and answer with a yes and a wish."""
        decision = self.governor.policy.decide(self.governor.gate.request_for(proposal, self.scope))
        binding = self.binding(proposal)
        self.governor.approvals.request(binding, Briefing(grants=decision.grants), decision.approvals)
        request = GrantRequest(wish=read_wish(wish), call=proposal.step.call)
        return self.governor.approvals.answer(binding, Approve(request), approver)

    def answer_to(self, call, wish: object):
        """Propose a call, and answer with a yes and a wish."""
        return self.answer(self.step(**call), wish)

    def give(self, call=CALL, **wish):
        """Approve one call with a grant beside it, and return the grant."""
        record = self.answer_to(call, {**WISH, **wish})
        assert record.grant is not None, record.reason
        return record.grant

    def use(self, scope=None, version=None, **changed):
        """Propose a call like the approved one, and decide on it; ``DROP`` leaves an argument out."""
        arguments = {name: value for name, value in {**CALL, **changed}.items() if value is not DROP}
        proposal = self.step(scope=scope, version=version, **arguments)
        return self.governor.gate.decide(proposal, scope or self.scope)

    def runs(self, **changed) -> bool:
        """Whether such a call gets a permit without a person."""
        return isinstance(self.use(**changed), Permitted)

    def elsewhere(self, **changed):
        """The scope with other facts of scope or principal."""
        who = {name: changed.pop(name) for name in list(changed) if name in type(self.scope.principal).model_fields}
        principal = self.scope.principal.model_copy(update=who)
        return self.scope.model_copy(update={**changed, "principal": principal})


DROP = object()
