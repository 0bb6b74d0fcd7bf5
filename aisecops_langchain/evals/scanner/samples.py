"""Labelled texts to judge the scanner with.

Invariant: a file is read whole or not at all; a line that is not as described is an error that names it, since a
figure over the lines that happened to be readable would be no figure.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from aisecops_langchain.domain.labels import SourceKind
from aisecops_langchain.errors import ConfigurationError
from aisecops_langchain.sanitize.bulk import Piece

ATTACK: Final = "attack"
BENIGN: Final = "benign"


def _channel(value: object) -> object:
    return SourceKind.USER_PROMPT.value if value == "prompt" else value


class _Line(BaseModel):
    model_config = ConfigDict(extra="ignore")

    id: str
    source: str
    channel: Annotated[SourceKind, BeforeValidator(_channel)] = SourceKind.TOOL_RESULT
    label: Literal["attack", "benign"]
    text: str


class Sample(NamedTuple):
    """One labelled text."""

    id: str
    source: str
    """The corpus that it is from."""
    attack: bool
    piece: Piece


def read_samples(path: Path) -> list[Sample]:
    """Read labelled texts.

    Args:
        path: JSON lines ``{id, source, channel, label, text}``; ``label`` is ``attack`` or ``benign``, ``channel`` is
            ``prompt`` or the name of a door.

    Returns:
        The samples.

    Raises:
        ConfigurationError: If the file cannot be read, holds no sample, or a line is not as described.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise ConfigurationError("the samples cannot be read", got=type(error).__name__) from error
    samples = [_sample(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not samples:
        raise ConfigurationError("there are no samples", expected="one JSON object a line", got="an empty file")
    return samples


def _sample(number: int, raw: bytes) -> Sample:
    try:
        line = _Line.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(map(str, first["loc"]))
        raise ConfigurationError(
            f"line {number} of the samples is not as expected",
            expected="{id, source, channel, label, text} with label attack or benign",
            got=f"{field or 'line'}: {first['type']}",
        ) from None
    return Sample(line.id, line.source, line.label == ATTACK, Piece(line.text, line.channel))
