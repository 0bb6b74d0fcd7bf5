"""What it costs to decide a long history again, where requests repeat and where no two are the same.

Run on demand (``make bench``); it prints, and asserts nothing about time. ``AISECOPS_BENCH_DECISIONS`` sets the number.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import orjson
import pytest

from aisecops_langchain import parse_policy, verify_log
from aisecops_langchain.audit import AuditLog, Durability
from aisecops_langchain.audit.scan import Scan
from aisecops_langchain.domain.decision import DecisionRequest
from aisecops_langchain.domain.events import DecisionMade, RecordedCall
from aisecops_langchain.domain.labels import Source, SourceKind, join_all, label_for
from aisecops_langchain.domain.plan import CanonicalCall
from aisecops_langchain.domain.principal import Principal
from aisecops_langchain.forensics.drift import TimeMachine

DECISIONS = int(os.environ.get("AISECOPS_BENCH_DECISIONS", "20000"))
DISTINCT = 1000
BUNDLE = """
version: 1
id: bench
agents: {clerk: {capabilities: [pay]}}
capabilities: {pay: {tools: [pay], arguments: {amount: {max: 1000000}}}}
rules:
  - {id: small, effect: allow, tools: [pay], when: {args.amount: {lt: 500}}}
  - {id: large, effect: require_approval, tools: [pay], when: {args.amount: {ge: 500}}}
"""
TIGHTER = BUNDLE + "  - {id: none, effect: deny, tools: [pay], when: {args.amount: {gt: 900}}}\n"
POLICY, AFTER = parse_policy(BUNDLE), parse_policy(TIGHTER)


def body(number: int, amount: int) -> tuple[str, bytes]:
    """One decision of one run, as the recorder writes it: with sources of its own in every run."""
    sources = (
        Source(kind=SourceKind.USER_PROMPT, name="human", digest=f"sha256:{number:064x}"),
        Source(kind=SourceKind.RETRIEVAL_CHUNK, name="letters/4.md", digest=f"sha256:{number + 1:064x}"),
    )
    context = join_all(map(label_for, sources))
    call = CanonicalCall.of("pay", {"to": "ACME GmbH", "iban": "DE" + "1" * 20, "amount": amount})
    request = DecisionRequest(
        principal=Principal(agent="clerk", user="alice", tenant="acme"),
        call=call,
        context=context,
        arguments={"to": context, "iban": context, "amount": label_for(sources[0])},
    )
    decision = POLICY.decide(request)
    event = DecisionMade.model_validate(
        {
            "id": f"{number:032x}",
            "time": f"2026-03-01T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}Z",
            "trace": f"{number // 3:032x}",
            "thread": "thread",
            "principal": request.principal,
            "policy": decision.policy,
            "plan": "p",
            "call": RecordedCall(
                call_id="c", tool="pay", digest=call.digest, arguments=call.arguments(), complete=True
            ),
            "decision": decision,
            "context": context,
            "argument_labels": request.arguments,
            "environment": {"deployment": "prod"},
        }
    )
    return event.id, event.model_dump_json().encode()


def write(home: Path, amounts: range) -> None:
    """A log of ``DECISIONS`` events; each is a real one of which number, trace and sources are replaced."""
    made = [body(0, amount)[1] for amount in amounts]
    zero, one = b"sha256:" + b"0" * 64, b"sha256:" + b"0" * 63 + b"1"
    with AuditLog.open(home, key=b"k" * 32, durability=Durability.NONE) as log:
        for start in range(0, DECISIONS, 1000):
            lines = []
            for number in range(start, min(start + 1000, DECISIONS)):
                text = made[number % len(made)]
                name = b"%032x" % (number + 1)
                text = text.replace(b'"id":"%032x"' % 0, b'"id":"%s"' % name)
                text = text.replace(b'"trace":"%032x"' % 0, b'"trace":"%032x"' % (number // 3 + 1))
                text = text.replace(zero, b"sha256:%064x" % (2 * number)).replace(
                    one, b"sha256:%064x" % (2 * number + 1)
                )
                lines.append((name.decode(), text))
            log.append_lines(lines)
        log.commit()


def reworded(line: bytes, number: int) -> bytes:
    """The same line with a text of its own in an argument that no rule looks at."""
    text = f"ACME {number:06}"
    fields = orjson.loads(line)
    arguments = {**fields["call"]["arguments"], "to": text}
    digest = CanonicalCall.of("pay", arguments).digest
    return line.replace(b"ACME GmbH", text.encode()).replace(fields["call"]["digest"].encode(), digest.encode())


def test_cost_where_requests_differ_in_what_no_policy_looks_at(tmp_path: Path) -> None:
    """Print deciding again, in microseconds for one decision."""
    write(tmp_path, range(1))
    lines = [reworded(line, number) for number, line in enumerate(Scan(tmp_path, frozenset({"decision_made"})).lines())]
    begun = time.process_time()
    for line in lines:
        orjson.loads(line)
    parsed = time.process_time()
    machine = TimeMachine([AFTER], [POLICY], gather_uses=False)
    for line in lines:
        machine.add_line(line)
    spent = time.process_time() - parsed
    assert machine.report().determinism.reproduced == DECISIONS
    print(f"\n{DECISIONS} decisions, all of another text, {machine.distinct} different in what is looked at")
    alone, again = ((seconds / DECISIONS) * 1e6 for seconds in (parsed - begun, spent))
    print(f"  orjson.loads alone {alone:7.2f} us; deciding again {again:.2f} us")


@pytest.mark.parametrize("distinct", [DISTINCT, DECISIONS], ids=["requests repeat", "all differ"])
def test_cost_of_deciding_history_again(tmp_path: Path, distinct: int) -> None:
    """Print reading, deciding again under one other policy, and verifying."""
    write(tmp_path, range(min(distinct, DECISIONS)))
    (segment,) = tmp_path.glob("*.jsonl")
    started = time.process_time()
    with segment.open("rb") as file:
        for line in file:
            orjson.loads(line)
    begun = time.process_time()
    read = sum(1 for _ in Scan(tmp_path, frozenset({"decision_made"})))
    scanned = time.process_time()
    machine = TimeMachine([AFTER], [POLICY], gather_uses=False)
    for line in Scan(tmp_path, frozenset({"decision_made"})).lines():
        machine.add_line(line)
    report = machine.report()
    decided = time.process_time()
    assert verify_log(tmp_path).ok
    verified = time.process_time()
    assert report.decisions == read == DECISIONS
    assert report.determinism.reproduced == DECISIONS
    print(f"\n{DECISIONS} decisions, {distinct} different, {segment.stat().st_size / 1e6:.0f} MB")
    print(f"  orjson.loads alone {begun - started:7.2f} s of one core")
    print(f"  reading            {scanned - begun:7.2f} s")
    print(f"  deciding again     {decided - scanned:7.2f} s, reading included")
    print(f"  verifying the log  {verified - decided:7.2f} s")
