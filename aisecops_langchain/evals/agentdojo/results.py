"""Results on disk: one JSON line for each finished run, so that a stopped evaluation goes on where it stopped.

Invariant: a home holds the results of one evaluation only, and one process at a time adds to them. Runs under other
options or another policy are refused, never mixed in. A torn last line, as a killed process leaves it, is cut off.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self

from pydantic import ValidationError

from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.errors import ConfigurationError
from aisecops_langchain.evals.agentdojo.cases import Case
from aisecops_langchain.evals.agentdojo.outcome import Outcome

RESULTS: Final = "results.jsonl"
MANIFEST: Final = "evaluation.json"


class Manifest(Frozen):
    """What every result in a home was made with."""

    format: Literal[1] = 1
    benchmark: str
    version: str
    """Version of this package."""
    planner: str
    approver: str
    attempts: str
    policies: dict[str, str]
    """Digest of the policy of each suite."""


class ResultStore:
    """The results in one home; use it in a ``with`` statement.

    Args:
        home: Directory of the evaluation; made if missing.
        manifest: What is being run.

    Attributes:
        outcomes: Every finished run.

    Raises:
        ConfigurationError: If the home holds another evaluation, is in use, or its results make no sense.
    """

    def __init__(self, home: Path, manifest: Manifest) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self._path = home / RESULTS
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            self._lock()
            _agree(home / MANIFEST, manifest, has_results=self._path.stat().st_size > 0)
            self.outcomes = self._read()
        except BaseException:
            os.close(self._file)
            raise

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Keep finished runs.

        Args:
            outcomes: What became of them.
        """
        lines = b""
        for outcome in outcomes:
            self.outcomes[outcome.case] = outcome
            lines += outcome.model_dump_json().encode() + b"\n"
        while lines:
            lines = lines[os.write(self._file, lines) :]

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigurationError(
                "another evaluation is running in this home",
                expected="one process at a time",
                got="a lock",
                remedy="wait for it, or pass another --home",
            ) from None

    def _read(self) -> dict[Case, Outcome]:
        data = self._path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        if len(whole) < len(data):
            os.ftruncate(self._file, len(whole))
        try:
            found = [Outcome.model_validate_json(line) for line in whole.splitlines()]
        except ValidationError as error:
            raise ConfigurationError(
                f"{RESULTS} makes no sense",
                expected="one finished run in each line",
                got=f"{error.error_count()} faults in one line",
                remedy="pass another --home",
            ) from None
        return {outcome.case: outcome for outcome in found}

    def close(self) -> None:
        """Let go of the home."""
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _agree(path: Path, manifest: Manifest, *, has_results: bool) -> None:
    """Make sure that a home is new, or was begun with the same manifest."""
    if not path.exists() and not has_results:
        made = path.with_suffix(".new")
        made.write_text(manifest.model_dump_json(indent=2), encoding="utf-8")
        made.replace(path)
        return
    try:
        found = Manifest.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise _other("a readable manifest", type(error).__name__) from None
    if found != manifest:
        before, now = found.model_dump(), manifest.model_dump()
        differing = [name for name in now if before[name] != now[name]]
        raise _other("the same options and policy", f"other {', '.join(differing)}")


def _other(expected: str, got: str) -> ConfigurationError:
    return ConfigurationError(
        "this home holds another evaluation",
        expected=expected,
        got=got,
        remedy="pass another --home, or repeat the options that it was begun with",
    )
