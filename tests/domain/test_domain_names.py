"""Names in the one spelling in which persons are compared."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aisecops_langchain.domain.principal import Approver, one_spelling

UNSEEN = (
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b\u180e\u200b\u200d\u2060\u2800"
    "\u3164\ufe0f\ufeff\uffa0\U000e0041\U000e0101"
)


@given(name=st.text(max_size=8), unseen=st.text(UNSEEN, max_size=3), place=st.integers(0, 8))
def test_what_cannot_be_seen_makes_no_other_person(name: str, unseen: str, place: int) -> None:
    """Wherever it stands, also between a letter and its accent."""
    assert one_spelling(name[:place] + unseen + name[place:]) == one_spelling(name)


@given(name=st.text())
def test_a_spelling_is_its_own(name: str) -> None:
    assert one_spelling(one_spelling(name)) == one_spelling(name)


@pytest.mark.parametrize(
    "name", ["jos\u00e9", "jose\u0301", "JOS\u00c9", "jose\u200d\u0301", "jose\u034f\u0301 ", "\uff4aos\u00e9"]
)
def test_an_accent_is_one_however_it_is_written(name: str) -> None:
    assert Approver(id="Jos\u00e9").is_person(name)


@pytest.mark.parametrize("name", ["\u2800", "\u115f\u3164", "\ufe0f \u200b"])
def test_nothing_to_see_is_no_name(name: str) -> None:
    assert one_spelling(name) == ""


def test_an_accent_tells_two_persons_apart() -> None:
    assert not Approver(id="jose").is_person("jos\u00e9")
