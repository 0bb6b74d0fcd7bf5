"""A DuckDB that can read the segments of one log and nothing else.

Invariant: before the first question the engine is locked: no file but the segments, no network, no extension, no
variable of this process, no setting can be reached, and a question is one SELECT or it is not asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

import duckdb

from aisecops_langchain.audit.layout import segment_paths
from aisecops_langchain.errors import QueryError
from aisecops_langchain.forensics.sql.views import create_views, quoted

_WILD: Final = frozenset("*?[]")
_SHOWN: Final = 300
_FETCH: Final = 1024

_START: Final[dict[str, str | bool | int | float | list[str]]] = {
    "python_enable_replacements": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "temp_directory": "",
}
MEMORY: Final = "165MB"
"""What a question may use; it fails beyond that, since nothing is put on disk."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a question."""

    columns: tuple[str, ...]
    rows: Iterator[tuple[object, ...]]
    """Can be read once, while the engine is open."""


class LogQuery:
    """An engine over one log; close it, or use it in a ``with``.

    Args:
        log: The log directory, or one segment file.
        output: A file that ``export`` may make.
        folder: A folder in which statements of our own may make files.
        memory: What a question may use.

    Raises:
        QueryError: If there is no log, or its path holds a wildcard.
    """

    def __init__(
        self, log: Path, *, output: Path | None = None, folder: Path | None = None, memory: str = MEMORY
    ) -> None:
        self._output = output.absolute() if output is not None else None
        self._folder = folder.absolute() if folder is not None else None
        self._memory = memory
        paths = [path.absolute() for path in (segment_paths(log) if log.is_dir() else [log])]
        if not paths or any(_WILD & set(str(path)) for path in paths):
            raise QueryError(
                "the log cannot be asked", expected="at least one segment, in a path without *, ?, [ and ]"
            )
        self.paths: Final = tuple(paths)
        self._db = duckdb.connect(":memory:", config=_START)
        self._lock()

    def __enter__(self) -> LogQuery:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give everything back."""
        self._db.close()

    def ask(self, question: str) -> Answer:
        """Ask a question.

        Args:
            question: One SELECT over the views.

        Returns:
            The answer.

        Raises:
            QueryError: If it is not one SELECT, or cannot be answered.
        """
        return self.trusted(self._select(question))

    def export(self, question: str) -> None:
        """Write the answer to a question into the output file, as Parquet.

        Args:
            question: One SELECT over the views.

        Raises:
            QueryError: If it is not one SELECT, cannot be answered or written, or there is something at that place.
        """
        if self._output is None or self._output.exists():
            raise QueryError("the answer cannot be written", expected="a path where nothing is yet")
        place = quoted(str(self._output))
        # The newline ends a comment in which the question may end.
        self.trusted(f"COPY ({self._select(question)}\n) TO {place} (FORMAT parquet, USE_TMP_FILE false)")

    def trusted(self, statement: str) -> Answer:
        """Run a statement of our own.

        Args:
            statement: SQL that holds nothing of others but a checked question.

        Returns:
            The answer.

        Raises:
            QueryError: If it cannot be answered.
        """
        try:
            cursor = self._db.execute(statement)
            columns = tuple(str(column[0]) for column in cursor.description or ())
        except duckdb.Error as error:
            raise _failure(error) from None
        return Answer(columns, self._rows(cursor))

    @staticmethod
    def _rows(cursor: duckdb.DuckDBPyConnection) -> Iterator[tuple[object, ...]]:
        try:
            while rows := cursor.fetchmany(_FETCH):
                yield from rows
        except duckdb.Error as error:
            raise _failure(error) from None

    def _select(self, question: str) -> str:
        try:
            statements = self._db.extract_statements(question)
        except duckdb.Error as error:
            raise _failure(error) from None
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise QueryError(
                "only one SELECT can be asked",
                expected="one SELECT",
                got=", ".join(str(statement.type).rpartition(".")[2] for statement in statements) or "nothing",
            )
        return statements[0].query.rstrip().rstrip(";")

    def _lock(self) -> None:
        reach = [*self.paths, *([self._output] if self._output is not None else [])]
        allowed = ", ".join(quoted(str(path)) for path in reach)
        folders = quoted(f"{self._folder}/") if self._folder is not None else ""
        try:
            for statement in (
                *create_views(self.paths),
                f"SET memory_limit = '{self._memory}'",
                "SET allocator_bulk_deallocation_flush_threshold = '8MB'",  # give back the buffers of a scan at its end
                "SET enable_progress_bar = false",
                "SET threads = 2",
                "SET preserve_insertion_order = false",
                "SET TimeZone = 'UTC'",
                f"SET allowed_paths = [{allowed}]",
                f"SET allowed_directories = [{folders}]",
                "SET enable_external_access = false",
                "SET lock_configuration = true",
            ):
                self._db.execute(statement)
        except duckdb.Error as error:
            self.close()
            raise _failure(error) from None


def _failure(error: duckdb.Error) -> QueryError:
    first = str(error).strip().partition("\n")[0][:_SHOWN]
    return QueryError("the question cannot be answered", expected="SQL over the views of the log", got=first)
