"""Whether the rules of a pack do what their own examples say.

Invariant: a pack that this passes finds each of its ``match`` texts by the rule that names it, at every door that the
rule watches, and leaves each ``no_match`` text alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from aisecops_langchain.domain.labels import SourceKind
from aisecops_langchain.errors import ConfigurationError
from aisecops_langchain.sanitize.detect import RuleDetector
from aisecops_langchain.sanitize.pipeline import Sanitizer
from aisecops_langchain.sanitize.rules import Rule, RulePack

_SHOWN: Final = 5
"""Failing examples that an error names."""


def failing_examples(pack: RulePack) -> tuple[str, ...]:
    """Try every example of a pack.

    Args:
        pack: The pack.

    Returns:
        One sentence for each example that fails; it names the rule and the example's position.
    """
    sanitizer = Sanitizer(detectors=(RuleDetector(pack.rules),))
    return tuple(sentence for rule in pack.rules for sentence in _failing(rule, sanitizer))


def require_examples(pack: RulePack) -> None:
    """Refuse a pack of which an example fails.

    Args:
        pack: The pack.

    Raises:
        ConfigurationError: If one does.
    """
    failing = failing_examples(pack)
    if failing:
        raise ConfigurationError(
            f"rule pack {pack.pack}: {len(failing)} examples fail",
            expected="every match text found, every no_match text left alone",
            got=", ".join(failing[:_SHOWN]),
            remedy="correct the patterns or the examples",
        )


def _failing(rule: Rule, sanitizer: Sanitizer) -> Iterator[str]:
    doors = [kind for kind in SourceKind if rule.watches(kind)]
    for key, texts, wanted in (("match", rule.match, True), ("no_match", rule.no_match, False)):
        for number, text in enumerate(texts, 1):
            if any(_finds(sanitizer, rule, text, door) is not wanted for door in doors):
                yield f"{rule.id} {key} {number}"


def _finds(sanitizer: Sanitizer, rule: Rule, text: str, door: SourceKind) -> bool:
    return any(finding.rule == rule.id for finding in sanitizer.sanitize_text(text, channel=door).findings)
