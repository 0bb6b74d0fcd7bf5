"""The log shows no secret, and personal data only where it is revealed."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aisecops_langchain.sanitize import scrub_value
from aisecops_langchain.sanitize.recognizers import is_card_number, names_secret, sensitive_kind


def commit(text):
    return "c:" + hashlib.sha256(b"key" + text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def scrub(value, *, name="argument", reveal=False):
    return scrub_value(name, value, reveal=reveal, commit=commit)


SECRETS = [
    "AKIA" + "IOSFODNN7EXAMPLE",
    "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8",
    "glpat-" + "x9Y8z7W6v5U4t3S2r1Q0",
    "xoxb-" + "123456789012-abcdefABCDEF",
    "sk-" + "proj-abcdEFGH1234ijklMNOP5678",
    "sk-" + "ant-api03-abcdEFGH1234ijklMNOP5678",
    "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0In0." + "dozjgNryP4J3jVmNHl0w5N",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n-----END RSA PRIVATE KEY-----",
    "Bearer 9f8e7d6c5b4a39281706f5e4",
    "postgres://app:hunter2hunter2@db.internal:5432/app",
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
    "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY12",
    "password=correct-horse",
    '{"api_key": "abc123abc"}',
]
PERSONAL = {
    "email": "anna.smith@example.com",
    "iban": "DE89 3704 0044 0532 0130 00",
    "card": "4111 1111 1111 1111",
    "ssn": "078-05-1120",
    "phone": "+49 30 901820",
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcdef"), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def with_planted(draw, planted):
    """A value that holds the planted text at some depth, as a value or as a key, with words around it."""
    text = draw(st.sampled_from(planted))
    value = draw(st.sampled_from([text, f"see {text} please", [text], {text: 1}, {f"k {text}": None}]))
    for _ in range(draw(st.integers(0, 5))):
        value = draw(st.sampled_from([[value], {"field": value}, {"a": draw(JSON), "b": [1, value]}]))
    return text, value


@given(with_planted(SECRETS), st.booleans())
def test_a_secret_never_survives_at_any_depth(case, reveal):
    secret, value = case
    shown, complete = scrub(value, reveal=reveal)
    assert secret not in json.dumps(shown)
    assert json.dumps(secret)[1:-1] not in json.dumps(shown)
    assert not complete


@given(with_planted(list(PERSONAL.values())))
def test_personal_data_survives_only_where_it_is_revealed(case):
    personal, value = case
    shown, complete = scrub(value)
    assert personal not in json.dumps(shown)
    assert not complete
    assert scrub(value, reveal=True) == (value, True)


@given(JSON)
def test_harmless_values_are_shown_whole_and_left_alone(value):
    before = json.dumps(value)
    shown, complete = scrub(value)
    assert json.dumps(value) == before
    if complete:
        assert shown == value


@pytest.mark.parametrize("text", SECRETS)
def test_secrets_are_told_by_their_form(text):
    assert sensitive_kind(text) == "secret"
    assert scrub(text) == ({"$withheld": "secret", "commitment": commit(text)}, False)


@pytest.mark.parametrize(("kind", "text"), PERSONAL.items())
def test_personal_data_is_told_by_its_form(kind, text):
    assert scrub(f"about {text} today") == (
        {"$withheld": kind, "commitment": commit(f"about {text} today")},
        False,
    )


@pytest.mark.parametrize(
    "name",
    [
        *(
            "password",
            "PASSWD",
            "dbPassword",
            "api_key",
            "apiKey",
            "X-Api-Key",
            "APIKEY",
            "Authorization",
            "Set-Cookie",
        ),
        *("access_token", "client_secret", "privateKey", "aws_secret_access_key", "credentials", "pass\u200bword"),
        *("ｐａｓｓｗｏｒｄ", "user.token", "session_key"),
    ],
)
def test_a_field_named_like_a_secret_is_withheld_whatever_it_holds(name):
    for value in ("hunter2", 1234, {"inner": "hunter2"}, ["hunter2"]):
        shown, complete = scrub({name: value}, reveal=True)
        assert "hunter2" not in json.dumps(shown)
        assert "1234" not in json.dumps(shown).replace(commit("1234"), "")
        assert not complete
    assert scrub("hunter2", name=name)[0]["$withheld"] == "secret"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("max_tokens", 100), ("token_count", 5), ("author", "Anna"), ("keyboard", "QWERTZ"), ("primary_key", 3)),
        *(("password", None), ("password", ""), ("authority", "port"), ("tokenizer", "bpe"), ("is_secret", True)),
    ],
)
def test_names_that_only_resemble_a_secret_are_shown(name, value):
    assert not names_secret(name, value)


def test_a_list_of_names_and_values_is_read_by_its_names():
    value = [{"name": "DB_PASSWORD", "value": "hunter2"}, {"name": "PORT", "value": "80"}]
    shown, complete = scrub(value)
    assert shown[0]["value"]["$withheld"] == "secret"
    assert shown[1] == value[1]
    assert not complete


@pytest.mark.parametrize(
    "text",
    [
        "550e8400-e29b-41d4-a716-446655440000",
        "sha256:" + "9f86d081884c7d659a2feaa0c55ad015" * 2,
        "customer-support-ticket-escalation-2024",
        "/home/anna/projects/reports/2024/quarterly/final.txt",
        "https://example.org/articles/how-to-bake-sourdough-bread-at-home",
        "2024-05-15 10:00:00",
        "Invoice 2024-0042 of 1,250.00 EUR",
        "a task-oriented risk-assessment",
        "DE00 3704 0044 0532 0130 00",
        "4111 1111 1111 1112",
        "the tokens are counted",
    ],
)
def test_ordinary_texts_are_shown(text):
    assert scrub(text) == (text, True)


def test_numbers_that_are_cards_are_withheld_and_times_are_not():
    assert scrub(4111111111111111) == ({"$withheld": "card", "commitment": commit("4111111111111111")}, False)
    assert scrub(4111111111111111, reveal=True) == (4111111111111111, True)
    for number in (1700000000000, 1700000000000000003, 4111111111111112, 42, -4111111111111111 // 10**9):
        assert scrub(number) == (number, True)


def test_luhn_accepts_known_test_numbers():
    assert all(is_card_number(number) for number in ("4111111111111111", "5555555555554444", "378282246310005"))
    assert not is_card_number("4111111111111112")


@pytest.mark.parametrize("reveal", [True, False])
def test_long_texts_are_replaced_by_their_size(reveal):
    text = "word " * 500
    assert scrub(text, reveal=reveal) == (
        {"$withheld": "long_text", "size": 2_500, "commitment": commit(text)},
        False,
    )
    shown, _ = scrub({text: 1}, reveal=reveal)
    assert list(shown) == ["$withheld:long_text:" + commit(text)]


def test_keys_that_give_something_away_are_replaced():
    shown, complete = scrub({"anna@example.com": 1, "plain": 2})
    assert shown == {"$withheld:email:" + commit("anna@example.com"): 1, "plain": 2}
    assert not complete


def test_a_marker_in_the_input_cannot_pass_for_ours():
    for forged in ({"$withheld": "secret", "commitment": "c:1"}, {"$withheld:email:c:1": 1}):
        shown, complete = scrub(forged)
        assert shown["$withheld"] == "reserved_name"
        assert not complete


def test_depth_is_bounded():
    value = "end"
    for _ in range(10_000):
        value = {"a": value}
    shown, complete = scrub(value)
    assert '"$withheld": "depth"' in json.dumps(shown)
    assert not complete


def test_lone_surrogates_do_not_stop_the_scan():
    assert scrub("\ud800 anna@example.com")[0]["$withheld"] == "email"


@given(st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,18}", fullmatch=True))
def test_the_short_cut_for_names_skips_nothing(text):
    """The patterns agree that a short identifier holds nothing."""
    assert scrub(f" {text}") == (f" {text}", True)
