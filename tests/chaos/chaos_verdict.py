"""Judges what a campaign left behind, from three witnesses: the tools' own journal, the ledger, and the logs.

Invariant: nothing that a killed process believed is asked for; only what it wrote.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "crash"))

from chaos_kit import Campaign
from chaos_worker import POLICY
from crash_kit import HONEST_CRASH

from aisecops_langchain import Governor
from aisecops_langchain.adapters.core.acting import recipient_of
from aisecops_langchain.audit import read_log, verify_log
from aisecops_langchain.domain.events import AnyEvent
from aisecops_langchain.domain.permit import ApprovalState, EffectState
from aisecops_langchain.forensics import problems_of, traces_of
from aisecops_langchain.keyfile import load_key
from aisecops_langchain.runtime.ledger.crosscheck import crosscheck
from aisecops_langchain.runtime.ledger.postgres import PostgresLedger
from aisecops_langchain.runtime.ledger.records import ApprovalRecord, EffectRecord, open_row
from aisecops_langchain.runtime.ledger.sqlite import SqliteLedger
from aisecops_langchain.runtime.ledger.told import told_in
from aisecops_langchain.runtime.ports import Table
from aisecops_langchain.sanitize import Sanitizer
from aisecops_langchain.sealing import Sealer

REPEATABLE = "sync"
"""The tool that policy declares idempotent."""

HONEST_GAPS = {
    "no_end: execution_started",  # killed while the tool ran, and nobody went on with the thread
    "restarted_without_end: execution_started",  # an idempotent call, begun again after a kill
    "restarted_after_end: execution_started",  # the same, killed before the ledger had the end
    "end_without_start: execution_unknown",  # killed after the permit was used up and before the intent was written
    "end_without_start: effect_resolved",  # the same, settled
}
"""What kills and races may leave in the story; anything else that forensics calls a problem is one."""


@dataclass(frozen=True)
class Act:
    """One line of the journal: a tool ran, under a permit that only its governor could name."""

    thread: str
    call: str
    recipient: str
    durable: bool

    @property
    def tool(self) -> str:
        return self.call.rpartition("-")[0]


@dataclass
class Verdict:
    """Figures of a campaign, and everything that must not have happened."""

    figures: dict[str, int] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)

    def require(self, what: str, offenders: list[str]) -> None:
        """Note a figure that must be zero."""
        self.figures[what] = len(offenders)
        self.violations += [f"{what}: {offender}" for offender in offenders]


def judge(campaign: Campaign) -> Verdict:
    """Settle what is unknown as an operator would, then compare journal, ledger and logs."""
    acts = [Act(**json.loads(line)) for line in (campaign.root / "journal").read_bytes().splitlines()]
    verdict = Verdict()
    settled, silent = settle(campaign, acts)
    records = effects_of(campaign)
    events = list(events_of(campaign))
    verdict.figures |= {
        "threads": len(campaign.threads),
        "workers started": campaign.started,
        "workers killed": campaign.killed,
        "effects": len(acts),
        "effects settled by a reconciler": settled,
    }
    verdict.require("effects left unknown after reconciling", silent)
    judge_acts(verdict, acts, records, events)
    judge_approvals(verdict, acts, records, approvals_of(campaign), events)
    judge_records(verdict, acts, records)
    judge_logs(verdict, campaign, events)
    judge_ledger(verdict, campaign)
    return verdict


def judge_acts(verdict: Verdict, acts: list[Act], records: dict[str, EffectRecord], events: list[AnyEvent]) -> None:
    """No act twice, none without an intent on disk, none without a permit in the ledger and the log."""
    started = Counter(recipient_of(event.permit) for event in events if event.kind == "execution_started")
    issued = {recipient_of(event.permit) for event in events if event.kind == "permit_issued"}
    permits = {recipient_of(record.permit.id) for record in records.values()}
    ran = Counter(act.recipient for act in acts)
    names = {act.recipient: f"{act.thread} {act.call}" for act in acts}
    twice = [key for key, count in ran.items() if count > 1 and not names[key].split()[1].startswith(REPEATABLE)]
    verdict.require("effects that happened twice", [names[key] for key in twice])
    verdict.figures["idempotent effects begun again"] = sum(count - 1 for count in started.values())
    verdict.require(
        "effects without a durable intent",
        [f"{act.thread} {act.call}" for act in acts if not act.durable]
        + [names[key] for key, count in ran.items() if count > started[key]],
    )
    verdict.require("effects without a permit", [names[key] for key in ran if key not in issued & permits])


def judge_approvals(
    verdict: Verdict,
    acts: list[Act],
    records: dict[str, EffectRecord],
    approvals: list[ApprovalRecord],
    events: list[AnyEvent],
) -> None:
    """Every yes led to its effect once, is still good, or was accounted for; every paid call had a yes."""
    ran = Counter(act.recipient for act in acts)
    ended = {event.permit for event in events if event.kind in ("execution_failed", "effect_resolved")}
    granted = {(e.thread, e.plan, e.call_id) for e in events if e.kind == "approval_granted"}
    fates: Counter[str] = Counter()
    lost: list[str] = []
    for approval in approvals:
        if approval.state not in (ApprovalState.GRANTED, ApprovalState.CONSUMED):
            continue
        record = records.get(approval.binding.effect_key())
        fate = fate_of(approval, record, 0 if record is None else ran[recipient_of(record.permit.id)], ended)
        if fate:
            fates[fate] += 1
        else:
            lost.append(f"{approval.binding.scope.thread} {approval.binding.call_id} {approval.state}")
    verdict.figures |= {f"approvals {fate}": count for fate, count in sorted(fates.items())}
    verdict.require("approvals lost", lost)
    unasked = [
        f"{record.permit.binding.scope.thread} {record.permit.binding.call_id}"
        for record in records.values()
        if record.permit.binding.tool == "pay"
        and ran[recipient_of(record.permit.id)]
        and (record.permit.binding.scope.thread, record.permit.binding.plan, record.permit.binding.call_id)
        not in granted
    ]
    verdict.require("paid without a recorded approval", unasked)


def fate_of(approval: ApprovalRecord, record: EffectRecord | None, ran: int, ended: set[str]) -> str:
    """Say what became of a yes; empty if nobody can."""
    if approval.state is ApprovalState.GRANTED:
        return "" if ran else "still usable"
    if record is not None and record.state is EffectState.RESERVED:
        return "" if ran else "still usable, with a permit"
    if record is None:
        return ""
    if record.state is EffectState.COMPLETED and ran == 1:
        return "carried out once"
    if record.state is EffectState.FAILED and record.permit.id in ended and not ran:
        return "accounted as never carried out"
    return ""


def judge_records(verdict: Verdict, acts: list[Act], records: dict[str, EffectRecord]) -> None:
    """The ledger says of each effect what the journal says."""
    ran = {act.recipient for act in acts}
    wrong = [
        f"{record.permit.binding.scope.thread} {record.permit.binding.call_id} {record.state}"
        for record in records.values()
        if (record.state is EffectState.COMPLETED) != (recipient_of(record.permit.id) in ran)
    ]
    verdict.require("effects that ledger and world disagree on", wrong)


def judge_logs(verdict: Verdict, campaign: Campaign, events: list[AnyEvent]) -> None:
    """Each host's log verifies, with no more than the marks of honest crashes; all logs together tell a sound story."""
    broken: list[str] = []
    marks: Counter[str] = Counter()
    for home in campaign.homes:
        report = verify_log(home / "audit")
        broken += [f"{home.name} {problem.code.value}" for problem in report.problems]
        marks.update(problem.code.value for problem in report.warnings)
    broken += [f"warning {code}" for code in marks if code not in HONEST_CRASH]
    verdict.figures |= {f"segments with {code}": count for code, count in sorted(marks.items())}
    verdict.figures["events"] = len(events)
    verdict.require("logs that do not verify", broken)
    judge_story(verdict, events)


