"""Canonical bytes and digests: one value, one byte string, one SHA-256.

Invariant: two values have the same canonical bytes exactly when they are the same JSON value. Anything that JSON
cannot say without loss (NaN, infinities, non-string keys, lone surrogates, integers beyond 64 bits, cycles) is
refused, never approximated, because a digest over an approximation would permit something that nobody approved.

The form is orjson with sorted keys over plain JSON types; numbers keep their JSON kind (``1`` and ``1.0`` differ).
"""

from __future__ import annotations

import hashlib
import math
from typing import Final

import orjson
from pydantic import JsonValue as JsonValue

from aisecops_langchain.errors import CanonicalizationError

MAX_DEPTH: Final = 64
"""Nesting beyond this is refused: no tool argument needs it, and recursion is an attack surface."""

_SCALARS: Final = (str, bool, type(None))
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
    if kind is int:
        if not _INT_MIN <= value <= _INT_MAX:  # type: ignore[operator]
            raise CanonicalizationError("integer is too large", expected="64 bits", got="more than 64 bits")
        return
    if kind is float:
        if not math.isfinite(value):  # type: ignore[arg-type]
            raise CanonicalizationError("number is not finite", expected="a finite number", got=str(value))
        return
    if depth >= MAX_DEPTH:
        raise CanonicalizationError("value is nested too deeply", expected=f"at most {MAX_DEPTH} levels")
    if kind is list:
        for item in value:  # type: ignore[attr-defined]
            _require_json(item, depth=depth + 1)
        return
    if kind is dict:
        for key, item in value.items():  # type: ignore[attr-defined]
            if type(key) is not str:
                raise CanonicalizationError("object key is not text", expected="str", got=type(key).__name__)
            _require_json(item, depth=depth + 1)
        return
    raise CanonicalizationError("value is not plain JSON", expected="JSON types", got=kind.__name__)
