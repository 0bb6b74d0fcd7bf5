"""Whatever is wrong with a bundle is an error with file and line; nothing wrong is ever loaded."""

from __future__ import annotations

import re

import pytest
from policy_helpers import PROCUREMENT

from aisecops_langchain.errors import PolicyError
from aisecops_langchain.policy import load_policy, parse_policy

BASE = """\
version: 1
id: test
agents:
  buyer:
    capabilities: [do]
capabilities:
  do:
    tools: [act, look]
    arguments:
      x: {max: 5}
rules:
  - id: first
    effect: allow
    tools: [act]
    when:
      args.x: {lt: 4}
  - id: second
    effect: require_approval
    capabilities: [do]
    agents: [buyer]
    when: {args.x: {ge: 4}}
limits:
  max_denials_per_run: 5
record:
  reveal: [act.x]
"""


def refuse(text: str) -> PolicyError:
    with pytest.raises(PolicyError) as caught:
        parse_policy(text, name="p.yaml")
    return caught.value


def line_of(text: str, needle: str) -> int:
    return text[: text.index(needle)].count("\n") + 1


def test_the_base_is_sound():
    assert parse_policy(BASE).limits.max_denials_per_run == 5


FAULTS = [
    # old text, new text, text whose line is reported, message
    ("version: 1", "version: 2", "version", "version"),
    ("version: 1", "version: '1'", "version", "version"),
    ("version: 1", "version: true", "version", "version"),
    ("version: 1\n", "", "id: test", "key 'version' is missing"),
    ("id: test", "id: 010", "id: 010", "YAML reads '010' as a int"),
    ("id: test", "id: 42", "id: 42", "'id' must be text"),
    ("id: test", "id: on", "id: on", "YAML reads 'on' as a bool"),
    ("id: test", "id: 1:30", "id: 1:30", "YAML reads '1:30' as a int"),
    ("id: test", "id: 2024-01-01", "id: 2024", "YAML reads '2024-01-01' as a timestamp"),
    ("id: test", "id: ''", "id: ''", "1 to 128 visible characters"),
    ("id: test", "id: a b", "id: a b", "without spaces"),
    ("id: test", "id:", "id:", "a value is missing"),
    ("id: test", "id: null", "id: null", "'id' must be text"),
    ("id: test", "id: [a]", "id: [a]", "'id' must be text"),
    ("id: test", "id: test\nid: again", "id: again", "duplicate key 'id'; it already stands on line 2"),
    ("id: test", "id: test\nrule: []", "rule: []", "unknown key 'rule'; did you mean 'rules'?"),
    ("  buyer:\n", "  12:\n", "12:", "a key must be text"),
    ("  buyer:\n", "  yes:\n", "yes:", "YAML reads 'yes' as a bool"),
    ("    capabilities: [do]\ncap", "    capabilities: [dont]\ncap", "[dont]", "unknown capability 'dont'"),
    ("    capabilities: [do]\ncap", "    capabilities: do\ncap", "capabilities: do\n", "'capabilities'"),
    ("    capabilities: [do]\ncap", "    capabilities: [do, do]\ncap", "[do, do]", "an entry stands there twice"),
    ("    capabilities: [do]\ncap", "    capability: [do]\ncap", "buyer:", "unknown key 'capability'"),
    ("tools: [act, look]", "tools: []", "tools: []", "'tools' is empty"),
    ("tools: [act, look]", "tools: ['*']", "tools: ['*']", "and not '*'"),
    ("tools: [act, look]", "tools: [act, look]\n    risk: huge", "risk: huge", "'risk'"),
    ("tools: [act, look]", "tools: [act, look]\n    idempotent: yes", "idempotent", "YAML reads 'yes' as a bool"),
    ("tools: [act, look]", "tools: [act, look]\n    idempotent: 1", "idempotent", "'idempotent'"),
    ("x: {max: 5}", "x: {maximum: 5}", "maximum", "unknown constraint 'maximum'"),
    ("x: {max: 5}", "x: {max: five}", "max: five", "x.max: le takes a number, not text"),
    ("x: {max: 5}", "x: {max: true}", "max: true", "takes a number, not boolean"),
    ("x: {max: 5}", "x: {max: .inf}", "max: .inf", "YAML reads '.inf' as a float"),
    ("x: {max: 5}", "x: {max: 1e999}", "max: 1e999", "number is too large"),
    ("x: {max: 5}", "x: {max: 0x10}", "max: 0x10", "YAML reads '0x10' as a int"),
    ("x: {max: 5}", "x: {max: 1_000}", "max: 1_000", "YAML reads '1_000' as a int"),
    ("x: {max: 5}", "x: {max: 99999999999999999999}", "max: 9", "integer is too large"),
    ("x: {max: 5}", "x: {pattern: '('}", "pattern", "bad regular expression"),
    ("x: {max: 5}", "x: {pattern: '(?=a)'}", "pattern", "no look-around"),
    ("x: {max: 5}", "x: {max_length: -1}", "max_length", "whole number"),
    ("x: {max: 5}", "x: {one_of: []}", "one_of", "a list, not empty"),
    ("x: {max: 5}", "x: {type: float}", "type: float", "one of array, boolean"),
    ("x: {max: 5}", "x: {}", "x: {}", "expected a constraint"),
    ("x: {max: 5}", "x: 5", "x: 5", "'x'"),
    ("effect: allow", "effect: permit", "effect: permit", "'effect'"),
    ("    effect: allow\n", "", "- id: first", "key 'effect' is missing"),
    ("    tools: [act]\n", "", "- id: first", "names neither tools nor capabilities"),
    ("    tools: [act]\n", "    tools: []\n", "tools: []", "'tools' is empty"),
    ("    tools: [act]\n", "    tools: [acct]\n", "[acct]", "unknown tool 'acct'; did you mean 'act'?"),
    ("    tools: [act]\n", "    tools: ['*', act]\n", "['*', act]", "'*' must be the only entry"),
    ("    tools: [act]\n", "    tools: [act*]\n", "[act*]", "unknown tool 'act*'"),
    ("- id: second", "- id: first", None, "duplicate rule id 'first'"),
    ("- id: second", "- id: 2", "id: 2", "'id' must be text"),
    ("agents: [buyer]", "agents: [byer]", "[byer]", "unknown agent 'byer'; did you mean 'buyer'?"),
    ("agents: [buyer]", "agents: ['*']", "['*']", "and not '*'"),
    ("agents: [buyer]", "agents: []", "agents: []", "'agents' is empty"),
    ("agents: [buyer]", "obligations: [shred]", "[shred]", "obligations"),
    ("agents: [buyer]", "description: ''", "description", "'description' is empty"),
    (
        "    effect: allow\n",
        "    effect: deny\n    obligations: [redact_pii_in_result]\n",
        "- id: first",
        "obligations",
    ),
    ("    when:\n      args.x: {lt: 4}\n", "    when: {}\n", "when: {}", "'when' is empty"),
    ("    when:\n      args.x: {lt: 4}\n", "    when: null\n", "when: null", "'when'"),
    ("    when:\n      args.x: {lt: 4}\n", "    when:\n", "when:", "a value is missing"),
    ("    when:\n      args.x: {lt: 4}\n", "    when: [a]\n", "when: [a]", "'when'"),
    ("max_denials_per_run: 5", "max_denials_per_run: 0", "max_denials", "greater than 0"),
    ("max_denials_per_run: 5", "max_denials_per_run: 1.5", "max_denials", "max_denials_per_run"),
    ("max_denials_per_run: 5", "max_denials_per_run: true", "max_denials", "max_denials_per_run"),
    ("max_denials_per_run: 5", "max_denial_per_run: 5", "max_denial_", "did you mean 'max_denials_per_run'?"),
    ("reveal: [act.x]", "reveal: [acct.x]", "reveal", "not tool.argument of a known tool"),
    ("reveal: [act.x]", "reveal: [act]", "reveal", "not tool.argument of a known tool"),
    ("reveal: [act.x]", "revel: [act.x]", "revel", "unknown key 'revel'"),
]