def judge_ledger(verdict: Verdict, campaign: Campaign) -> None:
    """The one ledger holds all that each host's log tells of: no kill at any moment takes a row away."""
    sealer = Sealer(load_key(campaign.homes[0] / "keys" / "seal.key"))
    with closing(ledger_of(campaign)) as ledger:
        checks = [crosscheck(told_in(home / "audit"), ledger, sealer, now=datetime.now(UTC)) for home in campaign.homes]
    verdict.figures["rows that the logs tell of"] = sum(sum(check.expected.values()) for check in checks)
    lacking = [finding for check in checks for finding in check.findings]
    verdict.require("rows that the ledger lacks", [f"{item.table} {item.key} {item.fault}" for item in lacking])


def judge_story(verdict: Verdict, events: list[AnyEvent]) -> None:
    """All logs together contradict neither each other nor the rules of the runtime."""
    kinds = {event.id: event.kind for event in events}
    told: Counter[str] = Counter()
    for problem in (problem for trace in traces_of(events) for problem in problems_of(trace)):
        told[f"{problem.code.value}: {kinds.get(problem.event or '')}"] += 1
    verdict.figures |= {f"gaps: {gap}": told[gap] for gap in sorted(HONEST_GAPS & told.keys())}
    verdict.require("contradictions in the story", [f"{gap} x{told[gap]}" for gap in told.keys() - HONEST_GAPS])


