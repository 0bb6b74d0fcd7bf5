"""Attribution: an argument is traced to trusted words only where the whole of it stands there as whole words."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aisecops_langchain.domain.labels import NEUTRAL, Integrity, Label, Source, SourceKind, join_all, label_for
from aisecops_langchain.provenance import LabelledText, attribute

TRUSTED = [SourceKind.SYSTEM_PROMPT, SourceKind.SKILL, SourceKind.USER_PROMPT]

LAW = settings(max_examples=60, deadline=None)


def said(text: str, kind: SourceKind = SourceKind.USER_PROMPT, name: str = "x") -> LabelledText:
    return LabelledText(text, label_for(Source(kind=kind, name=name, digest="sha256:0")))


POISON = said("a document that anyone could have written", SourceKind.RETRIEVAL_CHUNK)


def trace(value, *contents: LabelledText):
    """Attribute one argument; there is always untrusted content in the context besides."""
    everything = [*contents, POISON]
    (found,) = attribute({"value": value}, everything, join_all(item.label for item in everything))
    return found


def is_endorsed(value, *texts: str) -> bool:
    """Whether the user's words vouch for a value; what is not vouched for has the label of the whole context."""
    contents = [said(text) for text in texts]
    found = trace(value, *contents)
    if found.method not in ("context", "untrusted"):
        assert found.label.integrity is Integrity.USER
        return True
    assert found.label == join_all(item.label for item in [*contents, POISON])
    return False


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("bob", "pay bob"),
        ("Bob", "pay BOB now"),
        ("bob", "(bob)"),
        ("bob", "bob"),
        ("bob", '"bob", and nobody else'),
        ("bob@example.com", "write to bob@example.com, please"),
        ("bob@example.com", "write to bob@example.com."),
        ("INV-2024-07", "pay invoice INV-2024-07!"),
        ("two words", "say two words to her"),
        (5, "send 5 euros"),
        (5, "send 5."),
        (5, "send 5, then stop"),
        (5, "$5"),
        (5, "5"),
        (-5, "adjust by -5"),
        (5.5, "send 5.5"),
        (5.0, "send 5"),
        (1200, "1200"),
        ("müller", "an MÜLLER"),
        ("Straße", "in der STRASSE"),
        ("東京", "東京 へ"),
        ("  bob ", "pay bob"),
        (["a1", "b2"], "take b2 and a1"),
        ({"amount": 5}, "an amount of 5"),
        ([["deep", {"key": "value"}]], "deep key value"),
    ],
)
def test_a_value_that_the_user_said_is_endorsed(value, text):
    """Whole words, in any case, between any punctuation."""
    assert is_endorsed(value, text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5, "send 500"),
        (5, "send 5.20"),
        (5, "send 1.5"),
        (5, "send 1,5"),
        (5, "send 5,000"),
        (500, "send 1,500"),
        (20, "send 5.20"),
        (5, "room a5"),
        (5, "5th"),
        (5, "x_5"),
        (5, "٥"),
        (5, "5e3"),
        (5.2, "send 5.25"),
        (5.25, "send 15.25"),
        ("bob", "bobby"),
        ("bob", "my_bob"),
        ("eve", "pay bob"),
        ("bob", ""),
        ("ob", "bob"),
        ("bob1", "bob"),
        ("東", "東京"),
        ("ü", "müller"),
        ("two words", "two  words"),
        ("a,b", "a, b"),
    ],
)
def test_a_part_of_a_word_or_number_is_not(value, text):
    """5 was not said by whoever said 500, 5.20 or 5th."""
    assert not is_endorsed(value, text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5, "adjust by -5"),
        (5, "adjust by \u22125"),
        (5, "tip .5"),
        (5, "0.5"),
        (5, "5'000"),
        (5, "5\u00a0000"),
    ],
)
def test_a_number_that_means_another_is_not(value, text):
    """A sign, a fraction or a group of thousands that hangs on it makes it another number."""
    assert not is_endorsed(value, text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("/", "yes and/or no"),
        ("/", "see /srv/report.txt"),
        (".", "Please clean up."),
        ("*", "5 * 3"),
        ("-", "well - no"),
        ("..", "wait..."),
        ("'", "it's fine"),
        ("?", "who?"),
        ("@", "bob@example.com"),
    ],
)
def test_punctuation_alone_is_never_endorsed(value, text):
    """It stands in nearly every text and dictates nothing: a full stop does not allow deleting '.'."""
    assert not is_endorsed(value, text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("/home/bob", "delete /home/bob/tmp"),
        ("/etc", "read /etc/motd"),
        ("bob@example.com", "write to bob@example.com.au"),
        ("cafe", "at the cafe\u0301"),
    ],
)
def test_a_part_of_a_path_an_address_or_a_name_is_not(value, text):
    """Whoever names a file did not name its directory; whoever names a mailbox did not name another host."""
    assert not is_endorsed(value, text)


