"""Fields of a line, read strictly: the log is written about hostile content, and a line may have any shape.

Invariant: what is not there, or of another type, is an ``AuditFormatError`` and never a guess.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, cast

from aisecops_langchain.canonical import JsonValue
from aisecops_langchain.errors import AuditFormatError

Fields = dict[str, JsonValue]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def text(fields: Fields, name: str) -> str:
    """Read a text.

    Args:
        fields: The object that holds it.
        name: Its name.

    Returns:
        The text.

    Raises:
        AuditFormatError: If it is not there, or no text.
    """
    value = fields.get(name)
    if not isinstance(value, str):
        raise _malformed(name)
    return value


def part(fields: Fields, name: str) -> Fields:
    """Read an object inside another; arguments, returns and errors are as those of ``text``."""
    value = fields.get(name)
    if not isinstance(value, dict):
        raise _malformed(name)
    return value


def parts(fields: Fields, name: str) -> list[Fields]:
    """Read a list of objects; none where there is no list of that name. Errors are as those of ``text``."""
    value = fields.get(name, [])
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise _malformed(name)
    return cast("list[Fields]", value)


def moment(fields: Fields) -> int:
    """Read when an event happened.

    Args:
        fields: The event.

    Returns:
        Microseconds since the Unix epoch.

    Raises:
        AuditFormatError: If there is no time, or one without a zone.
    """
    try:
        return microseconds(datetime.fromisoformat(text(fields, "time")))
    except (ValueError, TypeError, OverflowError):
        raise _malformed("time") from None


def microseconds(time: datetime) -> int:
    """Count microseconds since the Unix epoch.

    Args:
        time: A time with a zone.
    """
    return (time - _EPOCH) // _MICROSECOND


def at(count: int) -> datetime:
    """Turn a reading of ``moment`` back into a time.

    Args:
        count: Microseconds since the Unix epoch.

    Returns:
        The time, in UTC.
    """
    return _EPOCH + timedelta(microseconds=count)


def _malformed(name: str) -> AuditFormatError:
    return AuditFormatError("line of the audit log makes no sense", expected=f"an event with {name}", got="another one")
