"""Ready-made rules: what a bundle's ``standard_rules`` and ``task_scope`` stand for, as ordinary rules.

Invariant: the expansion is a function of the bundle alone, so its digest covers it; the rules made here are evaluated,
explained and combined exactly like written ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pydantic import JsonValue

from aisecops_langchain.domain.decision import Effect
from aisecops_langchain.domain.effects import ToolEffect
from aisecops_langchain.policy.model import EVERY_TOOL, Bundle, Outside, Rule, StandardRule

TASK_SCOPE_RULE: Final = "standard.task-scope"

OUTWARD: Final = (ToolEffect.SEND, ToolEffect.SPEND, ToolEffect.GRANT, ToolEffect.EXECUTE)
"""Effects that can carry data out, or power."""

_OUTWARD: Final[list[JsonValue]] = [{"tool.effects": {"contains": effect.value}} for effect in OUTWARD]
_PRIVATE: Final[list[JsonValue]] = [
    {path: {"at_least": "confidential"}} for path in ("context.confidentiality", "arguments.confidentiality")
]
_STANDARD: Final[Mapping[StandardRule, Rule]] = {
    StandardRule.RULE_OF_TWO: Rule(
        id="standard.rule-of-two",
        effect=Effect.REQUIRE_APPROVAL,
        description="untrusted input, private data and an outward effect: never all three without a person",
        tools=(EVERY_TOOL,),
        when={
            "context.integrity": {"at_most": "untrusted"},
            "all": [{"any": _PRIVATE}, {"any": _OUTWARD}],
        },
    )
}
_EFFECTS: Final = {Outside.DENY: Effect.DENY, Outside.REQUIRE_APPROVAL: Effect.REQUIRE_APPROVAL}


def standard_rules(bundle: Bundle) -> tuple[Rule, ...]:
    """Expand the sections of a bundle that stand for rules.

    Args:
        bundle: The bundle.

    Returns:
        The rules, none of them written in the bundle.
    """
    made = [_STANDARD[name] for name in bundle.standard_rules]
    effect = _EFFECTS.get(bundle.task_scope.outside) if bundle.task_scope else None
    if effect is not None:
        made.append(
            Rule(
                id=TASK_SCOPE_RULE,
                effect=effect,
                description="the user's own words did not ask for this",
                tools=(EVERY_TOOL,),
                when={"task.in_scope": False},
            )
        )
    return tuple(made)


def with_standard_rules(bundle: Bundle) -> Bundle:
    """Derive the bundle that is evaluated: the written rules and the ready-made ones together.

    Args:
        bundle: As it was read.

    Returns:
        The same bundle with all rules spelled out.
    """
    return bundle.model_copy(update={"rules": (*bundle.rules, *standard_rules(bundle))})


def reads_task(bundle: Bundle) -> bool:
    """Tell whether any rule asks what the user's words ask for.

    Args:
        bundle: The bundle with all rules spelled out.

    Returns:
        Whether a condition names a path that begins with ``task.``.
    """
    return any(_names_task(dict(rule.when)) for rule in bundle.rules)


def _names_task(value: JsonValue) -> bool:
    if isinstance(value, dict):
        return any(key.startswith("task.") or _names_task(item) for key, item in value.items())
    return isinstance(value, list) and any(_names_task(item) for item in value)
