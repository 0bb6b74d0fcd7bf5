"""The layout of a log that was written as Parquet, and what is said of it beside the files.

Invariant: the Parquet files are derived from a log that verified; the manifest keeps that verification and how many
lines there must be, so that files that are missing or twice there are noticed. It proves nothing: the log does.
"""

from __future__ import annotations

from typing import Final, Literal

from pydantic import ValidationError

from aisecops_langchain.audit import VerifyReport
from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.errors import QueryError

EVENTS: Final = "events"
"""Folder of the Parquet files, one folder below it for each ``tenant=`` and in it one for each ``date=`` (UTC)."""

MANIFEST: Final = "manifest.json"

NOT_VERIFIED: Final = "the Parquet files were not verified, the log was when they were written"


class Manifest(Frozen):
    """What is said of the Parquet files of a log."""

    v: Literal[1] = 1
    lines: int
    """Events, repeated ones included."""
    opened: dict[str, str]
    """The opening record of each segment, by its name, as it stands in the log."""
    verified: VerifyReport
    """Of the log when it was written: its segments with the hashes of their last lines, and what is signed of them."""


def parse_manifest(data: bytes) -> Manifest:
    """Read a manifest.

    Args:
        data: Its JSON text.

    Returns:
        The manifest.

    Raises:
        QueryError: If it is none, or one of a log that did not verify.
    """
    try:
        manifest = Manifest.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "text"
        raise QueryError(
            f"{MANIFEST} cannot be read", expected="what aisecops parquet export wrote", got=where
        ) from None
    if not manifest.verified.ok:
        raise QueryError(f"{MANIFEST} is of a log that does not verify", expected="a log that verifies")
    return manifest
