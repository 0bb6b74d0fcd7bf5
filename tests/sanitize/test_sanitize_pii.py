"""Redaction: offline, by markers, a fixed point, and closed when it fails."""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aisecops_langchain.domain.labels import SourceKind
from aisecops_langchain.errors import ConfigurationError, SanitizeError
from aisecops_langchain.sanitize import PiiRedactor, Sanitizer, pii

TEXT = "Write to anna.smith@example.com or +1 415 555 2671, card 4111 1111 1111 1111, IBAN DE89370400440532013000."


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Any attempt to reach the network fails the test."""

    def refuse(*arguments, **options):
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)


@pytest.fixture(scope="module")
def redactor():
    return PiiRedactor()


@dataclass
class Span:
    entity_type: str
    start: int
    end: int
    score: float = 0.9


class Fixed:
    """An engine that finds one word."""

    def __init__(self, word, entity="WORD"):
        self.word, self.entity = word, entity

    def analyze(self, text, language, entities=None, score_threshold=None):
        start = text.find(self.word)
        return [] if start < 0 else [Span(self.entity, start, start + len(self.word))]


def test_personal_data_becomes_markers_without_network(redactor):
    redacted = redactor.redact(TEXT)
    for value in ("anna.smith", "4111", "DE8937", "2671"):
        assert value not in redacted
    for marker in ("<EMAIL_ADDRESS>", "<CREDIT_CARD>", "<IBAN_CODE>", "<PHONE_NUMBER>"):
        assert marker in redacted


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([*TEXT.split(), "<PHONE_NUMBER>", "078-05-1120", "10.0.0.1", "x", "\n"]), max_size=15))
def test_redacting_twice_equals_once(redactor_words):
    text = " ".join(redactor_words)
    once = SHARED.redact(text)
    assert SHARED.redact(once) == once


SHARED = PiiRedactor()


def test_clean_text_comes_back_as_it_is(redactor):
    assert redactor.redact("The hotel is by the sea.") == "The hotel is by the sea."


def test_overlapping_spans_become_the_best_of_them():
    class Overlapping:
        def analyze(self, text, language, entities=None, score_threshold=None):
            return [Span("A", 0, 5, 0.4), Span("B", 3, 8, 0.8)] if text.startswith("01234567") else []

    assert PiiRedactor(analyzer=Overlapping()).redact("0123456789") == "<B>89"


def test_an_engine_of_the_users_own_is_used():
    assert PiiRedactor(analyzer=Fixed("Zürich", "LOCATION")).redact("in Zürich, near Zürich") == (
        "in <LOCATION>, near <LOCATION>"
    )


def test_a_redactor_that_never_settles_passes_nothing_on():
    with pytest.raises(SanitizeError, match="keeps changing"):
        PiiRedactor(analyzer=Fixed("A", "AA")).redact("A")


def test_an_engine_that_raises_passes_nothing_on_and_says_no_content():
    class Broken:
        def analyze(self, text, language, entities=None, score_threshold=None):
            raise ValueError(text)

    with pytest.raises(SanitizeError) as caught:
        PiiRedactor(analyzer=Broken()).redact("my secret words")
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_entities_that_the_language_lacks_are_refused_not_skipped():
    with pytest.raises(ConfigurationError, match="CREDIT_CARD"):
        PiiRedactor(language="xx").redact("text")
    assert PiiRedactor(language="de", entities=["EMAIL_ADDRESS"]).redact("an a.b@example.com") == "an <EMAIL_ADDRESS>"


def test_no_entities_at_all_is_refused():
    with pytest.raises(ConfigurationError):
        PiiRedactor(entities=[])


def test_presidio_that_cannot_be_loaded_is_a_configuration_error(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "presidio_analyzer", None)
    with pytest.raises(ConfigurationError, match="Presidio"):
        PiiRedactor().redact("text")


def test_threads_share_one_engine(monkeypatch):
    built = []

    def build(language, entities):
        built.append(language)
        return Fixed("x")

    monkeypatch.setattr(pii, "_offline_engine", build)
    shared = PiiRedactor()
    threads = [threading.Thread(target=shared.redact, args=("axa",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert built == ["en"]


def test_the_sanitizer_redacts_only_where_asked():
    sanitizer = Sanitizer(redactor=SHARED)
    text = "Write to anna.smith@example.com"
    assert not sanitizer.sanitize_text(text, channel=SourceKind.TOOL_RESULT).changed
    result = sanitizer.sanitize_text(text, channel=SourceKind.TOOL_RESULT, redact_pii=True)
    assert result.text == "Write to <EMAIL_ADDRESS>"
    assert result.actions == ("redacted",)
    again = sanitizer.sanitize_text(result.text, channel=SourceKind.TOOL_RESULT, redact_pii=True)
    assert not again.changed


def test_values_are_redacted_field_by_field_and_key_by_key():
    value = {"anna.smith@example.com": ["call +1 415 555 2671", 5]}
    result = Sanitizer(redactor=SHARED).sanitize_value(value, channel=SourceKind.MEMORY, redact_pii=True)
    assert result.value == {"<EMAIL_ADDRESS>": ["call <PHONE_NUMBER>", 5]}
    assert result.actions == ("redacted",)
