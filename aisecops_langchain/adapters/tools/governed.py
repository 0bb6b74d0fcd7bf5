"""LangChain tools as the governor sees them: a name, a definition digest and one canonical form of arguments.

Invariant: what comes out of ``canonical_arguments`` is exactly what the tool will be run with. A tool for which that
cannot be promised is refused when the graph is built, and arguments for which it cannot be promised when they come.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, cast

import orjson
from langchain_core.tools import BaseTool
from langchain_core.tools import tool as make_tool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel, ValidationError

from aisecops_langchain.adapters.tools.effects import declared_effects
from aisecops_langchain.adapters.tools.key_schema import without, without_key
from aisecops_langchain.canonical import JsonValue
from aisecops_langchain.domain.definition import ToolDefinition
from aisecops_langchain.domain.effects import ToolProfile
from aisecops_langchain.errors import CanonicalizationError, ConfigurationError, InvalidCallError
from aisecops_langchain.policy.formats.schema import compile_schema
from aisecops_langchain.policy.values import OperandError
from aisecops_langchain.runtime.governor import Governor

_SYNTHETIC: Final = frozenset({"args", "kwargs"})
"""Fields that pydantic makes up for variadic functions; LangChain does not pass their defaults."""

_QUOTED_NAME: Final = re.compile(r"([\"'`])([A-Za-z_][A-Za-z0-9_]{0,39})\1")
"""A plain name between quotes: how documentation spells the keys and constants of a nested argument."""


class GovernedTool:
    """A LangChain tool under governance; implements ``runtime.ports.ToolContract``.

    Args:
        tool: The tool.

    Raises:
        ConfigurationError: If its arguments cannot be bound to a permit.
    """

    def __init__(self, tool: BaseTool) -> None:
        self.tool = tool
        self._seen: tuple[object, ...] = ()
        declared = declared_effects(tool)
        self.key_argument: str | None = declared.idempotency_key if declared else None
        """The argument that the runtime fills with the key of the effect; no part of what a model may pass."""
        self._read()

    @property
    def name(self) -> str:
        """The name under which models and policy know the tool."""
        return self.tool.name

    @property
    def description(self) -> str:
        """What the tool says of itself."""
        return self.tool.description

    @property
    def documented_names(self) -> frozenset[str]:
        """Names that the tool's documentation and schema give to keys and constants inside its arguments."""
        return self._documented

    @property
    def shown(self) -> BaseTool | dict[str, Any]:
        """The tool as models are to know it."""
        if self.key_argument is None:
            return self.tool
        described = convert_to_openai_tool(self.tool)
        function = described["function"]
        return {**described, "function": {**function, "parameters": without(function["parameters"], self.key_argument)}}

    def hide_key(self, argument: str | None) -> None:
        """Leave the argument that takes the idempotency key to the runtime.

        Args:
            argument: Its name; ``None`` if the tool takes no key.

        Raises:
            ConfigurationError: If the tool has no such argument, or cannot do without it in its schema.
        """
        self.key_argument = argument
        self._read()

    @property
    def profile(self) -> ToolProfile | None:
        """What the tool's own code declares."""
        return declared_effects(self.tool)

    @property
    def argument_names(self) -> frozenset[str] | None:
        """Names of the arguments that a call may pass; ``None`` if the tool takes any."""
        if isinstance(self._schema, dict):
            properties = self._schema.get("properties")
            return frozenset(properties) if isinstance(properties, dict) else None
        return self._known

    def definition(self) -> str:
        """Return the digest of name, description and schema as they are now."""
        self._read()
        return self._digest

    def describe(self) -> ToolDefinition:
        """Return name, description and schema as they are now."""
        self._read()
        return self._definition

    def _read(self) -> None:
        """Read the tool's definition, again if it changed since it was last read."""
        tool = self.tool
        schema = tool.args_schema
        shape = orjson.dumps(schema) if isinstance(schema, dict) else schema  # a dict could change in place
        seen = (tool.name, tool.description, shape, self.key_argument)
        if seen == self._seen:
            return
        own = self._schema = _argument_schema(tool)
        if self.key_argument is not None:
            self._schema = without_key(tool.name, own, self.key_argument)
        self._known = None if isinstance(self._schema, dict) else _known_names(self._schema)
        self._check_json = _json_schema_check(tool.name, self._schema) if isinstance(self._schema, dict) else None
        described = own if isinstance(own, dict) else own.model_json_schema()  # whole: as it was pinned
        self._documented = frozenset(_documented([tool.description, described]))
        self._definition = _defined(tool, described)
        self._digest = self._definition.digest
        self._seen = seen

    def canonical_arguments(self, raw: Mapping[str, object]) -> dict[str, JsonValue]:
        """Pass raw arguments through the tool's schema once.

        Args:
            raw: What the model proposed.

        Returns:
            Plain JSON arguments, coerced and with defaults; passing them through again changes nothing.

        Raises:
            InvalidCallError: If an argument is unknown, missing or refused by the schema.
            CanonicalizationError: If the arguments have no stable JSON form.
        """
        if self._check_json is not None:
            self._check_json(raw)
            return dict(cast("Mapping[str, JsonValue]", raw))
        self._refuse_unknown(raw)
        schema = cast("type[BaseModel]", self._schema)
        parsed = self._parse(schema, raw)
        absent = {name for name in _SYNTHETIC if name in schema.model_fields and name not in raw}
        # The comparison below says what pydantic would warn of.
        try:
            arguments: dict[str, JsonValue] = parsed.model_dump(
                mode="json", by_alias=True, exclude=absent or None, warnings=False
            )
        except (ValueError, RecursionError) as error:
            raise CanonicalizationError(
                f"arguments of {self.name} cannot be written as JSON", expected="JSON values", got=type(error).__name__
            ) from None
        if self._parse(schema, arguments) != parsed:
            raise CanonicalizationError(
                f"arguments of {self.name} do not survive being written as JSON",
                expected="a schema whose values read back equal from their JSON form",
                remedy="use plain JSON types in the tool's schema",
            )
        return arguments

    def _refuse_unknown(self, raw: Mapping[str, object]) -> None:
        known = self._known
        if known is None:
            return
        unknown = [name for name in raw if name not in known]
        if unknown:
            raise InvalidCallError(
                f"unknown argument for {self.name}",
                expected=", ".join(sorted(known)) or "no arguments",
                got=f"{len(unknown)} argument(s) that the tool does not declare",
            )

    def _parse(self, schema: type[BaseModel], raw: Mapping[str, object]) -> BaseModel:
        try:
            return schema.model_validate(dict(raw))
        except ValidationError as error:
            found = error.errors(include_input=False, include_url=False, include_context=False)
            faults = "; ".join(f"{_where(item['loc'], self._known)}: {item['type']}" for item in found[:5])
            raise InvalidCallError(
                f"arguments refused by the schema of {self.name}", expected="arguments that fit the schema", got=faults
            ) from None
        except RecursionError:
            raise InvalidCallError(f"arguments of {self.name} are nested too deeply") from None


