"""Rates on texts that stand apart from the rules; see docs/evaluation.md for what they do and do not say."""

from __future__ import annotations

from heldout_texts import texts

from aisecops_langchain.sanitize import RuleDetector, Sanitizer, core_rules

SANITIZER = Sanitizer(detectors=(RuleDetector(core_rules().rules),))


def share(name: str) -> float:
    """Share of the texts of a file in which anything is found."""
    found = [bool(SANITIZER.sanitize_text(item.text, channel=item.channel).findings) for item in texts(name)]
    return sum(found) / len(found)


def test_attacks_that_were_written_before_the_rules_are_found():
    assert share("attacks.txt") >= 0.95


def test_attacks_that_avoid_every_usual_phrase_are_mostly_missed():
    """They keep the documented limits honest: a scanner that finds them all was fitted to them."""
    assert 0.15 <= share("attacks-second.txt") <= 0.6


def test_harmless_texts_full_of_trigger_words_are_left_alone():
    assert share("benign.txt") <= 0.02