def settle(campaign: Campaign, acts: list[Act]) -> tuple[int, list[str]]:
    """Ask the journal about every effect whose end nobody saw."""
    ran = {act.recipient for act in acts}

    def look_it_up(effect) -> str:
        return "completed" if recipient_of(effect.permit) in ran else "failed"

    hooks = dict.fromkeys(("look", "sync", "pay"), look_it_up)
    ledger = postgres(campaign) if campaign.schema else None
    home = campaign.homes[0]
    with Governor.open(POLICY, home, ledger=ledger, sanitizer=Sanitizer(), reconcilers=hooks) as governor:
        report = governor.reconcile()
    return len(report.resolved), [f"{effect.thread} {effect.call_id}" for effect in report.unknown]


def postgres(campaign: Campaign) -> PostgresLedger:
    url = os.environ["AISECOPS_TEST_POSTGRES_URL"]
    return PostgresLedger(url, schema=campaign.schema, max_connections=1)


def rows_of(campaign: Campaign, table: Table) -> Iterator[tuple[str, bytes]]:
    """All rows of a table."""
    with closing(ledger_of(campaign)) as ledger:
        yield from ledger.scan(table)


def ledger_of(campaign: Campaign) -> SqliteLedger | PostgresLedger:
    """Open the ledger that all hosts share."""
    return postgres(campaign) if campaign.schema else SqliteLedger(campaign.homes[0] / "ledger.sqlite3")


def effects_of(campaign: Campaign) -> dict[str, EffectRecord]:
    """All effects, by key."""
    sealer = Sealer(load_key(campaign.homes[0] / "keys" / "seal.key"))
    return {row.key: open_row(sealer, row, EffectRecord) for row in rows_of(campaign, Table.EFFECTS)}


def approvals_of(campaign: Campaign) -> list[ApprovalRecord]:
    """All approvals."""
    sealer = Sealer(load_key(campaign.homes[0] / "keys" / "seal.key"))
    asked = (row for row in rows_of(campaign, Table.APPROVALS) if row.state != "heard")  # marks of answers lie beside
    return [open_row(sealer, row, ApprovalRecord) for row in asked]


def events_of(campaign: Campaign) -> Iterator[AnyEvent]:
    """What all hosts recorded."""
    for home in campaign.homes:
        yield from (entry.parse() for entry in read_log(home / "audit") if entry.is_event)