def toolbox(tools: Sequence[BaseTool | Callable[..., Any]]) -> dict[str, GovernedTool]:
    """Put tools under governance.

    Args:
        tools: LangChain tools, or functions to make tools of.

    Returns:
        The governed tools by name.

    Raises:
        ConfigurationError: If two tools share a name, or one of them cannot be governed.
    """
    governed: dict[str, GovernedTool] = {}
    for item in tools:
        made = GovernedTool(item if isinstance(item, BaseTool) else make_tool(item))
        if made.name in governed:
            raise ConfigurationError("two tools share a name", expected="unique tool names", got=made.name)
        governed[made.name] = made
    return governed


def check_profiles(governor: Governor, tools: Mapping[str, GovernedTool]) -> None:
    """Refuse a profile with an argument that the tool does not have: the real one would go unwatched.

    Args:
        governor: Knows what policy says of the tools.
        tools: The governed tools.

    Raises:
        ConfigurationError: If a profile names an unknown argument.
    """
    for name, tool in tools.items():
        known = tool.argument_names
        profile = governor.profile(name, tool.profile)
        unknown = {*profile.targets, *profile.amounts, *profile.content} - (known or frozenset())
        if unknown and known is not None:
            raise ConfigurationError(
                f"the effect profile of {name} names arguments that the tool does not have",
                expected=", ".join(sorted(known)) or "no arguments",
                got=", ".join(sorted(unknown)),
                remedy="correct the tools section of the policy, or the tool's own declaration",
            )


def _defined(tool: BaseTool, described: dict[str, Any]) -> ToolDefinition:
    try:
        return ToolDefinition(name=tool.name, description=tool.description, parameters=described)
    except ValidationError as error:
        raise CanonicalizationError(
            f"the definition of {tool.name} is not plain JSON",
            expected="text and a JSON schema",
            got=str(error.errors(include_input=False)[0]["type"]),
        ) from None


def _documented(part: object) -> Iterator[str]:
    """Yield the quoted names in every text of a tool's definition."""
    if isinstance(part, str):
        yield from (found[2] for found in _QUOTED_NAME.finditer(part))
    elif isinstance(part, dict):
        for key, item in part.items():
            if key == "description" or not isinstance(item, str):
                yield from _documented(item)
    elif isinstance(part, list):
        for item in part:
            yield from _documented(item)


def _argument_schema(tool: BaseTool) -> type[BaseModel] | dict[str, Any]:
    """Find the schema that decides what the model may pass: all arguments but the injected ones."""
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


def _known_names(schema: type[BaseModel]) -> frozenset[str] | None:
    """Names that a call may use; ``None`` if the tool itself declares that it takes any."""
    if schema.model_config.get("extra") == "allow":
        return None
    names = set(schema.model_fields)
    for field in schema.model_fields.values():
        names.update(alias for alias in (field.alias, field.validation_alias) if isinstance(alias, str))
    return frozenset(names)


def _where(location: tuple[int | str, ...], known: frozenset[str] | None) -> str:
    """Name the place of a fault by declared names only; undeclared keys are an attacker's words."""
    top = str(location[0]) if location else "arguments"
    return top if known is not None and top in known else "arguments"


def _json_schema_check(name: str, schema: dict[str, Any]) -> Callable[[Mapping[str, object]], None]:
    """Compile a JSON schema, closed against undeclared arguments unless it opens itself.

    Whoever wrote the schema may be an attacker: it is compiled only if nothing has to be fetched for it, nothing in it
    leads back to itself and its patterns run in linear time.
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