@pytest.mark.parametrize(("old", "new", "at", "message"), FAULTS)
def test_fault_in_the_shape(old, new, at, message):
    assert old in BASE
    text = BASE.replace(old, new, 1)
    error = refuse(text)
    expected = line_of(text, at) if at else text[: text.rindex("- id: first")].count("\n") + 1
    assert message in str(error)
    assert (error.file, error.line) == ("p.yaml", expected)
    assert str(error).startswith(f"p.yaml:{expected}: ")


WHENS = [
    ("arg.x: 1", "unknown attribute 'arg.x'"),
    ("args: 1", "has a missing part"),
    ("args.: 1", "has a missing part"),
    ("args.a..b: 1", "has a missing part"),
    ("labels.x: user", "unknown attribute"),
    ("labels.x.trust: user", "unknown attribute"),
    ("labels..integrity: user", "unknown attribute"),
    ("context.trust: user", "unknown attribute"),
    ("principal.role: admin", "unknown attribute"),
    ("environment: prod", "has a missing part"),
    ("tool.name: act", "unknown attribute"),
    ("args.x: {less: 1}", "unknown operator 'less'"),
    ("args.x: {eq: [1]}", "eq takes text, a number"),
    ("args.x: [1, 2]", "eq takes text, a number"),
    ("args.x: {}", "expected an operator"),
    ("args.x: {in: 1}", "in takes a list"),
    ("args.x: {in: []}", "in takes a list"),
    ("args.x: {in: [[1]]}", "in takes a list"),
    ("args.x: {lt: '4'}", "lt takes a number, not text"),
    ("args.x: {lt: true}", "lt takes a number, not boolean"),
    ("args.x: {matches: '['}", "bad regular expression"),
    ("args.x: {matches: ''}", "text that is not empty"),
    ("args.x: {contains: ''}", "text that is not empty"),
    ("args.x: {starts_with: 1}", "starts_with takes text"),
    ("args.x: {exists: 1}", "exists takes true or false"),
    ("args.x: {exists: yes}", "YAML reads 'yes' as a bool"),
    ("args.x: {max_length: 1.5}", "whole number"),
    ("args.x: {at_least: user}", "operator at_least does not fit args.x"),
    ("args.x: {max_items: 1}", "operator max_items does not fit args.x"),
    ("context.integrity: {at_least: usr}", "did you mean 'user'?"),
    ("context.integrity: {at_least: [user]}", "at_least takes one level"),
    ("context.integrity: {at_least: 2}", "always text"),
    ("context.integrity: {lt: 2}", "operator lt does not fit"),
    ("context.integrity: {exists: true}", "operator exists does not fit"),
    ("context.sources: memory", "operator eq does not fit"),
    ("context.sources: {contains: mail}", "unknown value of context.sources 'mail'"),
    ("tool: acct", "unknown value of tool 'acct'"),
    ("capability: other", "unknown value of capability 'other'"),
    ("risk: {in: [high, worse]}", "unknown value of risk 'worse'"),
    ("principal.agent: byer", "unknown value of principal.agent 'byer'"),
    ("principal.tenant: 42", "always text"),
    ("any: []", "any takes a list"),
    ("any: {args.x: 1}", "any takes a list"),
    ("all: [args.x]", "expected a mapping of conditions"),
    ("any: [{}]", "expected a mapping of conditions"),
    ("not: []", "expected a mapping of conditions"),
    ("not: {}", "expected a mapping of conditions"),
]


