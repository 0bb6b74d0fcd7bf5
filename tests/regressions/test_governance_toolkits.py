"""G01 to G05: failures of governance toolkits, attacked through the public API."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pytest
from adapter_kit import APPROVE, POLICY, Office, log_bytes, open_governor, says
from approval_kit import PAY_ALICE, SAFE, asked
from langgraph.types import Command
from regression_kit import on_thread

from aisecops_langchain import Policy, parse_policy, verify_log
from aisecops_langchain.audit.layout import heads_path, segment_paths
from aisecops_langchain.audit.scan import Scan
from aisecops_langchain.domain.decision import DecisionRequest, Effect
from aisecops_langchain.domain.labels import UNLABELLED
from aisecops_langchain.domain.plan import CanonicalCall
from aisecops_langchain.domain.principal import Principal
from aisecops_langchain.errors import PolicyError
from aisecops_langchain.forensics.drift import Change, TimeMachine
from aisecops_langchain.testing import call

ROOT = Path(__file__).parents[2]


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every value inside JSON data, with the way to it."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from leaves(item, (*path, key))
    if not isinstance(value, dict | list):
        yield path, value


async def test_g01_no_field_of_a_decision_or_an_approval_can_be_edited_unseen(quick: Office) -> None:
    """The hash of an entry left out decision, matched rule and approver, so that they could be edited."""
    graph, _ = await asked(quick)
    await quick.run(graph, Command(resume=APPROVE))
    quick.events()
    (segment,) = segment_paths(quick.home / "audit")
    whole = segment.read_bytes()
    lines = whole.splitlines(keepends=True)
    for number, line in enumerate(lines):
        event = orjson.loads(line)
        if event["kind"] not in ("decision_made", "approval_granted"):
            continue
        for path, value in leaves(event):
            forged = orjson.loads(line)
            place = forged
            for step in path[:-1]:
                place = place[step]
            place[path[-1]] = not value if isinstance(value, bool) else f"{value}x" if isinstance(value, str) else 9
            segment.write_bytes(b"".join([*lines[:number], orjson.dumps(forged) + b"\n", *lines[number + 1 :]]))
            assert not verify_log(quick.home / "audit").ok, path
    segment.write_bytes(whole)


async def test_g02_segments_hang_together_and_a_cut_tail_is_noticed(quick: Office) -> None:
    """The chain began anew at each rotation, and a log without its last lines verified."""
    await quick.run(quick.agent([SAFE], "done"), says("rates"))
    quick.governor.close()
    quick.governor = open_governor(quick.home)  # rotates: each process writes a segment of its own
    await quick.run(quick.agent([SAFE], "done"), says("rates"), on_thread("t2"))
    quick.governor.close()
    log = quick.home / "audit"
    first, last = segment_paths(log)
    whole = {path: path.read_bytes() for path in (first, last, heads_path(first))}
    for path in (first, last):
        lines = whole[path].splitlines(keepends=True)
        for kept in (lines[:-1], lines[:-3], lines[:1]):
            path.write_bytes(b"".join(kept))
            assert not verify_log(log).ok
        path.write_bytes(whole[path])
    first.unlink()
    heads_path(first).unlink()
    assert not verify_log(log).ok
    for path, content in whole.items():
        path.write_bytes(content)


async def test_g03_no_secret_stands_in_the_log_or_in_log_records(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    """Raw arguments with their secrets were logged at INFO."""
    secret = "sk-proj-" + "a1B2c3D4e5F6g7H8" * 3

    def search(query: str) -> str:
        """Search the files."""
        raise ValueError(query)

    with caplog.at_level(logging.DEBUG, logger="aisecops_langchain"):
        calls = [call("search", "c1", query=f"use {secret}"), call("wipe", "c2", path=secret)]
        await office.run(office.agent(calls, "done", tools=[search, *office.tools()[1:]]), says(f"my key is {secret}"))
    assert office.of("execution_failed")
    assert secret.encode() not in log_bytes(office.governor)
    assert secret not in caplog.text


def shipped_policies() -> Iterator[Policy]:
    """Every bundle that documentation, examples and the package itself show."""
    found = [path.read_text() for path in (ROOT / "aisecops_langchain").rglob("policy.yaml")]
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*.py")]:
        text = page.read_text(encoding="utf-8")
        blocks = re.findall(r'(?:```yaml\n|""")(\s*version: 1\n.*?)(?:```|""")', text, re.DOTALL)
        found += [block for block in blocks if "rules:" in block]
    for bundle in found:
        with suppress(PolicyError):  # the documentation also shows what is refused
            yield parse_policy(bundle)


def test_g04_no_shipped_policy_allows_by_default() -> None:
    """The quickstart of a toolkit came with `default_action: allow`."""
    policies = list(shipped_policies())
    assert len(policies) > 8
    for policy in policies:
        for agent in (*orjson.loads(policy.bundle_json())["agents"], "stranger"):
            request = DecisionRequest(
                principal=Principal(agent=agent),
                call=CanonicalCall.of("tool_that_nobody_named", {}),
                context=UNLABELLED,
                arguments={},
            )
            assert policy.decide(request).effect is Effect.DENY


@pytest.mark.parametrize("line", ["default_action: allow", "default: allow", "defaults: {effect: allow}"])
def test_g04_a_default_of_allow_cannot_even_be_written(line: str) -> None:
    """One line of configuration opened everything that no rule named."""
    parse_policy(POLICY)
    with pytest.raises(PolicyError):
        parse_policy(f"{POLICY}{line}\n")


async def test_g05_a_recorded_decision_can_be_made_again_from_the_log(office: Office) -> None:
    """A 'replay' only listed spans; here the recorded request yields the recorded decision."""
    await office.run(office.agent([SAFE, PAY_ALICE, call("wipe", "c9", path="/")], "done"), says("go"))
    made = office.of("decision_made")
    assert {event.decision.effect for event in made} == set(Effect)
    for event in made:
        call_again = CanonicalCall.of(event.call.tool, event.call.arguments)
        request = DecisionRequest(
            principal=event.principal,
            call=call_again,
            context=event.context,
            arguments=event.argument_labels,
            methods=event.argument_methods,
            profile=event.tool_profile,
            environment=event.environment,
            usage=event.usage,
            **({"task": event.task} if event.task else {}),
        )
        assert parse_policy(POLICY).decide(request) == event.decision


async def test_g05_history_is_decided_again_under_another_policy(office: Office, tmp_path: Path) -> None:
    """A 'replay' only listed spans; here each recorded call is put to another policy, and nothing is run."""
    await office.run(office.agent([SAFE, PAY_ALICE, call("wipe", "c9", path="/")], "done"), says("go"))
    office.governor.close()
    before = log_bytes(office.governor)
    recorded = parse_policy(POLICY)
    rules = orjson.loads(recorded.bundle_json())
    rules["rules"] = [
        {**rule, "effect": "allow"} if rule["effect"] == "require_approval" else rule for rule in rules["rules"]
    ]
    other = parse_policy(orjson.dumps(rules).decode())
    machine = TimeMachine([other], [recorded])
    for fields in Scan(office.home / "audit", {"decision_made"}):
        machine.add(fields)
    report = machine.report()
    assert report.decisions == report.determinism.reproduced == 3
    (found,) = report.bundles
    assert found.changed[Change.NEWLY_ALLOWED] == 1
    assert [(flip.tool, flip.old, flip.new) for flip in found.flips] == [("pay", Effect.REQUIRE_APPROVAL, Effect.ALLOW)]
    assert log_bytes(office.governor) == before
