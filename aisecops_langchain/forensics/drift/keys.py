"""Names for recorded decisions that every policy at hand decides again alike.

Invariant: two events share a key only if their answers are the same, their requests are the same in all that one of
the policies can look at, and what the log shows of their calls is as good as that of the other.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Any, Final

import orjson

from aisecops_langchain.canonical import JsonValue
from aisecops_langchain.domain.effects import ToolProfile
from aisecops_langchain.forensics.drift.reads import reads_of
from aisecops_langchain.forensics.drift.recorded import Unknown, shown_call
from aisecops_langchain.policy import Policy

_REST: Final = ("decision", "argument_methods", "environment", "tool_profile", "task", "usage")


class Keys:
    """Makes keys.

    Args:
        policies: All policies that will be asked.
        whole: Whether every argument counts, since more than decisions is read off the calls.
    """

    def __init__(self, policies: Iterable[Policy], *, whole: bool) -> None:
        self._policies = tuple(policies)
        self._whole = whole
        self._looked: dict[bytes, frozenset[str] | None] = {}

    def of(self, fields: dict[str, JsonValue]) -> bytes:
        """Name a recorded decision.

        Args:
            fields: A ``decision_made`` event as plain JSON.

        Returns:
            The key. Of sources, policy sees the kinds alone.

        Raises:
            TypeError: Or ``KeyError``, ``AttributeError`` or ``ValueError``, if the event is not of the right shape.
        """
        known: dict[str, Any] = fields
        call = known["call"]
        parts = (
            known["policy"],
            known["principal"],
            self._call(known, call),
            _label(known["context"]),
            [(name, _label(item)) for name, item in known["argument_labels"].items()],
            [known.get(name) for name in _REST],
        )
        return sha256(orjson.dumps(parts)).digest()

    def _call(self, known: dict[str, Any], call: dict[str, Any]) -> object:
        tool, arguments = call["tool"], call["arguments"]
        looked = None if self._whole else self._looked_at(known, tool)
        if looked is None:
            return tool, call["digest"], arguments, call["complete"]
        shown = shown_call(tool, arguments, call["digest"], complete=call["complete"])
        hidden = shown if isinstance(shown, Unknown) else [name for name in arguments if name in shown[1]]
        return tool, hidden, list(arguments), {name: arguments[name] for name in arguments if name in looked}

    def _looked_at(self, known: dict[str, Any], tool: str) -> frozenset[str] | None:
        """Name the arguments whose values any policy looks at, for the agent or a delegator; ``None`` for all."""
        agents = [known["principal"]["agent"], *(link["agent"] for link in known["principal"].get("delegators", ()))]
        declared = known.get("tool_profile")
        place = orjson.dumps((agents, tool, declared))
        if place not in self._looked:
            profile = None if declared is None else ToolProfile.model_validate_json(orjson.dumps(declared))
            reads = [reads_of(policy, agent, tool, profile) for policy in self._policies for agent in agents]
            named = [item.arguments for item in reads if item.arguments is not None]
            self._looked[place] = frozenset().union(*named) if len(named) == len(reads) else None
        return self._looked[place]


def _label(label: dict[str, Any]) -> object:
    sources = label["sources"]
    kinds = sources[0]["kind"] if len(sources) == 1 else sorted({item["kind"] for item in sources})
    return label["integrity"], label["confidentiality"], kinds
