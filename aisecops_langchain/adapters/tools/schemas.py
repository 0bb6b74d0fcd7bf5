"""What a tool's own schema says: which arguments there are, how they are checked, how the tool is defined.

Invariant: a schema is the tool's word, and perhaps an attacker's: it is used only where it can be checked by in full.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, cast

from langchain_core.tools import BaseTool
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from aisecops_langchain.canonical import JsonValue
from aisecops_langchain.domain.definition import ToolDefinition
from aisecops_langchain.errors import CanonicalizationError, ConfigurationError, InvalidCallError
from aisecops_langchain.policy.formats.schema import compile_schema
from aisecops_langchain.policy.values import OperandError

_QUOTED_NAME: Final = re.compile(r"([\"'`])([A-Za-z_][A-Za-z0-9_]{0,39})\1")
"""A plain name between quotes: how documentation spells the keys and constants of a nested argument."""


def defined(tool: BaseTool, described: dict[str, Any]) -> ToolDefinition:
    """Put a tool's definition together.

    Args:
        tool: The tool.
        described: Its parameters as a JSON schema.

    Raises:
        CanonicalizationError: If it is not plain JSON.
    """
    try:
        return ToolDefinition(name=tool.name, description=tool.description, parameters=described)
    except ValidationError as error:
        raise CanonicalizationError(
            f"the definition of {tool.name} is not plain JSON",
            expected="text and a JSON schema",
            got=str(error.errors(include_input=False)[0]["type"]),
        ) from None


def documented(part: object) -> Iterator[str]:
    """Yield the quoted names in every text of a tool's definition.

    Args:
        part: The definition, or a part of it.
    """
    if isinstance(part, str):
        yield from (found[2] for found in _QUOTED_NAME.finditer(part))
    elif isinstance(part, dict):
        for key, item in part.items():
            if key == "description" or not isinstance(item, str):
                yield from documented(item)
    elif isinstance(part, list):
        for item in part:
            yield from documented(item)


def argument_schema(tool: BaseTool) -> type[BaseModel] | dict[str, Any]:
    """Find the schema that decides what the model may pass: all arguments but the injected ones.

    Args:
        tool: The tool.

    Raises:
        ConfigurationError: If it has none that can be relied on.
    """
    full, callable_part = (
        tool.get_input_schema() if tool.args_schema is None else tool.args_schema,
        tool.tool_call_schema,
    )
    if isinstance(callable_part, dict):
        return callable_part
    if not (isinstance(full, type) and issubclass(full, BaseModel) and issubclass(callable_part, BaseModel)):
        raise ConfigurationError(
            f"tool {tool.name} cannot be governed",
            expected="a pydantic v2 or JSON schema",
            got=str(type(full).__name__),
        )
    if set(full.model_fields) == set(callable_part.model_fields):
        return full
    checks = full.__pydantic_decorators__
    if checks.field_validators or checks.model_validators or checks.validators or checks.root_validators:
        raise ConfigurationError(
            f"tool {tool.name} mixes injected arguments with validators of its own",
            expected="one or the other, since a validator could change arguments after they were approved",
            remedy="move the validation into the tool's body, or the injected argument out of the schema",
        )
    return callable_part


def known_names(schema: type[BaseModel]) -> frozenset[str] | None:
    """Return the names that a call may use; ``None`` if the tool itself declares that it takes any.

    Args:
        schema: The schema of its arguments.
    """
    if schema.model_config.get("extra") == "allow":
        return None
    names = set(schema.model_fields)
    for field in schema.model_fields.values():
        names.update(alias for alias in (field.alias, field.validation_alias) if isinstance(alias, str))
    return frozenset(names)


def canonical_names(schema: type[BaseModel]) -> frozenset[str]:
    """Return the names under which arguments stand in a canonical call: their aliases, where they have such.

    Args:
        schema: The schema of the arguments.
    """
    return frozenset(field.serialization_alias or name for name, field in schema.model_fields.items())


def varying_defaults(schema: type[BaseModel]) -> tuple[str, ...]:
    """Name the arguments whose default is another one each time, such as a random id: no permit can be for them.

    Args:
        schema: The schema of the arguments; their factories are called.
    """
    return tuple(name for name, field in schema.model_fields.items() if _varies(field))


def _varies(field: FieldInfo) -> bool:
    factory = cast("Callable[[], object] | None", field.default_factory)
    if factory is None or field.default_factory_takes_validated_data:
        return False
    try:
        return bool(factory() != factory())
    except Exception:  # noqa: BLE001 - a tool's own code; what it raises shows when the tool is called
        return False


def place_of(location: tuple[int | str, ...], known: frozenset[str] | None) -> str:
    """Name the place of a fault by declared names only; undeclared keys are an attacker's words.

    Args:
        location: Where pydantic found it.
        known: The declared names, if there are such.
    """
    top = str(location[0]) if location else "arguments"
    return top if known is not None and top in known else "arguments"


def json_schema_check(name: str, schema: dict[str, Any]) -> Callable[[Mapping[str, object]], None]:
    """Compile a JSON schema, closed against undeclared arguments unless it opens itself.

    Whoever wrote the schema may be an attacker: it is compiled only if nothing has to be fetched for it, nothing in it
    leads back to itself and its patterns run in linear time.

    Args:
        name: The tool's name.
        schema: Its schema.

    Returns:
        A check that raises ``InvalidCallError``.

    Raises:
        ConfigurationError: If arguments cannot be checked by it.
    """
    closed = schema if "additionalProperties" in schema else {**schema, "additionalProperties": False}
    try:
        accepts = compile_schema(closed, pointers=True)
    except OperandError as error:
        raise ConfigurationError(
            f"tool {name} has a JSON schema that arguments cannot be checked by", got=str(error)
        ) from None

    def check(raw: Mapping[str, object]) -> None:
        try:
            valid = accepts(cast("JsonValue", dict(raw)))
        except (ValueError, TypeError) as error:
            raise InvalidCallError(f"arguments of {name} are not JSON", got=type(error).__name__) from None
        if not valid:
            raise InvalidCallError(
                f"arguments refused by the schema of {name}", expected="arguments that fit the schema"
            )

    return check
