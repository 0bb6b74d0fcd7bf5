"""One process of the load test: threads that each take effects through plan, gate, execution and log.

Started by ``load_kit`` with its orders as JSON on the command line; says ``up``, waits for a line, works, and prints
what it saw as JSON. Each effect is one line in a journal that all processes share.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "runtime"))

from runtime_kit import SANITIZER, TOOLS, labelled

from aisecops_langchain import Governor, parse_policy
from aisecops_langchain.domain.permit import Binding
from aisecops_langchain.domain.principal import Approver, Principal
from aisecops_langchain.errors import PermitError
from aisecops_langchain.runtime.approvals.service import Approve
from aisecops_langchain.runtime.decisions.case import Proposal
from aisecops_langchain.runtime.decisions.verdicts import NeedsApproval, Permitted
from aisecops_langchain.runtime.ledger.postgres import PostgresLedger
from aisecops_langchain.runtime.plans.planner import ProposedCall

POLICY = """
version: 1
id: load
agents: {clerk: {capabilities: [reading, paying]}}
capabilities:
  reading: {tools: [look], risk: low}
  paying: {tools: [pay], risk: high}
rules:
  - {id: look, effect: allow, tools: [look]}
  - {id: pay, effect: require_approval, tools: [pay]}
"""

APPROVED_SHARE = 10
"""Every so many effects needs a person, who says yes at once."""
CONTESTED_SHARE = 10
"""Every so many effects is tried by a worker of another process as well, at about the same time."""

RESULT = "sha256:" + "0" * 64


@dataclass
class Report:
    """What one worker saw."""

    seconds: list[float] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)


class Worker:
    """Takes effects one after another."""

    def __init__(self, governor: Governor, journal: int) -> None:
        self._governor = governor
        self._journal = journal
        self.report = Report()

    def run(self, numbers: list[int]) -> Report:
        for number in numbers:
            began = time.perf_counter()
            outcome = self._effect(number)
            if outcome:
                self.report.refused[outcome] += 1
            else:
                self.report.seconds.append(time.perf_counter() - began)
        return self.report

    def _effect(self, number: int) -> str:
        """Carry one effect out; returns why not, where somebody else was first."""
        governor = self._governor
        tool = "pay" if number % APPROVED_SHARE == 5 else "look"
        principal = Principal(agent="clerk", user="ann", tenant="acme")
        scope = governor.scope(trace=f"{number:032x}", thread=f"t-{number}", checkpoint_ns="", principal=principal)
        proposals = [ProposedCall("call", tool, {"number": number})]
        plan = governor.planner.plan(proposals, [labelled("do it")], TOOLS, scope, turn="turn")
        governor.planner.record(plan, scope)
        (step,) = plan.steps
        proposal = Proposal(step=step, plan=plan.id, context=plan.context, planned_call=step.call.digest)
        verdict = governor.gate.decide(proposal, scope)
        if isinstance(verdict, NeedsApproval):
            governor.approvals.request(verdict.binding, verdict.briefing, parents=(verdict.event,))
            governor.approvals.answer(verdict.binding, Approve(), Approver(id="grace", verified=True))
            verdict = governor.gate.decide(proposal, scope)
        if not isinstance(verdict, Permitted):
            return verdict.code
        binding = Binding(
            call_id=step.call_id,
            call=step.call.digest,
            tool=tool,
            tool_definition=step.tool_definition,
            plan=plan.id,
            scope=scope,
        )
        try:
            running = governor.execution.begin(verdict.permit.id, binding)
        except PermitError as refusal:
            return refusal.code
        os.write(self._journal, f"{number}\n".encode())
        governor.execution.complete(running, result=RESULT, label=plan.context)
        return ""


def numbers_of(worker: int, orders: dict) -> list[int]:
    """The effects of one worker: its own, and those that it contests, in the order in which others take them."""
    workers, effects = orders["workers"], orders["effects"]
    rival = (worker + orders["threads"]) % workers  # the same place in the next process
    own = range(worker, effects, workers)
    contested = (number for number in range(rival, effects, workers) if (number // workers) % CONTESTED_SHARE == 0)
    return sorted([*own, *contested], key=lambda number: (number // workers, number % workers != worker))


def main() -> None:
    orders = json.loads(sys.argv[1])
    threads, process = orders["threads"], orders["process"]
    journal = os.open(orders["journal"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    ledger = PostgresLedger(orders["url"], schema=orders["schema"], max_connections=threads)
    with (
        Governor.open(parse_policy(POLICY), orders["home"], ledger=ledger, sanitizer=SANITIZER) as governor,
        ThreadPoolExecutor(threads) as pool,
    ):
        print("up", flush=True)
        sys.stdin.readline()
        workers = range(process * threads, (process + 1) * threads)
        began = time.perf_counter()
        jobs = [pool.submit(Worker(governor, journal).run, numbers_of(worker, orders)) for worker in workers]
        reports = [job.result() for job in jobs]
        seconds = time.perf_counter() - began
    refused = sum((report.refused for report in reports), Counter())
    found = {"seconds": seconds, "each": [each for report in reports for each in report.seconds], "refused": refused}
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
