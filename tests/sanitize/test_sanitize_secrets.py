"""Credentials are told by their forms, checksums and randomness; what only looks like one stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from private_kit import HARMLESS, SECRETS, core_of, with_checksum

from aisecops_langchain.domain.inspection import Treatment
from aisecops_langchain.domain.labels import SourceKind
from aisecops_langchain.sanitize import SanitizeConfig, Sanitizer
from aisecops_langchain.sanitize.recognizers import private_spans, sensitive_kind
from aisecops_langchain.sanitize.secrets import SECRET_FORMS, has_crc32, is_basic, is_jwt

DOOR = SourceKind.TOOL_RESULT
REDACTING = Sanitizer(SanitizeConfig(private={DOOR: {"secret": Treatment.REDACT}}))


def clean(text):
    return REDACTING.sanitize_text(text, channel=DOOR)


@pytest.mark.parametrize("name", SECRETS)
def test_a_credential_does_not_reach_the_model(name):
    secret = SECRETS[name]
    for text in (secret, f"Here it is:\n{secret}\nUse it.", f"({secret})"):
        result = clean(text)
        assert core_of(secret) not in result.text, result.text
        assert "<CREDENTIAL>" in result.text
        assert result.actions == ("redacted",)
        assert {finding.category for finding in result.findings} == {"secret"}
        assert clean(result.text).text == result.text


@pytest.mark.parametrize("name", SECRETS)
def test_a_credential_does_not_reach_the_log_either(name):
    assert sensitive_kind(SECRETS[name]) is not None


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_looks_like_a_credential_stays(text):
    assert clean(text).text == text


@given(st.sampled_from(["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "npm_"]), st.integers(0, 35), st.sampled_from("0aZ"))
def test_a_checksum_tells_a_token_from_one_with_another_letter(prefix, place, letter):
    token = with_checksum(prefix)
    assert has_crc32(token)
    at = len(prefix) + place
    changed = token[:at] + letter + token[at + 1 :]
    assert has_crc32(changed) is (changed == token)
    assert bool(private_spans(changed, {"secret"})) is (changed == token)


@given(st.text(max_size=60))
def test_checks_take_any_text(text):
    for form in SECRET_FORMS:
        assert form.check(text or "x") in (True, False)
    assert is_jwt(text) in (True, False)
    assert is_basic(text) in (True, False)


@given(st.text(alphabet="ab=: \"'-@/.<>{}0A\n", max_size=80), st.sampled_from(sorted(SECRETS)))
def test_words_around_a_credential_do_not_hide_it(around, name):
    secret = SECRETS[name]
    assert core_of(secret) not in clean(f"{around} \n{secret}\n{around}").text


@pytest.mark.parametrize(
    "piece", ["-----BEGIN PRIVATE KEY", "password=", "a@", "eyJ", "ghp_", "://:", "Bearer 1", "A" * 50, "sig="]
)
def test_a_megabyte_of_beginnings_is_read_in_linear_time(piece):
    whole = private_spans(piece * (200_000 // len(piece)), {"secret", "email", "iban", "card", "ssn", "phone"})
    assert len(whole) <= 200_000


def test_findings_say_where_and_never_what():
    secret = SECRETS["github-token"]
    (finding,) = clean(f"token {secret}").findings
    assert (finding.rule, finding.start, finding.end) == ("github-token", 6, 6 + len(secret))
    assert secret not in repr(finding.record())
