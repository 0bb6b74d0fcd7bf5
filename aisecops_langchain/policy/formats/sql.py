"""``sql``: one statement of an allowed kind over allowed tables.

Invariant: an accepted statement was parsed whole in the database's dialect and holds nothing but known harmless
syntax: every node of its tree is on a list, and so is every table and function. Comments, further statements,
backslashes and common table expressions are refused, because dialects and versions read them differently.
Needs the extra ``sql``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field, JsonValue, field_validator

from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.policy.formats.base import Accepts, each, read_options
from aisecops_langchain.policy.values import OperandError

if TYPE_CHECKING:
    from sqlglot.expressions import Expr

_LONGEST: Final = 10_000
_DIALECTS: Final = ("postgres", "mysql", "sqlite", "duckdb", "bigquery", "snowflake", "tsql", "oracle")
_KINDS: Final = {
    "select": frozenset({"Select", "Union", "Except", "Intersect"}),
    "insert": frozenset({"Insert"}),
    "update": frozenset({"Update"}),
    "delete": frozenset({"Delete"}),
}
_WRITES: Final = frozenset({"Insert", "Update", "Delete"})
# fmt: off
_HARMLESS: Final = frozenset(
    {
        "Select", "Union", "Except", "Intersect", "Insert", "Update", "Delete", "Subquery", "From", "Join",
        "Where", "Group", "Having", "Order", "Ordered", "Limit", "Offset", "Distinct", "Returning", "Schema",
        "Values", "Tuple", "Table", "TableAlias", "Alias", "Column", "Identifier", "Star", "Literal", "Boolean",
        "Null", "Placeholder", "And", "Or", "Not", "Paren", "EQ", "NEQ", "GT", "GTE", "LT", "LTE", "Is", "In",
        "Between", "Like", "ILike", "Exists", "Add", "Sub", "Mul", "Div", "Mod", "Neg", "Case", "If", "Cast",
        "DataType", "DataTypeParam", "Count", "Sum", "Min", "Max", "Avg", "Coalesce", "Lower", "Upper",
        "Length", "Round", "Abs", "Trim", "Substring", "Concat",
    }
)
# fmt: on
_BEGIN: Final = re.compile(r"\s*\(*\s*(select|insert|update|delete)\b", re.IGNORECASE)
_AMBIGUOUS: Final = ("--", "/*", "#", "\\", ";", "\0", "`", "$", "@", "{")


class SqlOptions(Frozen):
    """What an ``sql`` constraint takes."""

    dialect: str
    kinds: Annotated[tuple[str, ...], Field(min_length=1)]
    tables: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]
    """Tables as statements name them, with their schema where they do; letter case as written."""

    @field_validator("dialect")
    @classmethod
    def _known_dialect(cls, dialect: str) -> str:
        if dialect not in _DIALECTS:
            raise ValueError(f"must be one of {', '.join(_DIALECTS)}")
        return dialect

    @field_validator("kinds")
    @classmethod
    def _known_kinds(cls, kinds: tuple[str, ...]) -> tuple[str, ...]:
        if not set(kinds) <= _KINDS.keys():
            raise ValueError(f"must be some of {', '.join(_KINDS)}")
        return kinds


def sql(operand: JsonValue) -> Accepts:
    """Build the constraint.

    Args:
        operand: See ``SqlOptions``.

    Returns:
        The test.

    Raises:
        OperandError: If the operand is not that, or the extra is not installed.
    """
    options = read_options("sql", SqlOptions, operand)
    try:
        import sqlglot  # noqa: PLC0415 - an extra, needed only by bundles that name it
    except ImportError:
        raise OperandError("sql needs the extra 'sql': pip install 'aisecops-langchain[sql]'") from None
    roots = frozenset[str]().union(*(_KINDS[kind] for kind in options.kinds))
    tables = frozenset(options.tables)

    def allowed(value: str) -> bool:
        if not _BEGIN.match(value) or any(mark in value for mark in _AMBIGUOUS):
            return False
        statements = sqlglot.parse(value, dialect=options.dialect, error_level=sqlglot.ErrorLevel.IMMEDIATE)
        return len(statements) == 1 and statements[0] is not None and _harmless(statements[0], roots, tables)

    return each(allowed, longest=_LONGEST)


def _harmless(statement: Expr, roots: frozenset[str], tables: frozenset[str]) -> bool:
    if type(statement).__name__ not in roots:
        return False
    for node in statement.walk():
        kind = type(node).__name__
        if kind not in _HARMLESS or (kind in _WRITES and node is not statement):
            return False
        if kind in _WRITES and not _is_plain(node):
            return False
        if kind == "Table" and _table_name(node) not in tables:
            return False
    return True


def _is_plain(write: Expr) -> bool:
    """Whether a statement that writes says nothing beside its parts.

    To the parser, ``insert or replace`` and ``insert overwrite`` are inserts with a flag, and they take rows away.
    """
    held = {id(part) for part in write.iter_expressions()}
    values = (item for value in write.args.values() for item in (value if isinstance(value, list) else [value]))
    return all(not value or id(value) in held for value in values)


def _table_name(table: Expr) -> str | None:
    """Name a table as bundles list it; ``None`` for one with a dot in a part of its name, which reads as another."""
    parts = [part for key in ("catalog", "db", "this") if (part := table.text(key))]
    return None if any("." in part for part in parts) else ".".join(parts)
