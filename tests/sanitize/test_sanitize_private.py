"""Secrets and personal data by class, door and field: what is to be hidden does not get out by any way."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from private_kit import SECRETS, core_of

from aisecops_langchain.domain.inspection import Treatment
from aisecops_langchain.domain.labels import SourceKind
from aisecops_langchain.sanitize import PiiRedactor, SanitizeConfig, Sanitizer
from aisecops_langchain.sanitize.outcome import PRIVATE_NOTICE, UNREADABLE_NOTICE

DOOR = SourceKind.TOOL_RESULT
PERSONAL = {
    "email": "anna.smith@example.com",
    "iban": "DE89 3704 0044 0532 0130 00",
    "card": "4111 1111 1111 1111",
    "ssn": "078-05-1120",
    "phone": "+49 30 901820",
}
PLANTED = [*PERSONAL.values(), *SECRETS.values()]
WORDS = st.text(alphabet="abc xyz.,!?\n\"'{}[]:\\/<>&;äöé\u200b", max_size=30)


class Stand:
    """A veil that counts."""

    def __init__(self):
        self.known = {}

    def hashed(self, kind, value):
        return f"{abs(hash((kind, value))) % 16**16:016x}"

    def pseudonym(self, kind, value):
        kind = {"secret": "credential"}.get(kind, kind)
        number = self.known.setdefault((kind, value), len(self.known))
        return f"<{kind.upper()}_{'ABCDEFGHIJKLMNOPQRSTUVWXYZ'[number % 26] * 10}>"


def sanitizer(treatments, fields=None, redactor=None):
    private = {DOOR: {name: Treatment(value) for name, value in treatments.items()}}
    by_field = {path: {name: Treatment(value) for name, value in own.items()} for path, own in (fields or {}).items()}
    return Sanitizer(SanitizeConfig(private=private, fields={DOOR: by_field} if by_field else {}), redactor=redactor)


EVERYTHING = {name: sanitizer({"secret": name, "personal": name}) for name in Treatment if name is not Treatment.PASS}


def cores(planted):
    return core_of(planted) if planted in SECRETS.values() else planted


@pytest.mark.parametrize(
    ("treatment", "shown"),
    [
        ("redact", "mail <EMAIL> now"),
        ("mask", "mail ****.*****@*******.*** now"),
        ("block", PRIVATE_NOTICE),
        ("pass", "mail anna.smith@example.com now"),
        ("hash", "mail <EMAIL> now"),
        ("pseudonymize", "mail <EMAIL> now"),
    ],
)
def test_each_treatment_does_what_it_says_and_without_a_veil_hides_more(treatment, shown):
    result = sanitizer({"email": treatment}).sanitize_text("mail anna.smith@example.com now", channel=DOOR)
    assert result.text == shown
    assert result.blocked is (treatment == "block")


def test_a_veil_makes_hashes_and_pseudonyms():
    veil = Stand()
    text = "from a.b@example.com to c.d@example.com, cc a.b@example.com"
    result = sanitizer({"email": "pseudonymize"}).sanitize_text(text, channel=DOOR, veil=veil)
    assert result.text == "from <EMAIL_AAAAAAAAAA> to <EMAIL_BBBBBBBBBB>, cc <EMAIL_AAAAAAAAAA>"
    hashed = sanitizer({"email": "hash"}).sanitize_text(text, channel=DOOR, veil=veil).text
    assert "@" not in hashed
    assert len(set(hashed.replace(",", "").split())) == 5


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("card", "**** **** **** 1111"),
        ("iban", "**** **** **** **** **30 00"),
        ("ssn", "***-**-1120"),
        ("phone", "+** ** ***820"),
    ],
)
def test_masking_leaves_the_end_of_longer_numbers(kind, shown):
    masked = EVERYTHING["mask"].sanitize_text(PERSONAL[kind], channel=DOOR).text
    assert sum(character.isdigit() for character in masked) <= 4
    assert masked.count("*") >= 5


@pytest.mark.parametrize("treatment", EVERYTHING)
@settings(max_examples=60, deadline=None)
@given(st.sampled_from(PLANTED), WORDS, WORDS)
def test_nothing_planted_leaves_a_text_and_twice_is_once(treatment, planted, before, after):
    sanitize = EVERYTHING[treatment]
    result = sanitize.sanitize_text(f"{before} \n{planted}\n {after}", channel=DOOR, veil=Stand())
    assert cores(planted) not in result.text
    assert sanitize.sanitize_text(result.text, channel=DOOR, veil=Stand()).text == result.text


@st.composite
def holders(draw):
    """A value that holds a planted text somewhere: in a field, an item, a key, or JSON inside a text."""
    planted = draw(st.sampled_from(PLANTED))
    value = draw(st.sampled_from([planted, f"see {planted}\nplease", {planted: 1}, [planted]]))
    for _ in range(draw(st.integers(0, 4))):
        shape = draw(st.integers(0, 4))
        value = [
            [value, 1],
            {"field": value, "other": None},
            {"a": {"b": [value]}},
            json.dumps(value, ensure_ascii=draw(st.booleans())),
            {"name": "note", "value": value},
        ][shape]
    return planted, value


def escaped(text):
    return "".join(
        f"\\u{ord(character):04x}" if character.isalnum() else json.dumps(character)[1:-1] for character in text
    )


@settings(max_examples=150, deadline=None)
@given(holders(), st.sampled_from(sorted(EVERYTHING)))
def test_nothing_planted_leaves_a_value(case, treatment):
    planted, value = case
    result = EVERYTHING[treatment].sanitize_value(value, channel=DOOR, veil=Stand())
    for form in (cores(planted), json.dumps(cores(planted))[1:-1]):
        assert form not in json.dumps(result.value)


@settings(max_examples=100, deadline=None)
@given(holders(), st.booleans())
def test_nothing_planted_leaves_a_text_that_is_json(case, ascii_only):
    planted, value = case
    text = json.dumps(value, ensure_ascii=ascii_only)
    shown = EVERYTHING["redact"].sanitize_text(text, channel=DOOR).text
    assert cores(planted) not in shown
    assert json.dumps(cores(planted))[1:-1] not in shown


@pytest.mark.parametrize("kind", PERSONAL)
def test_escapes_in_json_hide_nothing(kind):
    text = f'{{"note": "{escaped(PERSONAL[kind])}"}}'
    shown = EVERYTHING["redact"].sanitize_text(text, channel=DOOR).text
    assert json.loads(shown) == {"note": f"<{kind.upper()}>"}


def test_json_whose_keys_repeat_is_withheld():
    text = '{"to": "anna.smith@example.com", "to": "x"}'
    result = EVERYTHING["redact"].sanitize_text(text, channel=DOOR)
    assert result.text == UNREADABLE_NOTICE


@pytest.mark.parametrize("depth", [70, 400, 900, 5_000])
def test_json_that_is_too_deep_to_be_read_is_withheld(depth):
    text = "[" * depth + '"anna.smith@\\u0065xample.com"' + "]" * depth
    result = EVERYTHING["redact"].sanitize_text(text, channel=DOOR)
    assert result.text == UNREADABLE_NOTICE or "anna" not in result.text


def test_keys_that_become_the_same_are_withheld():
    value = {"anna.smith@example.com": 1, "otto.smith@example.com": 2}
    assert EVERYTHING["redact"].sanitize_value(value, channel=DOOR).value == UNREADABLE_NOTICE


def test_fields_named_like_a_secret_are_hidden_whatever_they_hold():
    value = {
        "password": "x",
        "config": {"api_key": [12345, {"inner": "y"}]},
        "headers": [{"name": "Cookie", "value": "z"}],
    }
    shown = EVERYTHING["redact"].sanitize_value(value, channel=DOOR).value
    hidden = "<CREDENTIAL>"
    assert shown == {
        "password": hidden,
        "config": {"api_key": [hidden, {"inner": hidden}]},
        "headers": [{"name": "Cookie", "value": hidden}],
    }


def test_a_card_number_that_is_a_number_is_hidden():
    assert EVERYTHING["mask"].sanitize_value({"n": 4111111111111111}, channel=DOOR).value == {"n": "************1111"}


def test_a_fields_word_goes_before_its_doors():
    sanitize = sanitizer(
        {"email": "redact", "secret": "redact"},
        {"customer.email": {"email": "pass"}, "rows[].mail": {"personal": "mask"}, "people.*.mail": {"email": "pass"}},
    )
    mail = "a@example.com"
    value = {"customer": {"email": mail, "note": mail}, "rows": [{"mail": mail}], "people": {"x": {"mail": mail}}}
    shown = {
        "customer": {"email": mail, "note": "<EMAIL>"},
        "rows": [{"mail": "*@*******.***"}],
        "people": {"x": {"mail": mail}},
    }
    assert sanitize.sanitize_value(value, channel=DOOR).value == shown
    assert json.loads(sanitize.sanitize_text(json.dumps(value), channel=DOOR).text) == shown


@pytest.mark.parametrize("key", ["customer.email", "customer[]", "*", "customer.*"])
def test_a_key_that_reads_like_a_path_is_not_that_field(key):
    sanitize = sanitizer({"email": "redact"}, {"customer.email": {"email": "pass"}, "customer[]": {"email": "pass"}})
    assert sanitize.sanitize_value({key: "a@example.com"}, channel=DOOR).value == {key: "<EMAIL>"}


def test_other_doors_are_left_alone():
    text = "mail anna.smith@example.com"
    assert EVERYTHING["redact"].sanitize_text(text, channel=SourceKind.MEMORY).text == text


def test_what_is_harmless_comes_back_byte_for_byte():
    for text in ("The hotel is by the sea.", '{"b": 1,  "a": "x"}', "[1, 2", "", '{"a": "\\u00e9"}'):
        assert EVERYTHING["redact"].sanitize_text(text, channel=DOOR).text == text


@dataclass
class Span:
    entity_type: str
    start: int
    end: int
    score: float = 0.9


class Names:
    """An analyzer that knows one person."""

    def analyze(self, text, language, entities=None, score_threshold=None):
        start = text.find("Anna Smith")
        return [Span("PERSON", start, start + 10)] if start >= 0 and "PERSON" in (entities or ()) else []


def test_an_analyzers_entities_are_treated_like_any_class():
    sanitize = sanitizer({"PERSON": "redact", "email": "mask"}, redactor=PiiRedactor(analyzer=Names()))
    shown = sanitize.sanitize_value({"who": "Anna Smith, anna@example.com"}, channel=DOOR).value
    assert shown == {"who": "<PERSON>, ****@*******.***"}
    assert "PERSON" not in {finding.rule for finding in sanitize.sanitize_text("x", channel=DOOR).findings}


def test_a_telephone_book_is_treated_whole_and_listed_in_part():
    text = "\n".join(f"u{number}@example.com" for number in range(1_000))
    result = EVERYTHING["redact"].sanitize_text(text, channel=DOOR)
    assert result.text == "\n".join(["<EMAIL>"] * 1_000)
    assert len(result.findings) == 100


def test_findings_name_classes_and_no_values():
    result = EVERYTHING["redact"].sanitize_text("mail anna.smith@example.com", channel=DOOR)
    (finding,) = result.findings
    assert (finding.rule, finding.category, finding.start, finding.end) == ("email", "personal", 5, 27)
    assert "anna" not in repr(finding)
