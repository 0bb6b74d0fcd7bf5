"""A tool's schema without the argument that takes its idempotency key.

Invariant: nothing else of the schema changes, and a schema of which that cannot be promised is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, create_model

from aisecops_langchain.errors import ConfigurationError


def without_key(tool: str, schema: type[BaseModel] | dict[str, Any], argument: str) -> type[BaseModel] | dict[str, Any]:
    """Derive the schema of what a model may pass.

    Args:
        tool: The tool's name, for messages.
        schema: The schema of all that it takes.
        argument: The argument that the runtime fills in.

    Returns:
        The same schema without it.

    Raises:
        ConfigurationError: If there is no such argument of plain text, or a validator could look at it.
    """
    if isinstance(schema, dict):
        if argument not in schema.get("properties", {}):
            raise _no_key(tool, argument, "a tool without that argument")
        return without(schema, argument)
    field = schema.model_fields.get(argument)
    if field is None or field.annotation not in (str, str | None):
        raise _no_key(tool, argument, "a tool without that argument, or with one of another type")
    checks = schema.__pydantic_decorators__
    if checks.field_validators or checks.model_validators or checks.validators or checks.root_validators:
        raise _no_key(tool, argument, "a schema with validators of its own")
    kept: dict[str, Any] = {
        name: (item.annotation, item) for name, item in schema.model_fields.items() if name != argument
    }
    made: type[BaseModel] = create_model(
        schema.__name__, __config__=schema.model_config, __doc__=schema.__doc__, **kept
    )
    return made


def without(schema: Mapping[str, Any], argument: str) -> dict[str, Any]:
    """Derive a JSON schema that does not know an argument.

    Args:
        schema: The schema of an object.
        argument: The argument.

    Returns:
        The schema without it.
    """
    properties = {name: item for name, item in schema.get("properties", {}).items() if name != argument}
    required = [name for name in schema.get("required", ()) if name != argument]
    kept = {name: item for name, item in schema.items() if name not in ("properties", "required")}
    return {**kept, "properties": properties, **({"required": required} if required else {})}


def _no_key(tool: str, argument: str, got: str) -> ConfigurationError:
    return ConfigurationError(
        f"tool {tool} cannot take its idempotency key as {argument}",
        expected="an argument of type str, in a schema without validators",
        got=got,
        remedy="correct the tools section of the policy, or ask for current_idempotency_key() in the tool's body",
    )
