"""One JSON value, one byte string, one digest; what JSON cannot say without loss is refused."""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import IntEnum, StrEnum
from uuid import UUID

import orjson
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from aisecops_langchain.canonical import MAX_DEPTH, canonical_bytes, digest, digest_bytes, digest_text
from aisecops_langchain.errors import AisecopsError, CanonicalizationError

LAW = settings(max_examples=60, deadline=None)

texts = st.text(st.characters(codec="utf-8"), max_size=8)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
    | st.sampled_from([0, 1, 0.0, -0.0, 1.0, "", "0", "1", "true", "null", 2**53, 2.0**53, "\u00e9", "e\u0301"])
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def same(left: object, right: object) -> bool:
    """Whether two values are the same JSON value: same kinds of numbers, same signs of zero, keys in any order."""
    if type(left) is not type(right):
        return False
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(item, right[key]) for key, item in left.items())
    if isinstance(left, float):
        return left == right and math.copysign(1, left) == math.copysign(1, right)
    return left == right


def shuffled(value: object) -> object:
    """The same value with the keys of every object in another order."""
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in reversed(value)}
    if isinstance(value, list):
        return [shuffled(item) for item in value]
    return value


@LAW
@given(values)
def test_bytes_read_back_as_the_value(value):
    """Nothing is lost: what was hashed is what was meant."""
    assert same(orjson.loads(canonical_bytes(value)), value)
    assert same(json.loads(canonical_bytes(value)), value)


@LAW
@given(values, values)
def test_equal_values_and_only_they_have_equal_bytes(left, right):
    """Bytes are equal exactly if the values are."""
    assert (canonical_bytes(left) == canonical_bytes(right)) is same(left, right)


@LAW
@given(values)
def test_the_order_of_keys_does_not_count(value):
    """At no depth."""
    assert canonical_bytes(shuffled(value)) == canonical_bytes(value)


@LAW
@given(values)
def test_canonical_form_is_stable(value):
    """Reading and writing again changes nothing."""
    data = canonical_bytes(value)
    assert canonical_bytes(orjson.loads(data)) == data


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (1, 1.0),
        (1, True),
        (0, False),
        (0.0, -0.0),
        (None, False),
        ("1", 1),
        ([], {}),
        ([1], 1),
        ("é", "e\u0301"),
        ("", None),
    ],
)
def test_values_that_look_alike_differ(left, right):
    """Python's equality, Unicode's and truth's are not JSON's."""
    assert canonical_bytes(left) != canonical_bytes(right)


def test_there_is_no_white_space_and_no_escaping_of_unicode():
    """The form is fixed; a change of it would break every digest that was ever written."""
    assert (
        canonical_bytes({"b": [1, 2.5, "é"], "a": {"\u2028": None}}) == '{"a":{"\u2028":null},"b":[1,2.5,"é"]}'.encode()
    )


class _Text(str):
    pass


class _Number(int):
    pass


class _Color(StrEnum):
    RED = "red"


class _Level(IntEnum):
    ONE = 1


@dataclass
class _Point:
    x: int = 1


class _Dict(dict):
    pass


class _List(list):
    pass


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        float("-inf"),
        2**64,
        -(2**63) - 1,
        10**400,
        (1, 2),
        (),
        {1, 2},
        frozenset(),
        b"bytes",
        bytearray(b"x"),
        Ellipsis,
        datetime(2030, 1, 1, tzinfo=UTC),
        UUID(int=1),
        Decimal(1),
        1j,
        _Text("text"),
        _Number(1),
        _Color.RED,
        _Level.ONE,
        _Point(),
        _Dict(a=1),
        _List([1]),
        OrderedDict(a=1),
        range(3),
        Exception,
        {1: "a"},
        {None: "a"},
        {True: "a"},
        {1.5: "a"},
        {("a",): 1},
        {_Text("a"): 1},
        {_Color.RED: 1},
        {b"a": 1},
        "\ud800",
        "a\udfffb",
        {"\ud800": 1},
        {"a": "\udc00"},
    ],
    ids=ascii,
)
@pytest.mark.parametrize("wrap", [lambda v: v, lambda v: [v], lambda v: {"k": v}, lambda v: [{"k": [v]}]])
def test_what_is_not_plain_json_is_refused_at_any_depth(value, wrap):
    """Never approximated, never coerced, always with an error of our tree."""
    with pytest.raises(CanonicalizationError):
        canonical_bytes(wrap(value))
    with pytest.raises(CanonicalizationError):
        digest("call", wrap(value))


