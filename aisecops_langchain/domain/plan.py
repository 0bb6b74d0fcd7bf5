"""What the model proposes: canonical calls, where each argument came from, and the plan that binds them.

Invariant: a plan is a function of the calls and the context it was made in; changing any call, argument or
provenance gives another digest, and a call cannot be changed after it was made.
"""

from __future__ import annotations

from typing import cast

import orjson
from pydantic import Field

from aisecops_langchain.canonical import JsonValue, canonical_bytes, digest, digest_bytes
from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.domain.labels import Label


class CanonicalCall(Frozen):
    """A tool call in its one canonical form: what is decided on, shown, hashed and run."""

    tool: str
    arguments_json: bytes
    """Canonical bytes of the arguments; bytes, so that nobody can change them in place."""
    digest: str

    @classmethod
    def of(cls, tool: str, arguments: dict[str, JsonValue]) -> CanonicalCall:
        """Make the canonical form of a call whose arguments already went through the tool's schema.

        Args:
            tool: The tool's name.
            arguments: Plain JSON arguments, defaults included.

        Returns:
            The call.

        Raises:
            CanonicalizationError: If an argument is not plain JSON.
        """
        data = canonical_bytes(arguments)
        return cls.model_construct(
            tool=tool, arguments_json=data, digest=digest_bytes("call", canonical_bytes(tool) + b"\0" + data)
        )

    def arguments(self) -> dict[str, JsonValue]:
        """Return a fresh copy of the arguments; changing it does not change the call."""
        return cast("dict[str, JsonValue]", orjson.loads(self.arguments_json))


class ArgumentProvenance(Frozen):
    """Where the value of one argument came from, as far as it can be shown."""

    argument: str
    """Top-level argument name."""
    label: Label
    method: str
    """``verbatim``: found in trusted content. ``context``: not found, so it takes the context's label."""


class PlanStep(Frozen):
    """One proposed call, bound to the tool definition it was made against."""

    call_id: str
    call: CanonicalCall
    tool_definition: str
    """Digest of the tool's name, description and schema at planning time."""
    provenance: tuple[ArgumentProvenance, ...] = ()

    def argument_labels(self) -> dict[str, Label]:
        """Return the label of every argument, by name."""
        return {item.argument: item.label for item in self.provenance}


class RejectedCall(Frozen):
    """A proposed call that never became a step: unknown tool, bad arguments, duplicate id."""

    call_id: str
    tool: str
    code: str
    message: str


class ExecutionPlan(Frozen):
    """All calls of one model turn, in the order proposed."""

    id: str
    steps: tuple[PlanStep, ...]
    rejected: tuple[RejectedCall, ...] = ()
    context: Label
    """Join of the labels of everything that the model saw when it proposed the plan."""
    digest: str = Field(default="")

    @classmethod
    def of(
        cls, *, plan_id: str, steps: tuple[PlanStep, ...], rejected: tuple[RejectedCall, ...], context: Label
    ) -> ExecutionPlan:
        """Bind steps into a plan.

        Args:
            plan_id: Deterministic identity of the planning turn.
            steps: The well-formed calls.
            rejected: The malformed ones.
            context: Label of the model's whole context.

        Returns:
            The plan with its digest.
        """
        bound: JsonValue = [plan_id, context.integrity.value, [_bound(step) for step in steps]]
        return cls(id=plan_id, steps=steps, rejected=rejected, context=context, digest=digest("plan", bound))


def _bound(step: PlanStep) -> list[JsonValue]:
    origins: list[JsonValue] = [
        [item.argument, item.method, item.label.integrity.value, item.label.confidentiality.value]
        for item in step.provenance
    ]
    return [step.call_id, step.call.digest, step.tool_definition, origins]
