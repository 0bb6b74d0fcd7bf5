"""Labels form a semilattice under join, and join never raises trust."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from aisecops_langchain.domain.labels import (
    NEUTRAL,
    UNLABELLED,
    Confidentiality,
    Integrity,
    Label,
    Source,
    SourceKind,
    join_all,
    label_for,
)

LAW = settings(max_examples=60, deadline=None)

sources = st.builds(
    Source, kind=st.sampled_from(SourceKind), name=st.sampled_from("abc"), digest=st.sampled_from(["d1", "d2"])
)
labels = st.builds(
    Label,
    integrity=st.sampled_from(Integrity),
    confidentiality=st.sampled_from(Confidentiality),
    sources=st.frozensets(sources, max_size=4),
)


@LAW
@given(labels, labels, labels)
def test_join_is_associative(a, b, c):
    """How content is grouped does not count."""
    assert a.join(b).join(c) == a.join(b.join(c))


@LAW
@given(labels, labels)
def test_join_is_commutative(a, b):
    """The order of content does not count."""
    assert a.join(b) == b.join(a)


@LAW
@given(labels)
def test_join_is_idempotent_and_has_a_neutral_element(a):
    """Seeing content twice, or nothing besides, changes nothing."""
    assert a.join(a) == a
    assert a.join(NEUTRAL) == a == NEUTRAL.join(a)


@LAW
@given(labels, labels)
def test_join_never_raises_trust_nor_lowers_secrecy_nor_forgets_a_source(a, b):
    """The join is as bad as the worse of the two in every respect, and no worse."""
    joined = a.join(b)
    assert joined.integrity.rank == min(a.integrity.rank, b.integrity.rank)
    assert joined.confidentiality.rank == max(a.confidentiality.rank, b.confidentiality.rank)
    assert joined.sources == a.sources | b.sources


@LAW
@given(st.lists(labels, max_size=6), st.randoms())
def test_join_of_many_is_the_join_of_all_in_any_order(items, random):
    """One untrusted piece is enough, wherever it stands."""
    joined = join_all(items)
    mixed = list(items)
    random.shuffle(mixed)
    assert join_all(mixed) == joined
    assert all(joined.join(item) == joined for item in items)


def test_the_join_of_nothing_is_neutral():
    """No content, no taint."""
    assert join_all([]) == NEUTRAL


@LAW
@given(labels)
def test_a_label_survives_its_json(a):
    """As it lies in state and in the log."""
    assert Label.model_validate_json(a.model_dump_json()) == a


def test_the_orders_are_as_documented():
    """Biba's and Bell and LaPadula's, from worst to best and from widest to narrowest."""
    assert sorted(Integrity, key=lambda level: level.rank) == ["untrusted", "first_party", "user", "system"]
    assert sorted(Confidentiality, key=lambda level: level.rank) == ["public", "internal", "confidential", "restricted"]


@pytest.mark.parametrize("kind", SourceKind)
def test_a_door_alone_gives_trust_only_to_system_and_user(kind):
    """Everything that comes from outside is untrusted, every door counted."""
    trusted = {
        SourceKind.SYSTEM_PROMPT: Integrity.SYSTEM,
        SourceKind.SKILL: Integrity.SYSTEM,
        SourceKind.USER_PROMPT: Integrity.USER,
    }
    source = Source(kind=kind, name="x", digest="sha256:0")
    label = label_for(source)
    assert label.integrity is trusted.get(kind, Integrity.UNTRUSTED)
    assert label.sources == {source}


def test_unlabelled_content_is_untrusted():
    """Nobody vouched for it."""
    assert UNLABELLED.integrity is Integrity.UNTRUSTED


@pytest.mark.parametrize("change", [{"integrity": "system"}, {"sources": frozenset()}])
def test_labels_are_frozen(change):
    """Trust cannot be changed in place."""
    label = Label(integrity=Integrity.UNTRUSTED, confidentiality=Confidentiality.PUBLIC)
    for name, value in change.items():
        with pytest.raises(ValidationError):
            setattr(label, name, value)


@pytest.mark.parametrize(
    "data",
    [
        {"integrity": "godlike", "confidentiality": "public"},
        {"integrity": "system"},
        {"integrity": "system", "confidentiality": "public", "endorsed": True},
        {"integrity": None, "confidentiality": "public"},
        {"integrity": 3, "confidentiality": "public"},
    ],
)
def test_a_malformed_label_is_refused(data):
    """Unknown levels, unknown fields and missing parts do not read as a label."""
    with pytest.raises(ValidationError):
        Label.model_validate(data)