@pytest.mark.parametrize(("when", "message"), WHENS)
def test_fault_in_a_condition(when, message):
    error = refuse(BASE.replace("args.x: {lt: 4}", when))
    assert message in str(error)
    assert error.line == line_of(BASE, "args.x: {lt: 4}")


def test_a_fault_inside_a_combinator_has_its_own_line():
    when = "any:\n        - args.x: 1\n        - not:\n            args.x: {lest: 2}"
    text = BASE.replace("args.x: {lt: 4}", when)
    assert refuse(text).line == line_of(text, "lest")


@pytest.mark.parametrize("old", ["agents", "capabilities", "rules"])
def test_an_empty_section_is_refused(old):
    text = re.sub(rf"(?ms)^{old}:\n(  .*?\n)+", f"{old}: {'[]' if old == 'rules' else '{}'}\n", BASE)
    error = refuse(text)
    assert f"'{old}' is empty" in str(error)
    assert error.line == line_of(text, f"\n{old}: ") + 1


def test_all_faults_are_reported_sorted_by_line():
    text = BASE.replace("[act.x]", "[zzz.x]").replace("tools: [act]", "tools: [nope]").replace("[buyer]", "[nobody]")
    error = refuse(text)
    assert error.line == line_of(text, "[nope]")
    lines = [int(number) for number in re.findall(r"p\.yaml:(\d+): ", str(error))]
    assert lines == [line_of(text, needle) for needle in ("[nope]", "[nobody]", "[zzz.x]")]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "policy is empty"),
        ("\n# only a comment\n", 1, "policy is empty"),
        ("- a\n- b\n", 1, "not a mapping"),
        ("text", 1, "not a mapping"),
        ("{}", 1, "is missing"),
        ("id: a\nid2: [1\n", 3, "not readable as YAML"),
        ("id: a\n\tb: c\n", 2, "not readable as YAML"),
        ("id: a\nb: \x00\n", 2, "not readable as YAML"),
        ("id: a\n---\nid: b\n", 2, "not readable as YAML"),
        ("id: a\nb: &x [1]\nc: 1\n", 2, "anchors and aliases are refused"),
        ("id: a\nb: *x\n", 2, "anchors and aliases are refused"),
        ("id: a\nb: {<<: {c: 1}}\n", 2, "a key must be text|YAML reads '<<'"),
        ("id: a\nb: !!python/object:os.system x\n", 2, "tags are refused"),
        ("id: a\nb: !custom {}\n", 2, "tags are refused"),
        ("id: a\nb: !!str 5\n", 2, "tags are refused"),
        ("id: a\n? [x]\n: 1\n", 2, "a key must be text"),
        ("id: a\nb: 'x\u202ey'\n", 2, "invisible or control character"),
        ('id: a\nb: "\\u200b"\n', 2, "invisible or control character"),
        ("id: a\nb: " + "[" * 40 + "]" * 40 + "\n", 2, "nested deeper than 32"),
        ("id: a\nb: \ud800\n", 2, "not readable as YAML"),
    ],
)
def test_text_that_is_not_a_strict_document(text, line, message):
    error = refuse(text)
    assert re.search(message, str(error))
    assert error.line == line


