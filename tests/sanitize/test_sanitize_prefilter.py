"""What is looked for first is never missing where a pattern matches: with and without it, findings are the same."""

from __future__ import annotations

import pytest
import re2
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aisecops_langchain.domain.labels import SourceKind
from aisecops_langchain.errors import ConfigurationError
from aisecops_langchain.sanitize.detect import RuleDetector
from aisecops_langchain.sanitize.fold import fold_plain, skeleton, without_twins
from aisecops_langchain.sanitize.pattern_fold import heeds_marks, marks_part_words
from aisecops_langchain.sanitize.pattern_part import telling_part
from aisecops_langchain.sanitize.pattern_set import PatternBlock, PatternSet
from aisecops_langchain.sanitize.pattern_words import needed_words
from aisecops_langchain.sanitize.patterns import compile_pattern
from aisecops_langchain.sanitize.readings import read
from aisecops_langchain.sanitize.rules import core_rules
from aisecops_langchain.sanitize.squeeze import squeeze_pattern
from aisecops_langchain.sanitize.structure import STRUCTURE_RULES
from aisecops_langchain.sanitize.word_index import WordIndex

RULES = (*core_rules().rules, *STRUCTURE_RULES)
DETECTOR = RuleDetector(RULES)
SOURCES = [source for rule in RULES for source in rule.sources()]
OWNERS = [rule for rule in RULES for _ in rule.sources()]
PATTERNS = [compile_pattern(source) for source in SOURCES]
SQUEEZED = [compile_pattern(squeeze_pattern(source)) for source in SOURCES]
PREFILTER = PatternSet(SOURCES)
INDEX = WordIndex(SOURCES)
MARKED = {index for index, source in enumerate(SOURCES) if heeds_marks(source)}
EXAMPLES = [text for rule in RULES for text in (*rule.match, *rule.no_match)]
WORDS = sorted({word for text in EXAMPLES for word in text.split()})

TEXTS = st.lists(
    st.sampled_from(WORDS) | st.sampled_from(EXAMPLES) | st.text(max_size=6), min_size=1, max_size=25
).flatmap(lambda words: st.sampled_from([" ", "  ", "\n", "", "-"]).map(lambda gap: gap.join(words)))


def plain(text):
    """Replace lone surrogates, which readings never hold, and letters that are not as patterns spell them."""
    return without_twins(text.encode("utf-8", "replace").decode())


def matching(patterns, text):
    return {index for index, pattern in enumerate(patterns) if pattern.search(text) is not None}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_every_example_of_a_pack_gets_to_the_patterns_that_match_it(rule):
    for text in (*rule.match, *rule.no_match):
        for form in (text, text.upper(), text.replace(" ", "\n")):
            assert matching(PATTERNS, form) <= set(PREFILTER.hits(form.encode()))
            squeezed = "".join(form.split())
            assert matching(SQUEEZED, squeezed) <= {*INDEX.hits(squeezed), *INDEX.unknown}


@settings(deadline=None, max_examples=60)
@given(TEXTS)
def test_whatever_matches_was_let_through(text):
    text = plain(text)
    assert matching(PATTERNS, text) <= set(PREFILTER.hits(text.encode()))
    assert matching(SQUEEZED, text) <= {*INDEX.hits(text), *INDEX.unknown}


@settings(deadline=None, max_examples=40)
@given(TEXTS)
def test_findings_are_those_of_every_pattern_tried_by_itself(text):
    views = read(text)
    found = {finding.rule for finding in DETECTOR.scan(views, SourceKind.TOOL_RESULT)}
    expected = {
        OWNERS[index].id
        for view in views
        for index in matching(SQUEEZED if view.squeezed else PATTERNS, view.text)
        if OWNERS[index].watches(SourceKind.TOOL_RESULT) and (index in MARKED or not view.folded_beside)
    }
    assert found == expected


@settings(deadline=None, max_examples=60)
@given(TEXTS, st.sampled_from(["*", "**", "_", "`", "~", "    ", "\t\t", "\n\n\n"]), st.integers(0, 60))
def test_what_does_not_heed_marks_finds_as_much_without_them(text, mark, at):
    text = skeleton(f"{plain(text)[:at]} {mark}{plain(text)[at:]}{mark}")
    if marks_part_words(text):
        return
    found = matching(PATTERNS, fold_plain(text))
    assert {index for index in matching(PATTERNS, text) if index not in MARKED} <= found


