"""The rule pack holds its own examples, and a faulty pack is refused by name."""

from __future__ import annotations

import json

import pytest
import yaml

from aisecops_langchain.domain.labels import SourceKind
from aisecops_langchain.errors import ConfigurationError
from aisecops_langchain.sanitize import RuleDetector, core_rules, load_rules
from aisecops_langchain.sanitize.pack_check import failing_examples, require_examples
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


def test_every_rule_of_the_core_pack_does_what_its_examples_say():
    assert failing_examples(core_rules()) == ()


def test_every_rule_of_the_core_pack_names_risks_and_doors_where_it_needs_them():
    rules = core_rules().rules
    assert all(rule.owasp for rule in rules)
    assert {identifier[:3] for rule in rules for identifier in rule.owasp} == {"LLM", "ASI"}
    (request,) = (rule for rule in rules if rule.id == "action-in-data")
    assert not request.watches(SourceKind.USER_PROMPT)
    assert request.watches(SourceKind.TOOL_RESULT)


def test_core_pack_has_some_thirty_rules_of_many_categories():
    assert len(core_rules().rules) >= 30
    assert {rule.category for rule in core_rules().rules} == {
        *("addressed", "approval", "authority", "coercion", "concealment", "encoding", "exfiltration", "memory"),
        *("new_task", "override", "payload", "prompt_extraction", "request", "role_play", "template", "tool_markup"),
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
        {"owasp": ["LLM11"]},
        {"owasp": ["A01"]},
        {"patterns": ["(?:(?:a{1,500}b){1,500}c){1,2}"]},
        {"patterns": ["x" * 8_001]},
        {"patterns": ["%{unknown} world"]},
    ],
)
def test_a_faulty_rule_is_refused_by_its_id(changes):
    with pytest.raises(ConfigurationError, match="greeting"):
        parse_rules(pack(**changes), name="p.yaml")


def test_repeated_ids_and_repeated_keys_are_refused():
    twice = json.dumps({"pack": "p", "version": 1, "rules": [RULE, RULE]})
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


def written(folder, name, **changes):
    (folder / name).write_text(yaml.safe_dump({"pack": "p", "version": 1, **changes}), encoding="utf-8")


def test_a_folder_is_one_pack_whose_files_share_fragments(tmp_path):
    written(tmp_path, "a.yaml", define={"who": "world|earth"})
    written(tmp_path, "b.yaml", rules=[{**RULE, "patterns": ["hello %{who}!"], "match": ["Hello earth!"]}])
    (tmp_path / "notes.txt").write_text("no part of it")
    loaded = load_rules(tmp_path)
    assert failing_examples(loaded) == ()
    assert loaded.rules[0].patterns == ("hello (?:world|earth)!",)
    written(tmp_path, "a.yaml", define={"who": "world|moon"})
    assert load_rules(tmp_path).digest != loaded.digest
    assert failing_examples(load_rules(tmp_path)) == ("greeting match 1",)


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ({"define": {"who": "moon"}}, r"b.yaml:2.*defines who again"),
        ({"version": 2}, r"b.yaml:1.*names another pack"),
        ({"rules": [RULE]}, r"b.yaml:\d+, rule greeting: the rule appears twice"),
        ({"rules": [{**RULE, "id": "other", "patterns": ["%{later}"]}]}, r"b.yaml:\d+, rule other: uses %{later}"),
    ],
)
def test_files_that_contradict_each_other_are_refused_by_file_and_line(tmp_path, second, said):
    written(tmp_path, "a.yaml", define={"who": "world"}, rules=[RULE])
    written(tmp_path, "b.yaml", **second)
    with pytest.raises(ConfigurationError, match=said):
        load_rules(tmp_path)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="empty"):
        load_rules(tmp_path)


def test_an_error_names_the_line_of_the_very_pattern():
    text = "pack: p\nversion: 1\nrules:\n- id: one\n  category: c\n  severity: low\n  description: d\n"
    text += "  patterns:\n  - good\n  - '(bad'\n  match: [good]\n  no_match: [other]\n"
    with pytest.raises(ConfigurationError, match=r"p.yaml:10, rule one: pattern cannot be compiled"):
        parse_rules(text, name="p.yaml")
    with pytest.raises(ConfigurationError, match=r"p.yaml:6, rule one: rules.0.severity is not valid"):
        parse_rules(text.replace("low", "dire"), name="p.yaml")


def test_a_small_file_cannot_stand_for_a_huge_one():
    bomb = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"
    with pytest.raises(ConfigurationError, match=r"p.yaml:1.*\n?.*anchors and aliases"):
        parse_rules(bomb, name="p.yaml")
    fragments = {"a": "x" * 2_000, "b": "%{a}%{a}", "c": "%{b}%{b}", "d": "%{c}%{c}"}
    with pytest.raises(ConfigurationError, match="too long"):
        parse_rules(yaml.safe_dump({"pack": "p", "version": 1, "define": fragments}, sort_keys=False), name="p.yaml")


@pytest.mark.parametrize("text", ["[" * 5_000, "{a: " * 5_000, "pack: 'x", "pack: \x00", "pack: 1e999999999999999999"])
def test_hostile_yaml_is_refused_as_such(text):
    with pytest.raises(ConfigurationError, match=r"p\.yaml"):
        parse_rules(text, name="p.yaml")


def test_a_huge_file_or_too_many_patterns_are_refused(tmp_path):
    (tmp_path / "huge.yaml").write_bytes(b"#" * 1_000_001)
    with pytest.raises(ConfigurationError, match="too large"):
        load_rules(tmp_path / "huge.yaml")
    with pytest.raises(ConfigurationError, match="at most 2000 patterns"):
        parse_rules(pack(patterns=["x"] * 2_001), name="p.yaml")


def test_a_pack_whose_examples_fail_is_refused_by_rule_and_example():
    loaded = parse_rules(pack(match=["hello world", "good evening"], no_match=["Hello, hello world!"]), name="p.yaml")
    with pytest.raises(ConfigurationError, match="greeting match 2, greeting no_match 1"):
        require_examples(loaded)
