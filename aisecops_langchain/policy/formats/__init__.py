"""Constraints that parse an argument as its consumer will: one module per family.

Invariant: building a test may refuse an operand; a built test is pure, bounded in time by the length of its input,
and reports neither the value nor any part of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from pydantic import JsonValue

from aisecops_langchain.policy.formats.amounts import decimal, money
from aisecops_langchain.policy.formats.base import Accepts
from aisecops_langchain.policy.formats.mail import email_domain
from aisecops_langchain.policy.formats.paths import path_under
from aisecops_langchain.policy.formats.schema import schema
from aisecops_langchain.policy.formats.shell import shell_words
from aisecops_langchain.policy.formats.sql import sql
from aisecops_langchain.policy.formats.urls import url

FORMATS: Final[Mapping[str, Callable[[JsonValue], Accepts]]] = {
    "path_under": path_under,
    "url": url,
    "email_domain": email_domain,
    "shell_words": shell_words,
    "sql": sql,
    "decimal": decimal,
    "money": money,
    "schema": schema,
}
"""Builders by the name of the constraint."""

__all__ = ["FORMATS"]
