"""What the model proposes: canonical calls, where each argument came from, and the plan that binds them.

Invariant: a plan is a function of the calls and the context it was made in; changing any call, argument or
provenance gives another digest, and a call cannot be changed after it was made.
"""

from __future__ import annotations

from enum import StrEnum

import orjson
from pydantic import Field

from aisecops_langchain.canonical import JsonValue, canonical_bytes, digest, digest_bytes
from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.domain.effects import ToolProfile
from aisecops_langchain.domain.labels import Label, Source
from aisecops_langchain.domain.task import TaskScope


class Method(StrEnum):
    """How the value of an argument was traced."""

    VERBATIM = "verbatim"
    """It stands word for word in trusted words."""
    SPELLED = "spelled"
    """It stands there in another usual spelling: a date, a time, an amount, an account, an address."""
    FIELD = "field"
    """It is the value of a first-party field of a tool's result."""
    JOINED = "joined"
    """Its pieces were found in trusted places, by different methods or apart from each other."""
    UNTRUSTED = "untrusted"
    """It stands in untrusted content, which is named; it has the context's label."""
    CONTEXT = "context"
    """It was found nowhere; it has the context's label."""


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
        return cls(tool=tool, arguments_json=data, digest=digest_bytes("call", canonical_bytes(tool) + b"\0" + data))

    def arguments(self) -> dict[str, JsonValue]:
        """Return a fresh copy of the arguments; changing it does not change the call."""
        arguments: dict[str, JsonValue] = orjson.loads(self.arguments_json)
        return arguments


class ArgumentProvenance(Frozen):
    """Where the value of one argument came from, as far as it can be shown."""

    argument: str
    """Top-level argument name."""
    label: Label
    method: str
    """A value of ``Method``."""
    sources: frozenset[Source] = frozenset()
    """Where the value was found, trusted or not; none where it was found nowhere."""


class PlanStep(Frozen):
    """One proposed call, bound to the tool definition it was made against."""

    call_id: str
    call: CanonicalCall
    tool_definition: str
    """Digest of the tool's name, description and schema at planning time."""
    provenance: tuple[ArgumentProvenance, ...] = ()
    profile: ToolProfile | None = None
    """What the tool's own code declares; policy's declaration goes before it."""

    def argument_methods(self) -> dict[str, str]:
        """Return how every argument was traced, by name."""
        return {item.argument: item.method for item in self.provenance}

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
    task: TaskScope | None = None
    """What the user's words ask for, where policy wants to know."""
    digest: str = Field(default="")

    @classmethod
    def of(
        cls,
        *,
        plan_id: str,
        steps: tuple[PlanStep, ...],
        rejected: tuple[RejectedCall, ...],
        context: Label,
        task: TaskScope | None = None,
    ) -> ExecutionPlan:
        """Bind steps into a plan.

        Args:
            plan_id: Deterministic identity of the planning turn.
            steps: The well-formed calls.
            rejected: The malformed ones.
            context: Label of the model's whole context.
            task: What the user's words ask for.

        Returns:
            The plan with its digest.
        """
        bound: list[JsonValue] = [plan_id, context.integrity.value, [_bound(step) for step in steps]]
        named = digest("plan", bound if task is None else [*bound, task.digest])
        return cls(id=plan_id, steps=steps, rejected=rejected, context=context, task=task, digest=named)


def _bound(step: PlanStep) -> list[JsonValue]:
    origins: list[JsonValue] = [
        [item.argument, item.method, item.label.integrity.value, item.label.confidentiality.value]
        for item in step.provenance
    ]
    return [step.call_id, step.call.digest, step.tool_definition, origins]
