"""``schema``: a JSON Schema that the argument, of whatever kind, must satisfy; and the schemas that tools come with.

Invariant: everything is settled when the schema is compiled: no reference leaves the schema, none leads back to itself,
patterns run in linear time, and nothing is fetched. Needs the extra ``mcp`` (jsonschema-rs).
"""

from __future__ import annotations

from typing import Final, NoReturn

from pydantic import JsonValue

from aisecops_langchain.policy.formats.base import Accepts
from aisecops_langchain.policy.values import OperandError

_MAX_UNFOLDED: Final = 10_000
_LOCAL: Final = "#/$defs/"
_ANYWHERE: Final = "#/"
_DYNAMIC: Final = frozenset(
    {"$dynamicRef", "$recursiveRef", "$dynamicAnchor", "$recursiveAnchor", "$anchor", "$id", "id"}
)


def schema(operand: JsonValue) -> Accepts:
    """Build the constraint.

    Args:
        operand: A JSON Schema.

    Returns:
        The test.

    Raises:
        OperandError: If it is not a sound, closed, non-recursive schema, or the extra is not installed.
    """
    if not isinstance(operand, dict) or not operand:
        raise OperandError("schema takes a JSON Schema: a mapping that is not empty")
    return compile_schema(operand)


def compile_schema(operand: dict[str, JsonValue], *, pointers: bool = False) -> Accepts:
    """Compile a JSON Schema, whoever wrote it.

    Args:
        operand: The schema.
        pointers: Whether a ``$ref`` may point anywhere into the schema, and not only below ``$defs``.

    Returns:
        The test.

    Raises:
        OperandError: If it is not a sound, closed, non-recursive schema, or the extra is not installed.
    """
    _require_closed(operand, pointers=pointers)
    try:
        import jsonschema_rs  # noqa: PLC0415 - an extra, needed only by bundles that name it
    except ImportError:
        raise OperandError("schema needs the extra 'mcp': pip install 'aisecops-langchain[mcp]'") from None
    try:
        validator = jsonschema_rs.validator_for(
            operand, retriever=_refuse, pattern_options=jsonschema_rs.RegexOptions(), validate_formats=False
        )
    except Exception as error:  # noqa: BLE001 - any fault means that the schema cannot be used
        raise OperandError(f"schema is not a sound JSON Schema ({type(error).__name__})") from None
    return lambda value: bool(validator.is_valid(value))


def _refuse(uri: str) -> NoReturn:  # noqa: ARG001 - named as its protocol names it
    raise OperandError("a schema may not fetch another")


def _require_closed(root: dict[str, JsonValue], *, pointers: bool) -> None:
    """Refuse what leaves the schema or leads back, and what would unfold to a giant by references to references."""
    start = _ANYWHERE if pointers else _LOCAL
    sizes: dict[str, int] = {}

    def unfolded(value: JsonValue, within: tuple[str, ...]) -> int:
        children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        size = 1
        for key, item in children:
            if key in _DYNAMIC and isinstance(item, str | bool):
                raise OperandError(f"schema uses {key}, which is refused; use $ref to '#/$defs/<name>'")
            size += referred(item, within) if key == "$ref" else unfolded(item, within)
        return size

    def referred(target: JsonValue, within: tuple[str, ...]) -> int:
        if not isinstance(target, str) or not target.startswith(start):
            raise OperandError(f"schema: a $ref must be '{start}<name>' of the same schema; others are refused")
        if target in within:
            raise OperandError("schema is recursive, which is refused")
        if target not in sizes:
            sizes[target] = unfolded(_pointed(root, target), (*within, target))
        return sizes[target]

    if unfolded(root, ()) > _MAX_UNFOLDED:
        raise OperandError(f"schema has more than {_MAX_UNFOLDED} entries once its references are unfolded")


def _pointed(root: JsonValue, target: str) -> JsonValue:
    """Follow a JSON pointer (RFC 6901) in its plain spelling; others could be read differently by the validator."""
    found = root
    for token in target.removeprefix("#/").split("/"):
        if not isinstance(found, dict) or token not in found or "%" in token or "~" in token:
            raise OperandError("schema: a $ref leads nowhere; others are refused")
        found = found[token]
    return found
