"""Arguments that an approver cannot tell from others by looking at them are told of beside the question."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vote_kit import ask, voting_world

from aisecops_langchain.runtime.approvals.facts import described, facts_of
from aisecops_langchain.runtime.approvals.looks import oddities


@pytest.mark.parametrize(
    ("value", "reasons"),
    [
        ("bob@example.com\u200b", ["unseen"]),
        ("b\u00adob", ["unseen"]),
        ("bob\ufe0f", ["unseen"]),
        ("bob\u200dby", ["unseen"]),
        ("a\x00b", ["unseen"]),
        ("\U000e0062\U000e006f", ["unseen"]),
        ("DE\u202e123\u202c", ["reordered"]),
        ("p\u0430ypal", ["look_alike"]),  # a Cyrillic letter
        ("bob@\u0435\u0445.com", ["look_alike"]),
        ("https://\u0430\u0440\u0440.com", ["look_alike"]),
        ("\uff42ob@example.com", ["look_alike"]),
        ({"to": ["Ann", {"cc": "\u202eeve"}]}, ["reordered"]),
        ({"\u200bto": "Ann"}, ["unseen"]),
    ],
)
def test_what_reads_otherwise_is_told(value, reasons):
    assert oddities({"to": value, "amount": 5, "other": None}) == {"to": reasons}


@pytest.mark.parametrize(
    "value",
    [
        *(
            "bob@example.com",
            "Jos\u00e9 Mu\u00f1oz",
            "Gr\u00fc\u00dfe\nan alle\t!",
            "5 \u20ac",
            "na\u00efve \u201cquotes\u201d \u2013 and",
        ),
        *(
            "Привет, мир",
            "Оплатить счёт из Москвы",
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
            "東京タワー",
            "Αθήνα",
        ),
        *(
            "\U0001f468\u200d\U0001f469\u200d\U0001f467",
            "\u2764\ufe0f",
            "1\ufe0f\u20e3",
            "m\u00fcller@example.de",
            7,
            None,
            [],
            {},
        ),
    ],
)
def test_honest_writing_is_let_be(value):
    assert oddities({"to": value}) == {}


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"])))
def test_plain_text_is_never_odd(text):
    assert oddities({text: text}) == {}


def test_an_odd_name_of_an_argument_is_told_too():
    assert oddities({"to\u200b": "bob"}) == {"to\u200b": ["unseen"]}


def test_it_stands_beside_the_question_and_in_its_words():
    world = voting_world()
    _, binding = ask(world, amount=5, to="b\u200bob")
    record = world.governor.approvals.find(binding.approval_key())
    assert facts_of(record)["look_twice"] == {"to": ["unseen"]}
    assert "LOOK TWICE: to holds characters that are not shown." in described(record)
    assert record.briefing.arguments == {"amount": 5, "to": "b\u200bob"}