def test_a_billion_laughs_is_refused_at_the_first_anchor():
    levels = "\n".join(f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9) if i else 'lol'}]" for i in range(9))
    assert refuse(levels).line == 1


def test_files(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_text(PROCUREMENT, encoding="utf-8")
    assert load_policy(path).digest == load_policy(str(path)).digest == parse_policy(PROCUREMENT).digest
    path.write_bytes(b"\xef\xbb\xbf" + PROCUREMENT.replace("\n", "\r\n").encode())
    assert load_policy(path).digest == parse_policy(PROCUREMENT).digest


def test_unreadable_files(tmp_path):
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"version: 1\nid: caf\xe9\n")
    large = tmp_path / "large.yaml"
    large.write_bytes(b"#" * (1024 * 1024 + 1))
    for path, message in [
        (tmp_path / "missing.yaml", "policy file not found"),
        (tmp_path, "policy file cannot be read"),
        (latin, "latin.yaml:2: policy is not UTF-8"),
        (large, "policy is too large"),
        (str(tmp_path / "a\0b"), "policy file cannot be read"),
    ]:
        with pytest.raises(PolicyError, match=re.escape(message)) as caught:
            load_policy(path)
        assert caught.value.file == str(path)


def test_a_faulty_file_is_named_in_the_error(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_text(BASE.replace("effect: allow", "effect: alow"), encoding="utf-8")
    with pytest.raises(PolicyError, match=re.escape(f"{path}:13: 'effect'")):
        load_policy(path)
