"""The records that a segment keeps about itself, beside the events.

Invariant: they are lines of the same chain as the events. The opening record names the last known end of the segments
before it, so that one log spans rotations and restarts, and a missing segment is noticed by the next. What they name is
a segment's name and nothing else, so that no line of a log can lead a reader to another place.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

from pydantic import AwareDatetime, Discriminator, Field, TypeAdapter, ValidationError

from aisecops_langchain.audit.layout import SEGMENT_NAME
from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.errors import AuditFormatError

RECORD_KINDS: Final = frozenset({"segment_opened", "segment_closed"})

SegmentName: TypeAlias = Annotated[str, Field(pattern=f"^{SEGMENT_NAME}$")]


class ExpectedHead(Frozen):
    """A point of a log that someone keeps elsewhere: whoever holds it notices when the log is cut before it."""

    segment: SegmentName
    seq: int = Field(ge=0)
    head: str
    """Hash of line ``seq``."""


class PreviousEnd(ExpectedHead):
    """How far another segment reached when this one was opened."""

    ended: bool
    """Whether its writer was gone, so that it can never grow again."""


class RecoveredTail(Frozen):
    """A half-written line of a writer that died, moved out of its segment."""

    segment: SegmentName
    offset: int = Field(ge=0)
    """Where the segment ends now, in bytes."""
    bytes: int = Field(ge=1)
    """How many bytes were moved."""
    sha256: str
    """Hash of the moved bytes."""


class Writer(Frozen):
    """The process that wrote a segment."""

    pid: int


class SegmentOpened(Frozen):
    """First line of every segment."""

    kind: Literal["segment_opened"] = "segment_opened"
    v: Literal[1] = 1
    segment: SegmentName
    """Its own name: a renamed file is noticed."""
    time: AwareDatetime
    key_id: str
    """The key that signs its heads."""
    previous: tuple[PreviousEnd, ...] = ()
    recovered: tuple[RecoveredTail, ...] = ()
    writer: Writer


class SegmentClosed(Frozen):
    """Last line of a segment whose writer ended in order."""

    kind: Literal["segment_closed"] = "segment_closed"
    v: Literal[1] = 1
    segment: SegmentName
    time: AwareDatetime


SegmentRecord: TypeAlias = Annotated[SegmentOpened | SegmentClosed, Discriminator("kind")]

_ADAPTER: Final[TypeAdapter[SegmentRecord]] = TypeAdapter(SegmentRecord)


def parse_record(data: bytes) -> SegmentRecord:
    """Read one record from its JSON text.

    Args:
        data: The text, without its place in the chain.

    Returns:
        The record.

    Raises:
        AuditFormatError: If it is not a record of a kind and version known here.
    """
    try:
        return _ADAPTER.validate_json(data)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "line"
        raise AuditFormatError(
            "line is not a segment record", expected="one of " + ", ".join(sorted(RECORD_KINDS)), got=where
        ) from None


def is_record(body: bytes) -> bool:
    """Whether a body claims to be a segment's own record; they alone begin with their kind.

    Args:
        body: JSON text, without its place in the chain.

    Returns:
        True for a record; whether it is a good one, ``parse_record`` says.
    """
    return body.startswith(b'{"kind":"segment_')


def record_body(record: SegmentOpened | SegmentClosed) -> bytes:
    """Write a record as the JSON text that goes into the chain.

    Args:
        record: The record.

    Returns:
        Its JSON, without a place in the chain.
    """
    return record.model_dump_json().encode()
