"""Sealed labels: they open for their content on their thread, and junk opens as nothing."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aisecops_langchain.domain.labels import NEUTRAL, UNLABELLED, Confidentiality, Integrity, Label, Source, SourceKind
from aisecops_langchain.provenance import LabelSeals
from aisecops_langchain.sealing import Sealer

LAW = settings(max_examples=100, deadline=None)
KEY = bytes(range(32))
SEALS = LabelSeals(Sealer(KEY))
CONTENT = "sha256:content"

texts = st.text(st.characters(codec="utf-8"), max_size=10)
labels = st.builds(
    Label,
    integrity=st.sampled_from(Integrity),
    confidentiality=st.sampled_from(Confidentiality),
    sources=st.frozensets(
        st.builds(Source, kind=st.sampled_from(SourceKind), name=texts, digest=texts),
        max_size=3,
    ),
)


@LAW
@given(texts, texts, labels)
def test_a_sealed_label_opens_where_it_was_sealed(thread, content, label):
    """As the same label, also with another instance of the same key, and after a trip through JSON."""
    sealed = SEALS.close_over(thread, content, label)
    assert SEALS.open(thread, content, sealed) == label
    assert LabelSeals(Sealer(KEY)).open(thread, content, json.loads(json.dumps(sealed))) == label


@LAW
@given(texts, texts, texts, texts, labels)
def test_it_opens_for_nothing_else(thread, content, other_thread, other_content, label):
    """Edited content and other threads get nothing, also right after the true one was opened."""
    sealed = SEALS.close_over(thread, content, label)
    assert SEALS.open(thread, content, sealed) == label
    found = SEALS.open(other_thread, other_content, sealed)
    assert (found == label) is ((thread, content) == (other_thread, other_content))
    assert SEALS.open(thread, content + "x", sealed) is None
    assert SEALS.open(thread + "x", content, sealed) is None


@pytest.mark.parametrize(("thread", "content"), [("a", "bc"), ("ab", "c"), ("", "abc"), ("abc", "")])
def test_thread_and_content_do_not_run_together(thread, content):
    """Moving characters over the border opens nothing."""
    sealed = SEALS.close_over(thread, content, NEUTRAL)
    others = {("a", "bc"), ("ab", "c"), ("", "abc"), ("abc", "")} - {(thread, content)}
    assert [SEALS.open(*other, sealed) for other in others] == [None] * 3


@LAW
@given(labels, labels)
def test_a_forged_label_opens_as_nothing(true, wished):
    """Whoever writes a better label under an old seal gets none at all."""
    sealed = SEALS.close_over("thread", CONTENT, true)
    text = wished.model_dump_json()
    found = SEALS.open("thread", CONTENT, {**sealed, "label": text})
    assert found == (true if text == sealed["label"] else None)


@pytest.mark.parametrize(
    "change",
    [lambda text: text + " ", lambda text: text.replace("untrusted", "system"), lambda text: " " + text, lambda _: ""],
)
def test_the_label_is_sealed_byte_by_byte(change):
    """Another spelling of the same label is another label."""
    sealed = SEALS.close_over("thread", CONTENT, UNLABELLED)
    assert SEALS.open("thread", CONTENT, {**sealed, "label": change(sealed["label"])}) is None


@pytest.mark.parametrize("seal", ["", "0" * 64, "é" * 64, "\ud800", None, 7, b"0" * 64, ["0"], {"a": 1}], ids=ascii)
def test_a_forged_seal_opens_nothing(seal):
    """Whatever stands in its place."""
    sealed = SEALS.close_over("thread", CONTENT, NEUTRAL)
    assert SEALS.open("thread", CONTENT, {**sealed, "seal": seal}) is None


def test_seals_of_other_keys_and_domains_open_nothing():
    """Neither another installation's seal nor one that was made for something else."""
    sealed = LabelSeals(Sealer(bytes(32))).close_over("thread", CONTENT, NEUTRAL)
    assert SEALS.open("thread", CONTENT, sealed) is None
    text = NEUTRAL.model_dump_json()
    for domain in ("plan", "permit", "ledger", ""):
        seal = Sealer(KEY).seal(domain, ["thread", CONTENT, text])
        assert SEALS.open("thread", CONTENT, {"label": text, "seal": seal}) is None


def test_what_opened_once_does_not_open_everything_after():
    """The memory of opened labels is no way round the seal."""
    sealed = SEALS.close_over("thread", CONTENT, NEUTRAL)
    assert SEALS.open("thread", CONTENT, sealed) == NEUTRAL
    assert SEALS.open("thread", CONTENT, {**sealed, "seal": "0" * 64}) is None
    assert SEALS.open("thread", CONTENT, {**sealed, "label": UNLABELLED.model_dump_json()}) is None


def test_many_labels_can_be_opened():
    """The memory is bounded, and forgetting loses nothing."""
    seals = LabelSeals(Sealer(KEY))
    sealed = {str(number): seals.close_over("thread", str(number), NEUTRAL) for number in range(5000)}
    for _ in range(2):
        assert all(seals.open("thread", content, item) == NEUTRAL for content, item in sealed.items())


@pytest.mark.parametrize(
    "junk",
    [
        None,
        "text",
        b"bytes",
        7,
        1.5,
        True,
        [],
        ["label", "seal"],
        (),
        {},
        {"label": "x"},
        {"seal": "x"},
        {"label": None, "seal": None},
        {"label": {}, "seal": {}},
        {"label": "{}", "seal": "0" * 64},
        {"label": "\ud800", "seal": "0" * 64},
        {"label": "[" * 100_000, "seal": "0" * 64},
        {1: 2},
        Ellipsis,
    ],
    ids=lambda junk: ascii(junk)[:40],
)
def test_junk_opens_as_nothing(junk):
    """State may hold anything; the answer is ``None``, which reads as untrusted, never an error."""
    assert SEALS.open("thread", CONTENT, junk) is None


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=8,
)


@LAW
@given(anything | st.fixed_dictionaries({"label": anything, "seal": anything}))
def test_any_junk_opens_as_nothing(junk):
    """Under hypothesis too."""
    assert SEALS.open("thread", CONTENT, junk) is None