@pytest.mark.parametrize("value", [None, True, False, "", " ", "\t\n", [], {}, [[]], {"": ""}, [None], ["bob", None]])
def test_what_cannot_be_looked_for_is_not_endorsed(value):
    """Empty values, truth values and null stand nowhere, whatever the user said."""
    assert not is_endorsed(value, "bob true false none null True False None  \t\n [] {}")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (["bob", "eve"], "pay bob"),
        ({"to": "bob"}, "pay bob"),
        ({"bob": "eve"}, "pay bob"),
        ({"bob": {"to": ["bob", {"bob": "eve"}]}}, "pay bob to"),
        ([5, 500], "5"),
    ],
)
def test_one_part_that_nobody_said_spoils_the_whole(value, text):
    """Keys count as well as values, at any depth."""
    assert not is_endorsed(value, text)


@pytest.mark.parametrize("kind", sorted(set(SourceKind) - set(TRUSTED)))
def test_untrusted_content_never_endorses(kind):
    """Documents, memory, tools and models may say what they like."""
    found = trace("bob", said("pay bob", kind))
    assert found.method == "untrusted"
    assert {source.kind for source in found.sources} == {kind}
    assert found.label.integrity is Integrity.UNTRUSTED


@pytest.mark.parametrize("kind", TRUSTED)
def test_trusted_content_endorses_with_its_own_label(kind):
    """The label is that of the words in which the value stands."""
    content = said("pay bob", kind)
    found = trace("bob", said("pay eve", SourceKind.TOOL_RESULT), content)
    assert found.method == "verbatim"
    assert found.label == content.label


def test_first_party_content_is_not_the_users_word():
    """What stands there has the trust of the place, and no more."""
    label = Label(integrity=Integrity.FIRST_PARTY, confidentiality=NEUTRAL.confidentiality)
    (found,) = attribute({"x": "bob"}, [LabelledText("bob", label)], label)
    assert found.method == "verbatim"
    assert found.label.integrity is Integrity.FIRST_PARTY


def test_parts_from_several_places_have_the_join_of_their_labels():
    """The least trusted of the words that were needed decides."""
    user, system = said("pay bob"), said("the limit is 900", SourceKind.SYSTEM_PROMPT)
    found = trace(["bob", 900], user, system)
    assert found.method == "verbatim"
    assert found.label == user.label.join(system.label)


def test_a_value_is_not_put_together_from_two_pieces():
    """Words that stand at the end of one message and the start of the next are not one value."""
    assert not is_endorsed("bob smith", "pay bob", "smith")


@pytest.mark.parametrize("length", [2001, 100_000])
def test_long_values_are_not_looked_for(length):
    """Nobody dictates them word by word, and the search stays cheap."""
    assert not is_endorsed("x" * length, "x" * length)


def test_a_value_of_the_longest_length_is_looked_for():
    """The bound is exact."""
    assert is_endorsed("x" * 2000, "x" * 2000)


def test_a_hostile_text_does_not_make_the_search_slow():
    """Many near misses cost time in proportion, not squared."""
    assert not is_endorsed("a" * 2000, "a" * 20_000)


def test_every_argument_gets_one_entry_in_its_order():
    """Nothing is left out and nothing is added."""
    found = attribute({"b": "bob", "a": "eve", "c": None}, [said("bob")], POISON.label)
    assert [(item.argument, item.method) for item in found] == [("b", "verbatim"), ("a", "context"), ("c", "context")]
    assert attribute({}, [said("bob")], POISON.label) == ()


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
contents = st.lists(
    st.builds(said, st.text(max_size=30), st.sampled_from(SourceKind)),
    max_size=4,
)


@LAW
@given(values, contents)
def test_attribution_never_raises_trust_beyond_the_words_it_found(value, items):
    """A verbatim label comes from trusted content; any other is the context's, and nothing raises an error."""
    context = join_all(item.label for item in items)
    (found,) = attribute({"x": value}, items, context)
    trusted = [item.label for item in items if item.label.integrity.rank >= Integrity.USER.rank]
    if found.method not in ("context", "untrusted"):
        assert trusted
        assert found.label.sources <= join_all(trusted).sources
        assert found.label.integrity.rank >= Integrity.USER.rank
    else:
        assert found.label == context


@LAW
@given(values, contents)
def test_untrusted_content_changes_nothing_but_the_context(value, items):
    """An attacker who adds documents cannot make a value trusted that was not."""
    trusted = [item for item in items if item.label.integrity.rank >= Integrity.USER.rank]
    context = POISON.label
    (found,), (alone,) = attribute({"x": value}, items, context), attribute({"x": value}, trusted, context)
    assert found.label == alone.label


@LAW
@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_a_number_is_found_only_as_itself(number, other):
    """Between words, exactly the number that was said."""
    assert is_endorsed(number, f"send {other} euros") is (number == other)


@LAW
@given(st.text("abc1.,-_ ", min_size=1, max_size=6), st.text("abc1.,-_ ", max_size=10))
def test_what_is_endorsed_stands_in_the_text(value, text):
    """Never anything that the text does not hold."""
    if is_endorsed(value, text):
        assert value.strip().casefold() in text.casefold()
