"""The rule pack holds its own examples, and a faulty pack is refused by name."""

from __future__ import annotations

import pytest
import yaml

from aisecops_langchain.domain.labels import SourceKind
from aisecops_langchain.errors import ConfigurationError
from aisecops_langchain.sanitize import RuleDetector, core_rules, load_rules
from aisecops_langchain.sanitize.readings import read
from aisecops_langchain.sanitize.rules import parse_rules

DETECTOR = RuleDetector(core_rules().rules)
RULE = {
    "id": "greeting",
    "category": "test",
    "severity": "high",
    "description": "Finds a greeting.",
    "patterns": ["hello world"],
    "match": ["hello world"],
    "no_match": ["goodbye"],
}


def found(text):
    return {finding.rule for finding in DETECTOR.scan(read(text), SourceKind.TOOL_RESULT)}


def pack(**changes):
    return yaml.safe_dump({"pack": "p", "version": 1, "rules": [{**RULE, **changes}]})


@pytest.mark.parametrize(("rule", "text"), [(rule.id, text) for rule in core_rules().rules for text in rule.match])
def test_rule_finds_its_examples(rule, text):
    assert rule in found(text)


@pytest.mark.parametrize("text", [text for rule in core_rules().rules for text in rule.no_match])
def test_harmless_examples_are_found_by_no_rule(text):
    assert found(text) == set()


def test_core_pack_has_some_thirty_rules_of_many_categories():
    assert len(core_rules().rules) >= 30
    assert {"override", "role_play", "prompt_extraction", "exfiltration", "memory"} <= {
        rule.category for rule in core_rules().rules
    }


def test_a_space_in_a_pattern_stands_for_any_white_space():
    rules = parse_rules(pack(patterns=["hello ?world[ !]"]), name="p.yaml").rules
    detector = RuleDetector(rules)
    for text in ("hello world!", "hello \n\t world ", "helloworld!"):
        assert detector.scan(read(text), SourceKind.MEMORY)


@pytest.mark.parametrize(
    "changes",
    [
        {"severty": "high"},
        {"severity": "fatal"},
        {"patterns": ["(unclosed"]},
        {"patterns": ["(?=look)ahead"]},
        {"patterns": ["x*"]},
        {"patterns": []},
        {"match": []},
        {"no_match": []},
        {"channels": []},
        {"channels": ["telephone"]},
    ],
)
def test_a_faulty_rule_is_refused_by_its_id(changes):
    with pytest.raises(ConfigurationError, match="greeting"):
        parse_rules(pack(**changes), name="p.yaml")


def test_repeated_ids_and_repeated_keys_are_refused():
    twice = yaml.safe_dump({"pack": "p", "version": 1, "rules": [RULE, RULE]})
    with pytest.raises(ConfigurationError, match="twice"):
        parse_rules(twice, name="p.yaml")
    with pytest.raises(ConfigurationError, match="repeated key"):
        parse_rules(pack() + "\nversion: 2\n", name="p.yaml")


@pytest.mark.parametrize("text", ["", "[]", "a: [", "pack: p\nversion: 1\nrules: []", "? [a]\n: b"])
def test_what_is_no_rule_pack_is_refused(text):
    with pytest.raises(ConfigurationError):
        parse_rules(text, name="p.yaml")


def test_a_missing_or_binary_file_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_rules(tmp_path / "none.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_rules(tmp_path / "binary.yaml")


def test_a_pack_of_the_user_is_loaded_from_a_file(tmp_path):
    (tmp_path / "own.yaml").write_text(pack(channels=["memory"]))
    detector = RuleDetector(load_rules(tmp_path / "own.yaml").rules)
    views = read("Hello World")
    assert [finding.rule for finding in detector.scan(views, SourceKind.MEMORY)] == ["greeting"]
    assert detector.scan(views, SourceKind.TOOL_RESULT) == []


def test_a_detector_without_rules_or_with_repeated_ids_is_refused():
    with pytest.raises(ConfigurationError):
        RuleDetector([])
    with pytest.raises(ConfigurationError):
        RuleDetector([*core_rules().rules, core_rules().rules[0]])
