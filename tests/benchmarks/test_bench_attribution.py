"""What a decision costs with the attribution of its arguments, over a long conversation and twenty rules.

Run on demand (``make bench``); it prints, and asserts nothing about time.
"""

from __future__ import annotations

import json
import statistics
import time

import pytest

from aisecops_langchain import parse_policy
from aisecops_langchain.domain.decision import DecisionRequest
from aisecops_langchain.domain.labels import Source, SourceKind, join_all, label_for
from aisecops_langchain.domain.plan import CanonicalCall
from aisecops_langchain.domain.principal import Principal
from aisecops_langchain.provenance import ContentIndex, LabelledText, attribute_in

ROUNDS = 2000
RULES = [
    {"id": f"r{n}", "effect": "deny", "tools": ["send"], "when": {"args.body": {"contains": f"word-{n}"}}}
    for n in range(17)
]
BUNDLE = {
    "version": 1,
    "id": "bench",
    "agents": {"bench": {"capabilities": ["send"]}},
    "capabilities": {"send": {"tools": ["send"]}},
    "tools": {"send": {"effects": ["send"], "targets": ["to", "cc"], "content": ["subject", "body"]}},
    "standard_rules": ["rule_of_two"],
    "task_scope": {"outside": "require_approval"},
    "rules": [
        *RULES,
        {"id": "ok", "effect": "allow", "tools": ["send"], "when": {"targets.integrity": {"at_least": "first_party"}}},
    ],
}


ALPHABET = "the quick-brown fox jumps over a lazy dog, "


def conversation(begin: str = "") -> list[LabelledText]:
    def text(kind: SourceKind, number: int) -> LabelledText:
        words = (begin + " ".join(f"message {number} says word{item} and more" for item in range(70)))[:1950]
        source = Source(kind=kind, name="bench", digest=str(number))
        fields = frozenset(f"{number}-{item}" for item in range(30))
        return LabelledText(words, label_for(source), fields if kind is SourceKind.TOOL_RESULT else frozenset())

    asked = LabelledText(
        "Send the summary to bob@example.com on May 15th, 2024 and put ann@example.com in copy.",
        label_for(Source(kind=SourceKind.USER_PROMPT, name="human", digest="u")),
    )
    kinds = [SourceKind.TOOL_RESULT, SourceKind.AGENT_MESSAGE] * 9
    return [text(SourceKind.SYSTEM_PROMPT, 0), asked, *(text(kind, n) for n, kind in enumerate(kinds, 1))]


@pytest.mark.parametrize("begin", ["", ALPHABET], ids=["few letters", "every letter"])
def test_cost_of_a_decision_with_attribution(begin: str) -> None:
    """Print the median of attribution, of the rules, and of both.

    Where the content holds every letter, no value is ruled out by one that stands nowhere, and all of it is searched.
    """
    policy = parse_policy(json.dumps(BUNDLE))
    contents = conversation(begin)
    context = join_all(item.label for item in contents)
    spent: dict[str, list[float]] = {"index": [], "attribution": [], "rules": [], "together": []}
    for number in range(ROUNDS):
        call = CanonicalCall.of(
            "send",
            {
                "to": ["bob@example.com"],
                "cc": ["ann@example.com", "5-7" if number % 2 == 0 else "4-7"],
                "subject": f"the summary {number}",
                "body": f"what the model made of it {number} " * 10,
            },
        )
        begun = time.perf_counter_ns()
        index = ContentIndex(contents, context)
        indexed = time.perf_counter_ns()
        found = attribute_in(call.arguments(), index)
        attributed = time.perf_counter_ns()
        request = DecisionRequest(
            principal=Principal(agent="bench"),
            call=call,
            context=context,
            arguments={item.argument: item.label for item in found},
            methods={item.argument: item.method for item in found},
        )
        asked = time.perf_counter_ns()
        decision = policy.decide(request)
        decided = time.perf_counter_ns()
        assert "ok" in decision.rules or number % 2
        for name, elapsed in (
            ("index", indexed - begun),
            ("attribution", attributed - indexed),
            ("rules", decided - asked),
            ("together", decided - begun),
        ):
            spent[name].append(elapsed / 1000)
    print("\nevery letter:" if begin else "\nfew letters:")
    for name, values in spent.items():
        print(f"  {name:12} p50 {statistics.median(values):7.1f} us")