@LAW
@given(st.integers())
def test_integers_are_taken_up_to_64_bits(number):
    """The bounds are those of signed and unsigned 64 bits together."""
    if -(2**63) <= number < 2**64:
        assert canonical_bytes(number) == str(number).encode()
    else:
        with pytest.raises(CanonicalizationError):
            canonical_bytes(number)


@pytest.mark.parametrize("number", [-(2**63), 2**63 - 1, 2**63, 2**64 - 1])
def test_the_extreme_integers_are_exact(number):
    """No digit is lost at the bounds."""
    assert canonical_bytes(number) == str(number).encode()


@LAW
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_keep_every_bit(number):
    """Shortest form that reads back as the same float, always recognisable as no integer."""
    data = canonical_bytes(number)
    assert same(float(data), number)
    assert any(mark in data for mark in b".eE")


def nested(depth: int, kind: str) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value] if kind == "list" else {"k": value}
    return value


@pytest.mark.parametrize("kind", ["list", "dict"])
def test_nesting_is_bounded(kind):
    """The bound is exact, and far beyond it there is still an error of our tree."""
    assert canonical_bytes(nested(MAX_DEPTH, kind))
    for depth in (MAX_DEPTH + 1, 1000, 100_000):
        with pytest.raises(CanonicalizationError):
            canonical_bytes(nested(depth, kind))


def test_cycles_are_refused():
    """A value that holds itself has no form."""
    ring: list[object] = []
    ring.append(ring)
    knot: dict[str, object] = {}
    knot["self"] = [knot]
    for value in (ring, knot):
        with pytest.raises(CanonicalizationError):
            canonical_bytes(value)


def test_a_value_that_is_small_in_memory_and_huge_as_json_is_refused_or_written_in_time():
    """Shared parts do not multiply the work without bound."""
    value: object = "x"
    for _ in range(18):
        value = [value, value]
    assert len(canonical_bytes(value)) > 2**18


def test_errors_do_not_show_the_value():
    """A refused argument may be a secret."""
    for value in (["secret-4711", object()], {"secret-4711": (1,)}, {"k": "secret-4711\ud800"}):
        with pytest.raises(CanonicalizationError) as caught:
            canonical_bytes(value)
        assert "4711" not in str(caught.value)


# --- digests ---


@LAW
@given(values, values, texts, texts)
def test_digests_differ_by_value_and_by_domain(left, right, one, other):
    """A digest of one kind never stands for another."""
    assert (digest(one, left) == digest(one, right)) is same(left, right)
    assume(one != other)
    assert digest(one, left) != digest(other, left)


@LAW
@given(
    texts.filter(lambda text: "\0" not in text), texts.filter(lambda text: "\0" not in text), st.binary(), st.binary()
)
def test_domain_and_data_do_not_run_together(one, other, left, right):
    """Moving bytes over the border between domain and data gives another digest."""
    assert (digest_bytes(one, left) == digest_bytes(other, right)) is ((one, left) == (other, right))


def test_a_digest_says_its_algorithm_and_is_what_it_always_was():
    """Digests in old logs must be found again: these values never change."""
    assert digest("call", {"a": 1}) == digest_bytes("call", b'{"a":1}')
    assert digest_bytes("call", b"") == "sha256:" + __import__("hashlib").sha256(b"aisecops/call\0").hexdigest()
    assert len(digest("call", None)) == 7 + 64


@LAW
@given(st.text(), st.text())
def test_texts_are_told_apart_even_where_they_are_no_unicode(left, right):
    """Hostile text with lone surrogates is kept apart, not refused and not folded."""
    left, right = left + "\ud800", right + "\udfff"
    assert digest_text("content", left) != digest_text("content", right)
    assert digest_text("content", left) != digest_text("content", left.replace("\ud800", "?"))
    assert digest_text("content", left) != digest_text("content", left.replace("\ud800", "\ufffd"))


def test_the_error_belongs_to_our_tree():
    """Callers that fail closed on the root catch it."""
    assert issubclass(CanonicalizationError, AisecopsError)
