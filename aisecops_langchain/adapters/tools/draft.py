"""A first draft of a policy bundle from tools' names and schemas, for a person to review.

Invariant: the draft denies everything. It guesses from names, says so on every line, and where it cannot guess it
writes down the worst: irreversible, every argument a target, no field of any result trusted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from langchain_core.tools import BaseTool

from aisecops_langchain.adapters.tools.governed import GovernedTool, toolbox
from aisecops_langchain.domain.effects import ToolEffect, ToolProfile

_WORDS: Final = re.compile(r"[a-z]+")
_VERBS: Final[Mapping[ToolEffect, frozenset[str]]] = {
    ToolEffect.READ: frozenset(
        [
            "get",
            "read",
            "list",
            "search",
            "find",
            "fetch",
            "load",
            "check",
            "lookup",
            "look",
            "query",
            "show",
            "view",
            "count",
        ]
    ),
    ToolEffect.SEND: frozenset(
        ["send", "email", "mail", "post", "publish", "notify", "message", "reply", "forward", "upload", "share"]
    ),
    ToolEffect.SPEND: frozenset(
        ["pay", "buy", "order", "book", "reserve", "transfer", "purchase", "schedule", "refund", "charge"]
    ),
    ToolEffect.DELETE: frozenset(["delete", "remove", "cancel", "drop", "erase", "wipe", "purge"]),
    ToolEffect.EXECUTE: frozenset(["run", "execute", "eval", "start", "deploy", "restart", "exec", "call"]),
    ToolEffect.GRANT: frozenset(["grant", "invite", "share", "allow", "authorize", "permit", "add", "password"]),
    ToolEffect.WRITE: frozenset(
        [
            "create",
            "write",
            "update",
            "set",
            "append",
            "add",
            "edit",
            "change",
            "insert",
            "reschedule",
            "move",
            "rename",
            "save",
            "put",
            "note",
        ]
    ),
}
_AMOUNTS: Final = frozenset(["amount", "price", "sum", "total", "quantity", "count", "limit", "budget", "fee"])
_CONTENT: Final = frozenset(
    ["body", "content", "text", "subject", "title", "description", "message", "note", "summary", "comment"]
)
_TIMEOUT_SECONDS: Final = 60
_KEYS: Final = frozenset(["idempotency_key", "idempotency_token", "client_token"])


def propose_bundle(tools: Sequence[BaseTool | Callable[..., Any]], *, agent: str = "agent") -> str:
    """Write the draft of a bundle.

    Args:
        tools: LangChain tools, or functions to make tools of.
        agent: Name of the agent.

    Returns:
        YAML that loads, and denies every call.

    Raises:
        ConfigurationError: If a tool cannot be governed.
    """
    governed = toolbox(tools)
    names = ", ".join(_quoted(name) for name in sorted(governed))
    lines = [
        "# A draft, guessed from the names and schemas of the tools. Review every line marked so; until the last rule",
        "# is replaced, everything is denied.",
        "version: 1",
        "id: draft",
        f"agents: {{{_quoted(agent)}: {{capabilities: [all-tools]}}}}",
        "capabilities:",
        f"  all-tools: {{tools: [{names}], risk: high}}  # review: split by risk",
        "tools:",
        *(line for name in sorted(governed) for line in _tool(governed[name])),
        "rules:",
        "  - {id: deny-until-reviewed, effect: deny, tools: ['*']}  # review: replace",
    ]
    return "\n".join(lines) + "\n"


def _tool(tool: GovernedTool) -> Iterable[str]:
    profile = tool.profile or guessed(tool.name, sorted(tool.argument_names or ()))
    about = tool.description.strip().split("\n", 1)[0][:100]
    yield f"  {_quoted(tool.name)}:  # review: {''.join(letter for letter in about if letter.isprintable())}"
    yield f"    effects: [{', '.join(profile.effects)}]  # review"
    yield f"    reversible: {'true' if profile.reversible else 'false'}  # review"
    yield f"    timeout_seconds: {profile.timeout_seconds or _TIMEOUT_SECONDS:g}  # review: then its effect is unknown"
    if profile.idempotency_key is not None:
        yield f"    idempotency_key: {_quoted(profile.idempotency_key)}  # review: the runtime fills it in"
    for role, names in (("targets", profile.targets), ("amounts", profile.amounts), ("content", profile.content)):
        if names:
            yield f"    {role}: [{', '.join(map(_quoted, names))}]  # review"


def guessed(name: str, arguments: Sequence[str]) -> ToolProfile:
    """Guess a tool's profile from its name and those of its arguments.

    Args:
        name: The tool's name.
        arguments: Names of its arguments.

    Returns:
        The guess; every effect where the name says nothing.
    """
    key = next((item for item in arguments if item.casefold() in _KEYS), None)
    words = set(_WORDS.findall(name.casefold()))
    effects = tuple(effect for effect, verbs in _VERBS.items() if verbs & words)
    if len(effects) > 1 and ToolEffect.READ in effects:  # a doubtful name is taken for the worse
        effects = tuple(effect for effect in effects if effect is not ToolEffect.READ)
    amounts = tuple(item for item in arguments if _AMOUNTS & set(_WORDS.findall(item.casefold())))
    content = tuple(item for item in arguments if item not in amounts and item.casefold() in _CONTENT)
    targets = tuple(item for item in arguments if item not in (*amounts, *content, key))
    return ToolProfile(
        effects=effects or tuple(ToolEffect), targets=targets, amounts=amounts, content=content, idempotency_key=key
    )


def _quoted(name: str) -> str:
    return json.dumps(name, ensure_ascii=True)