@pytest.mark.parametrize(
    ("source", "heeds"),
    [
        (r"\bsay\b[^\n]{0,50}\bpwned\b", False),
        (r"\w+\s+[^*]?\s*x", False),
        (r"[*#]\s*note", True),
        (r"\*\*note", True),
        (r"`[^`]+`", True),
        (r"tool_call", True),
        (r"\n\n", True),
        (r"a\s{2,}b", True),
        (r"a\s{1,4}b", False),
        ("(?<name>x", True),
    ],
)
def test_a_pattern_that_names_marks_heeds_them(source, heeds):
    assert heeds_marks(source) is heeds


def test_marks_between_letters_keep_words_apart():
    assert marks_part_words("say*that*it")
    assert not marks_part_words("**say** `that` _it_ a_b")


# --- laws for any pattern --------------------------------------------------------------------------------------------

LETTERS = ("a", "b", "ab", "abc", "the ", "K", "\u0436", "\u00df", r"\x{e9}", r"\.", "(?-i:Ab)")
CLASSES = ("[ab]", "[^\n]", r"[^\s]", r"[\w ]", ".", r"\s", r"\w", r"\b", "^", "$", r"\d", r"\pL")
ATOMS = st.sampled_from([*LETTERS, *CLASSES])
COUNTS = st.sampled_from(["", "", "?", "*", "+", "{2}", "{0,3}", "{1,40}", "{9,12}", "{2,}", "+?"])
PIECES = st.recursive(
    st.tuples(ATOMS, COUNTS).map(lambda pair: f"(?:{pair[0]}){pair[1]}" if len(pair[0]) > 1 else "".join(pair)),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4).map("".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda branches: f"(?:{'|'.join(branches)})"),
        st.tuples(inner, COUNTS).map(lambda pair: f"({pair[0]}){pair[1]}"),
    ),
    max_leaves=8,
)
PATTERN_TEXTS = st.lists(
    st.sampled_from(["a", "b", "ab", "abc", "the", " ", "k", "\u212a", "Ж", "ß", "é", ".", "\n", "x", "1", "-"]),
    max_size=14,
).map(lambda letters: without_twins("".join(letters)))


@settings(deadline=None, max_examples=400)
@given(PIECES, PATTERN_TEXTS)
@example(r"\bsay\b[^\n]{0,50}\bpwned\b", "say that it was pwned")
@example("(?:a[^\n]{4,}b|ж)", "axxxxb")
@example("(?:ж|a)[^\n]{9,12}(?:b)", "axxxxxxxxxb")
def test_the_part_and_the_words_of_a_pattern_stand_in_whatever_it_matches(source, text):
    try:
        matches = compile_pattern(source).search(text) is not None
    except ConfigurationError:  # re2 does not take it
        return
    if not matches:
        return
    part = telling_part(source)
    assert PatternBlock([part.source]).hits(text.encode()) == [0]
    assert not (part.foreign and text.isascii())
    assert all(any(word in text.casefold() for word in words) for words in needed_words(source))
    assert PatternSet([source]).hits(text.encode()) == [0]


@pytest.mark.parametrize(
    ("source", "part"),
    [
        (r"(?:^|[\n.!?]\s*|\b(?:please|now)\s+)(?:wire|send) money\b", r"\b(?:wire|send) money\b"),
        (r"(?:^|\n)\s*(?:please\s+)?disregard that", r"\bdisregard that"),
        (r"(?:please\s+)?disregard that", r"(?:please\s+)?disregard that"),  # may begin inside a word
        (r"[\s.]?disregard that", r"[\s.]?disregard that"),
        (r"(?:^|\n)\s*жди меня", r"(?:^|\n)\s*жди меня"),  # no boundary to re2
        (r"(?:^|\n)[\w ]disregard", r"(?:^|\n)[\w ]disregard"),
        (r"</ignore>\s*disregard", r"</ignore>\s*disregard"),  # what tells much stays
    ],
)
def test_a_part_begins_where_its_words_do(source, part):
    assert telling_part(source).source == part


def test_a_part_does_not_wait():
    assert telling_part(r"\bsay\b[^\n]{0,50}\bpwned\b").source == r"\bpwned\b"
    assert telling_part(r"ignore (?:a|b)").source == r"ignore (?:a|b)"


def test_what_is_not_understood_is_looked_for_whole():
    assert telling_part(r"(?i)a\Qb\E").source == r"(?i)a\Qb\E"
    assert needed_words(r"a\Qb\E") == ()


def test_patterns_of_other_scripts_are_not_looked_for_in_ascii():
    assert telling_part("忽略[^\n]{0,12}指示").foreign
    assert not telling_part("忽略|ignore").foreign


def test_letters_that_match_ascii_without_being_it_do_not_make_a_pattern_foreign():
    assert not telling_part("\u017fet").foreign
    assert re2.compile("(?i)\u017fet").search("set") is not None
