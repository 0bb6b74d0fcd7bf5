"""Canonical bytes and digests: one value, one byte string, one SHA-256.

Invariant: two values have the same canonical bytes exactly when they are the same JSON value. Anything that JSON
cannot say without loss (NaN, infinities, non-string keys, lone surrogates, integers beyond 64 bits, cycles) is
refused, never approximated, because a digest over an approximation would permit something that nobody approved.

The form is orjson with sorted keys over plain JSON types; numbers keep their JSON kind (``1`` and ``1.0`` differ).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from typing import Final, cast

import orjson
from pydantic import JsonValue

from aisecops_langchain.errors import CanonicalizationError

__all__ = [
    "MAX_DEPTH",
    "JsonValue",
    "canonical_bytes",
    "digest",
    "digest_bytes",
    "digest_text",
    "digest_texts",
    "fact_bytes",
]

MAX_DEPTH: Final = 64
"""Nesting beyond this is refused: no tool argument needs it, and recursion is an attack surface."""

_SCALARS: Final = frozenset({str, bool, type(None)})
_INT_MIN: Final = -(2**63)
_INT_MAX: Final = 2**64 - 1


def canonical_bytes(value: object) -> bytes:
    """Serialise a plain JSON value to its only canonical form.

    Args:
        value: ``None``, ``bool``, ``int`` (64 bit), finite ``float``, ``str``, or lists and string-keyed dicts of them.

    Returns:
        UTF-8 bytes, keys sorted, no white space.

    Raises:
        CanonicalizationError: If the value, or anything in it, is not such a value.
    """
    _require_json(value, depth=0)
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except (orjson.JSONEncodeError, RecursionError) as error:
        raise CanonicalizationError(
            "value has no canonical form", expected="text that is valid Unicode", got=type(error).__name__
        ) from error


def fact_bytes(facts: Mapping[str, str | int]) -> bytes:
    """Serialise flat facts to their canonical form; the short way for what our own types have checked already.

    Args:
        facts: Texts and 64-bit integers by name.

    Returns:
        The same bytes as ``canonical_bytes`` gives.

    Raises:
        CanonicalizationError: If a text is not valid Unicode.
    """
    try:
        return orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError as error:
        raise CanonicalizationError("facts have no canonical form", expected="valid Unicode") from error


def digest(domain: str, value: object) -> str:
    """Hash a JSON value under a domain, so that a digest of one kind can never stand for another.

    Args:
        domain: What the value is (``call``, ``plan``, ``policy`` ...).
        value: A plain JSON value.

    Returns:
        ``sha256:`` and 64 hexadecimal digits.

    Raises:
        CanonicalizationError: If the value is not plain JSON.
    """
    return digest_bytes(domain, canonical_bytes(value))


def digest_texts(domain: str, *texts: str) -> str:
    """Hash a row of texts under a domain; no two rows share their bytes.

    Args:
        domain: What they are.
        *texts: Any strings that are valid Unicode.

    Returns:
        ``sha256:`` and 64 hexadecimal digits.

    Raises:
        CanonicalizationError: If one of them holds a lone surrogate.
    """
    try:
        return digest_bytes(domain, orjson.dumps(texts))
    except orjson.JSONEncodeError as error:
        raise CanonicalizationError("text has no canonical form", expected="valid Unicode") from error


def digest_bytes(domain: str, data: bytes) -> str:
    """Hash raw bytes under a domain.

    Args:
        domain: What the bytes are.
        data: The bytes.

    Returns:
        ``sha256:`` and 64 hexadecimal digits.
    """
    return "sha256:" + hashlib.sha256(b"aisecops/" + domain.encode() + b"\0" + data).hexdigest()


def digest_text(domain: str, text: str) -> str:
    """Hash text under a domain; lone surrogates are kept apart rather than refused, since hostile text holds them.

    Args:
        domain: What the text is.
        text: Any string.

    Returns:
        ``sha256:`` and 64 hexadecimal digits.
    """
    return digest_bytes(domain, text.encode("utf-8", "surrogatepass"))


def _require_json(value: object, *, depth: int) -> None:
    """Refuse whatever orjson would coerce silently (NaN, dates, enums, dataclasses, subclasses, tuples)."""
    kind = type(value)
    if kind in _SCALARS:
        return
    if kind is dict or kind is list:
        if depth >= MAX_DEPTH:
            raise CanonicalizationError("value is nested too deeply", expected=f"at most {MAX_DEPTH} levels")
        _require_json_inside(cast("dict[object, object] | list[object]", value), depth=depth + 1)
        return
    _require_number(value)


def _require_json_inside(value: dict[object, object] | list[object], *, depth: int) -> None:
    items: Iterable[object] = value
    if isinstance(value, dict):
        for key in value:
            if type(key) is not str:
                raise CanonicalizationError("object key is not text", expected="str", got=type(key).__name__)
        items = value.values()
    for item in items:
        if type(item) not in _SCALARS:
            _require_json(item, depth=depth)


def _require_number(value: object) -> None:
    if type(value) is int:
        if not _INT_MIN <= value <= _INT_MAX:
            raise CanonicalizationError("integer is too large", expected="64 bits", got="more than 64 bits")
        return
    if type(value) is float:
        if not math.isfinite(value):
            raise CanonicalizationError("number is not finite", expected="a finite number", got=str(value))
        return
    raise CanonicalizationError("value is not plain JSON", expected="JSON types", got=type(value).__name__)
