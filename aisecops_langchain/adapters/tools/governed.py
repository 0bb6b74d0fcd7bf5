"""LangChain tools as the governor sees them: a name, a definition digest and one canonical form of arguments.

Invariant: what comes out of ``canonical_arguments`` is exactly what the tool will be run with. A tool for which that
cannot be promised is refused when the graph is built, and arguments for which it cannot be promised when they come.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

import orjson
from langchain_core.tools import BaseTool
from langchain_core.tools import tool as make_tool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel, ValidationError

from aisecops_langchain.adapters.tools.effects import declared_effects
from aisecops_langchain.adapters.tools.key_schema import without, without_key
from aisecops_langchain.adapters.tools.schemas import (
    argument_schema,
    canonical_names,
    defined,
    documented,
    json_schema_check,
    known_names,
    place_of,
    varying_defaults,
)
from aisecops_langchain.canonical import JsonValue
from aisecops_langchain.domain.definition import ToolDefinition
from aisecops_langchain.domain.effects import ToolProfile
from aisecops_langchain.errors import CanonicalizationError, ConfigurationError, InvalidCallError
from aisecops_langchain.runtime.governor import Governor

_SYNTHETIC: Final = frozenset({"args", "kwargs"})
"""Fields that pydantic makes up for variadic functions; LangChain does not pass their defaults."""


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
        """Names of the arguments in canonical calls, by which policy knows them; ``None`` if the tool takes any."""
        if isinstance(self._schema, dict):
            properties = self._schema.get("properties")
            return frozenset(properties) if isinstance(properties, dict) else None
        return None if self._known is None else canonical_names(self._schema)

    @property
    def varying_defaults(self) -> tuple[str, ...]:
        """Names of the arguments whose default is another one each time; a call that leaves them out never runs."""
        return () if isinstance(self._schema, dict) else varying_defaults(self._schema)

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
        own = self._schema = argument_schema(tool)
        if self.key_argument is not None:
            self._schema = without_key(tool.name, own, self.key_argument)
        self._known = None if isinstance(self._schema, dict) else known_names(self._schema)
        self._check_json = json_schema_check(tool.name, self._schema) if isinstance(self._schema, dict) else None
        described = own if isinstance(own, dict) else own.model_json_schema()  # whole: as it was pinned
        self._documented = frozenset(documented([tool.description, described]))
        self._definition = defined(tool, described)
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
            faults = "; ".join(f"{place_of(item['loc'], self._known)}: {item['type']}" for item in found[:5])
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
        made = GovernedTool(item if isinstance(item, BaseTool) else _made(item))
        if made.name in governed:
            raise ConfigurationError("two tools share a name", expected="unique tool names", got=made.name)
        governed[made.name] = made
    return governed


def _made(function: Callable[..., Any]) -> BaseTool:
    """Make a tool of a function; LangChain takes more, and says less where it takes something for what it is not."""
    if not callable(function):
        raise ConfigurationError(
            "this is no tool", expected="a LangChain tool, or a function", got=type(function).__name__
        )
    try:
        return make_tool(function)
    except ValueError as error:
        shown = getattr(function, "__name__", type(function).__name__)
        raise ConfigurationError(
            f"no tool can be made of {shown}",
            expected="a function with a docstring and typed arguments",
            got=str(error),
        ) from error


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
