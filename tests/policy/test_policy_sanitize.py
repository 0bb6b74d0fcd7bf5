"""The ``sanitize`` section: closed, digested, and as if it were not there where it says nothing."""

from __future__ import annotations

import pytest

from aisecops_langchain.domain.inspection import PASS_ALL, Action, Inspection, SeverityActions, Spotlight, Treatment
from aisecops_langchain.domain.labels import SourceKind
from aisecops_langchain.errors import PolicyError
from aisecops_langchain.policy import difference, parse_policy
from aisecops_langchain.policy.protocol import DeclaresInspection, Suspended

BARE = """\
version: 1
id: x
agents: {a: {capabilities: [c]}}
capabilities: {c: {tools: [mail], risk: low}}
rules: [{id: r, effect: allow, tools: [mail]}]
"""
SECTION = """\
sanitize:
  channels:
    default: {high: block}
    tool_result: {low: clean, categories: {exfiltration: block}}
    user_prompt: {high: block}
  private:
    default: {secret: redact}
    tool_result: {email: pseudonymize, PERSON: mask}
  fields:
    tool_result: {customer.email: {email: pass}}
  unveil: [mail.to]
  packs: {ours.yaml: "sha256:PIN"}
  spotlight: datamark
  keep_quarantined: false
""".replace("PIN", "a" * 64)


def test_without_the_section_everything_is_as_the_sanitizer_does_it():
    inspection = parse_policy(BARE).inspection
    assert inspection == Inspection()
    for kind in SourceKind:
        expected = (SourceKind.SYSTEM_PROMPT, SourceKind.USER_PROMPT, SourceKind.OUTPUT)
        assert inspection.actions(kind) == (PASS_ALL if kind in expected else SeverityActions())
        assert inspection.treatments(kind) == {}
    assert inspection.spotlight is Spotlight.NONE


def test_what_a_channel_leaves_out_is_the_defaults():
    inspection = parse_policy(BARE + SECTION).inspection
    result = inspection.actions(SourceKind.TOOL_RESULT)
    assert (result.low, result.medium, result.high) == (Action.CLEAN, Action.CLEAN, Action.BLOCK)
    assert result.of("low", "exfiltration") is Action.BLOCK
    assert result.of("low", "override") is Action.CLEAN
    assert inspection.actions(SourceKind.MEMORY).high is Action.BLOCK
    prompt = inspection.actions(SourceKind.USER_PROMPT)
    assert (prompt.low, prompt.medium, prompt.high) == (Action.PASS, Action.PASS, Action.BLOCK)
    assert inspection.actions(SourceKind.SYSTEM_PROMPT) == PASS_ALL
    assert inspection.treatments(SourceKind.MEMORY) == {"secret": Treatment.REDACT}
    assert "secret" not in inspection.treatments(SourceKind.TOOL_RESULT)
    assert inspection.pseudonymizes


def test_the_digest_covers_every_setting_and_the_normalised_form_reads_back():
    whole = parse_policy(BARE + SECTION)
    again = parse_policy(whole.bundle_json().decode())
    assert (again.digest, again.inspection) == (whole.digest, whole.inspection)
    digests = {parse_policy(BARE).digest, whole.digest}
    for old, new in [
        ("high: block}\n    tool", "high: clean}\n    tool"),
        ("exfiltration: block", "exfiltration: clean"),
        ("secret: redact", "secret: mask"),
        ("{email: pass}", "{email: mask}"),
        ("mail.to", "mail.cc"),
        ("a" * 64, "b" * 64),
        ("datamark", "delimit"),
        ("keep_quarantined: false", "keep_quarantined: true"),
    ]:
        assert old in SECTION
        digests.add(parse_policy(BARE + SECTION.replace(old, new)).digest)
    assert len(digests) == 10


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("high: block}\n    tool", "high: blok}\n    tool", 8, "'block'"),
        ("tool_result: {low", "tool_resutl: {low", 9, "did you mean 'tool_result'"),
        ("PERSON", "Person", 13, "unknown class 'Person'"),
        ("mail.to", "male.to", 16, "not tool.argument"),
        ("datamark", "datmark", 18, "datamark"),
        ("{high: block}\n    tool", "{}\n    tool", 8, "says nothing"),
        ("email: pseudonymize", "email: pseudonimize", 13, "pseudonymize"),
        ("unveil", "unvail", 16, "did you mean 'unveil'"),
        ("sha256:aa", "sha1:aa", 17, "pattern"),
        ("{email: pass}", "{}", 15, "empty"),
        ("keep_quarantined: false", "keep_quarantined: 0", 19, "boolean"),
    ],
)
def test_a_fault_is_told_with_its_line(old, new, line, says):
    assert old in SECTION
    with pytest.raises(PolicyError, match=says) as caught:
        parse_policy(BARE + SECTION.replace(old, new, 1), name="p.yaml")
    assert caught.value.line == line


def test_a_comparison_names_the_settings_that_changed():
    changed = parse_policy(BARE + SECTION.replace("datamark", "none"))
    assert "sanitize.spotlight: it changed" in difference(parse_policy(BARE + SECTION), changed).settings


def test_a_suspended_policy_inspects_as_the_one_before():
    before = parse_policy(BARE + SECTION)
    suspended = Suspended(Suspended(before, "once"), "twice")
    assert isinstance(suspended, DeclaresInspection)
    assert suspended.inspection == before.inspection
