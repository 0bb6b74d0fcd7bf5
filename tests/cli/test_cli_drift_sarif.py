"""The SARIF file keeps to what SARIF 2.1.0 (OASIS, errata 01) asks of the objects that it holds.

The schema itself is in no package that could be a dependency, so its rules for these objects are written out: which
members an object may have (the schema allows no others), which it must have, and of what form they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from cli_logs import Run, write_log
from drift_kit import BUNDLE, bundle, event, request

from aisecops_langchain.domain.decision import Effect

Check = Callable[[Any], None]


def text(value: Any) -> None:
    assert isinstance(value, str)
    assert value


def truth(value: Any) -> None:
    assert isinstance(value, bool)


def number(least: int) -> Check:
    def check(value: Any) -> None:
        assert isinstance(value, int)
        assert not isinstance(value, bool)
        assert value >= least

    return check


def one_of(*values: str) -> Check:
    def check(value: Any) -> None:
        assert value in values

    return check


def matching(pattern: str) -> Check:
    def check(value: Any) -> None:
        text(value)
        assert re.fullmatch(pattern, value)

    return check


def listed(item: Check, *, least: int = 0) -> Check:
    def check(value: Any) -> None:
        assert isinstance(value, list)
        assert len(value) >= least
        for entry in value:
            item(entry)

    return check


def record(required: dict[str, Check], optional: dict[str, Check] | None = None) -> Check:
    """An object with these members and no others."""
    known = {**(optional or {}), **required}

    def check(value: Any) -> None:
        assert isinstance(value, dict)
        assert required.keys() <= value.keys() <= known.keys()
        for name, member in value.items():
            known[name](member)

    return check


URI_REFERENCE = matching(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")  # RFC 3986
MESSAGE = record({"text": text})
LOCATION = record({}, {"physicalLocation": record({}, {"artifactLocation": record({}, {"uri": URI_REFERENCE})})})
RESULT = record(
    {"message": MESSAGE},
    {
        "ruleId": text,
        "ruleIndex": number(-1),
        "level": one_of("none", "note", "warning", "error"),
        "locations": listed(LOCATION),
        "occurrenceCount": number(1),
    },
)
RULE = record({"id": text}, {"shortDescription": MESSAGE})
SEMANTIC_VERSION = matching(r"\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?")
DRIVER = record({"name": text}, {"semanticVersion": SEMANTIC_VERSION, "rules": listed(RULE)})
RUN = record(
    {"tool": record({"driver": DRIVER})},
    {
        "invocations": listed(record({"executionSuccessful": truth})),
        "columnKind": one_of("utf16CodeUnits", "unicodeCodePoints"),
        "results": listed(RESULT),
    },
)
DOCUMENT = record({"version": one_of("2.1.0"), "runs": listed(RUN)}, {"$schema": URI_REFERENCE})


def assert_sarif(document: Any) -> None:
    DOCUMENT(document)
    for found in document["runs"]:
        rules = [rule["id"] for rule in found["tool"]["driver"]["rules"]]
        assert len(rules) == len(set(rules))
        for result in found["results"]:
            assert rules[result["ruleIndex"]] == result["ruleId"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Decisions of every kind: allowed, asked, denied, forged, and with a withheld argument."""
    office = bundle()
    events = [event(request(amount=amount), office) for amount in (5, 500, 5000)]
    events += [event(request("read", path="a"), office), event(request(amount=500), office, hide=("amount",))]
    forged = office.decide(request(amount=600)).model_copy(update={"effect": Effect.ALLOW})
    events.append(event(request(amount=600), forged, trace='a "run" <&\x1b[31m'))
    return write_log(tmp_path / "a home, with spaces" / "audit", events).parent


def test_every_kind_of_result_is_sarif(run: Run, home: Path, tmp_path: Path) -> None:
    before, after = tmp_path / "before.yaml", tmp_path / "pölicy & more.yaml"
    before.write_text(json.dumps(BUNDLE))
    rules = [
        {"id": "no-reading", "effect": "deny", "tools": ["read"]},
        {"id": "any", "effect": "allow", "tools": ["pay"], "when": {"args.amount": {"ge": 100}}},
        {"id": "ask", "effect": "require_approval", "tools": ["pay"], "when": {"args.amount": {"lt": 100}}},
    ]
    after.write_text(json.dumps({**BUNDLE, "rules": rules}))
    file = tmp_path / "drift.sarif"
    run("drift", home, "--policy", after, "--recorded", before, "--fail-on", "any", "--sarif", file)
    document = orjson.loads(file.read_bytes())
    assert_sarif(document)
    kinds = {result["ruleId"] for result in document["runs"][0]["results"]}
    assert kinds >= {"newly-allowed", "newly-denied", "newly-asked", "not-reproducible", "determinism-fault"}


def test_a_log_that_cannot_be_trusted_is_sarif(run: Run, home: Path, tmp_path: Path) -> None:
    (segment,) = (home / "audit").glob("*.jsonl")
    segment.write_bytes(segment.read_bytes().replace(b"clerk", b"clerq", 1) + b"no line\n")
    before, file = tmp_path / "before.yaml", tmp_path / "drift.sarif"
    before.write_text(json.dumps(BUNDLE))
    assert run("drift", home, "--policy", before, "--sarif", file).exit_code == 1
    document = orjson.loads(file.read_bytes())
    assert_sarif(document)
    assert {"log", "unreadable"} <= {result["ruleId"] for result in document["runs"][0]["results"]}
    assert document["runs"][0]["invocations"] == [{"executionSuccessful": False}]


@pytest.mark.parametrize(
    "damage",
    [
        lambda found: found.update(version="2.0.0"),
        lambda found: found["runs"][0]["results"][0].update(level="fatal"),
        lambda found: found["runs"][0]["results"][0].pop("message"),
        lambda found: found["runs"][0]["results"][0].update(colour="red"),
        lambda found: found["runs"][0]["results"][0].update(ruleIndex=1),
        lambda found: found["runs"][0]["tool"]["driver"].update(semanticVersion="1"),
        lambda found: found["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"].update(
            uri="a b"
        ),
    ],
)
def test_what_is_no_sarif_is_noticed_here(run: Run, home: Path, tmp_path: Path, damage: Callable[[Any], Any]) -> None:
    wide, file = tmp_path / "wide.yaml", tmp_path / "drift.sarif"
    wide.write_text(json.dumps({**BUNDLE, "rules": [{"id": "all", "effect": "allow", "tools": ["pay"]}]}))
    run("drift", home, "--policy", wide, "--sarif", file)
    document = orjson.loads(file.read_bytes())
    damage(document)
    with pytest.raises(AssertionError):
        assert_sarif(document)
