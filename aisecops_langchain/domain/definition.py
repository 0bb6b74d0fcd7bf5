"""What a tool says of itself to a model: its name, its description and the schema of its arguments.

Invariant: the digest covers every part that a model is shown, so two tools with the same digest read the same.
"""

from __future__ import annotations

from aisecops_langchain.canonical import JsonValue, digest
from aisecops_langchain.domain.base import Frozen


class ToolDefinition(Frozen):
    """A tool's definition as it stands at one moment."""

    name: str
    description: str
    parameters: dict[str, JsonValue]
    """JSON Schema of the arguments."""

    @property
    def digest(self) -> str:
        """Digest of all of it.

        Raises:
            CanonicalizationError: If the schema is no plain JSON, or is nested too deeply.
        """
        return digest("tool", {"name": self.name, "description": self.description, "schema": dict(self.parameters)})
