"""Seals: good for one key, one domain and one value."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aisecops_langchain.errors import CanonicalizationError
from aisecops_langchain.sealing import Sealer

LAW = settings(max_examples=100, deadline=None)
SEALER = Sealer(bytes(range(32)))

domains = st.text(st.characters(codec="utf-8"), max_size=10)


@LAW
@given(domains, st.binary())
def test_a_seal_verifies_what_it_was_made_for(domain, data):
    """It is 64 hexadecimal digits, the same every time and with every sealer of the key."""
    seal = SEALER.seal_bytes(domain, data)
    assert len(bytes.fromhex(seal)) == 32
    assert SEALER.verifies(domain, data, seal)
    assert Sealer(bytes(range(32))).seal_bytes(domain, data) == seal
    assert SEALER.seal_bytes(domain, data) == seal


@LAW
@given(domains, domains, st.binary(), st.binary())
def test_a_seal_is_good_for_its_domain_and_data_alone(one, other, left, right):
    """Neither another domain nor other data verify under it, however the two are cut."""
    seal = SEALER.seal_bytes(one, left)
    assert SEALER.verifies(other, right, seal) is ((one, left) == (other, right))


@pytest.mark.parametrize(("one", "other"), [(("a", b"b"), ("ab", b"")), (("", b"ab"), ("a", b"b"))])
def test_domain_and_data_do_not_run_together(one, other):
    """The border between them is part of what is sealed."""
    assert SEALER.seal_bytes(*one) != SEALER.seal_bytes(*other)


@LAW
@given(st.binary(min_size=32, max_size=64), st.binary())
def test_another_key_verifies_nothing(root, data):
    """Seals of one installation are worth nothing in another."""
    other = Sealer(root)
    same = root == bytes(range(32)) or root.rstrip(b"\0") == bytes(range(32)).rstrip(b"\0")
    assert other.verifies("permit", data, SEALER.seal_bytes("permit", data)) is same


@LAW
@given(st.text() | st.none() | st.integers() | st.binary() | st.lists(st.text()) | st.floats())
def test_junk_is_no_seal(junk):
    """Anything may claim to be a seal; the answer is no, never an error."""
    assert SEALER.verifies("permit", b"data", junk) is False


@pytest.mark.parametrize(
    "change", [str.upper, lambda s: s + " ", lambda s: " " + s, lambda s: s[:-1], lambda s: s + "0"]
)
def test_a_seal_has_one_spelling(change):
    """Other spellings of the same digits are other seals."""
    seal = SEALER.seal_bytes("permit", b"data")
    assert SEALER.verifies("permit", b"data", change(seal)) is (change(seal) == seal)


@pytest.mark.parametrize("seal", ["é" * 64, "٠" * 64, "\ud800", "０" * 64, "\x00" * 64])
def test_text_beyond_ascii_is_no_seal(seal):
    """The comparison in constant time takes ASCII only; other text is a no, not a crash."""
    assert SEALER.verifies("permit", b"data", seal) is False


def test_values_are_sealed_in_their_canonical_form():
    """The order of keys does not count; what has no canonical form cannot be sealed."""
    assert SEALER.seal("plan", {"a": 1, "b": 2}) == SEALER.seal("plan", {"b": 2, "a": 1})
    assert SEALER.seal("plan", {"a": 1}) != SEALER.seal("plan", {"a": 1.0})
    for value in (float("nan"), object(), "\ud800", (1,)):
        with pytest.raises(CanonicalizationError):
            SEALER.seal("plan", value)


@pytest.mark.parametrize("length", [0, 1, 16, 31])
def test_a_short_key_is_refused(length):
    """A sealer never works with less than 256 bits."""
    with pytest.raises(ValueError, match="32 bytes"):
        Sealer(bytes(length))
