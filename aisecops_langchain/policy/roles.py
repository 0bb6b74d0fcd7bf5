"""How far the arguments of a role (targets, amounts, content) may be trusted: the meet over those that are there.

Invariant: a role is never more trusted than its least trusted argument. An argument without a label has the context's;
a role without any argument in the call has the context's, too, and every argument of an undeclared tool is a target.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import JsonValue

from aisecops_langchain.domain.decision import DecisionRequest
from aisecops_langchain.domain.effects import UNDECLARED, ToolProfile
from aisecops_langchain.domain.labels import Confidentiality, Integrity, highest, least


def integrity_of(
    names: tuple[str, ...], profile: ToolProfile, arguments: Mapping[str, JsonValue], request: DecisionRequest
) -> Integrity:
    """Return the least integrity of the arguments of a role.

    Args:
        names: Arguments that the tool's profile gives the role.
        profile: The profile; the undeclared one makes targets of all arguments.
        arguments: The call's arguments; null means absent.
        request: Supplies the labels.

    Returns:
        The least of them, or the context's where there are none.
    """
    present: Iterable[str] = arguments if profile is UNDECLARED else names
    labels = request.arguments
    found = [
        labels[name].integrity if name in labels else request.context.integrity
        for name in present
        if arguments.get(name) is not None
    ]
    return least(found) if found else request.context.integrity


def confidentiality_of(request: DecisionRequest) -> Confidentiality:
    """Return the highest confidentiality of any argument; the context's where none is labelled."""
    levels = [label.confidentiality for label in request.arguments.values()]
    return highest(levels) if levels else request.context.confidentiality
