"""The older shape of Agent Inbox: what is asked and what is answered there, from and into the current one.

Invariant: a translation only; what does not fit the old shape is handed on as it is, and then counts as what it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_ALLOWS: Final = {"allow_accept": "approve", "allow_edit": "edit", "allow_respond": "respond", "allow_ignore": "reject"}


def ask_inbox(question: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Put a question into the older shape.

    Args:
        question: The question in the current shape, with one action.

    Returns:
        A list of one ``HumanInterrupt``, with our facts beside what the inbox reads.
    """
    (action,), (review,) = question["action_requests"], question["review_configs"]
    allowed = review["allowed_decisions"]
    return [
        {
            "action_request": {"action": action["name"], "args": action["args"]},
            "config": {name: decision in allowed for name, decision in _ALLOWS.items()},
            "description": action["description"],
            "aisecops": question["aisecops"],
        }
    ]


def read_inbox(answer: object) -> object:
    """Put an answer of the inbox into the current shape.

    Args:
        answer: Anything; ``[{"type": "accept" | "edit" | "response" | "ignore", "args": ...}]`` is understood.

    Returns:
        The same answer in the current shape, or what came if it is not of the older one.
    """
    if not isinstance(answer, list) or len(answer) != 1 or not isinstance(answer[0], Mapping):
        return answer
    found, args = answer[0].get("type"), answer[0].get("args")
    match found:
        case "accept":
            return {"decisions": [{"type": "approve"}]}
        case "ignore":
            return {"decisions": [{"type": "reject"}]}
        case "response":
            return {"decisions": [{"type": "respond", "message": args}]}
        case "edit" if isinstance(args, Mapping):
            edited = {"name": args.get("action"), "args": args.get("args")}
            return {"decisions": [{"type": "edit", "edited_action": edited}]}
        case _:
            return answer
