"""A few lines of a large segment, found by their numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from aisecops_langchain.audit.lines import GENESIS, hash_line, iter_lines, join_line
from aisecops_langchain.audit.span import lines_between

LINES = 3000


@pytest.fixture(scope="module")
def segment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lines of very different lengths, about 3 MB of them, and half a line behind them."""
    path = tmp_path_factory.mktemp("span") / "segment.jsonl"
    previous = GENESIS
    with path.open("wb") as file:
        for number in range(LINES):
            size = 300_000 if number % 700 == 350 else number % 97 * 10
            line = join_line(number, previous, b'{"kind":"x","text":"%s"}' % (b"y" * size))
            previous = hash_line(line)
            file.write(line + b"\n")
        file.write(b'{"seq":3000,"prev":"')
    return path


@pytest.mark.parametrize(
    ("first", "last"),
    [(0, 0), (0, 5), (1, 1), (349, 352), (350, 350), (1049, 1051), (2000, 2003), (2999, 2999), (2990, 5000), (0, 2999)],
)
def test_the_lines_are_those_of_a_reader_of_the_whole(segment: Path, first: int, last: int) -> None:
    whole = [line for line in iter_lines(segment) if line.complete]
    assert list(lines_between(segment, first, last)) == whole[first : last + 1]


def test_every_single_line_is_found_where_nothing_is_read_but_what_is_bisected(
    segment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aisecops_langchain.audit.span._CLOSE", 500)
    for number in range(0, LINES, 41):
        (found,) = lines_between(segment, number, number)
        assert found.data.startswith(b'{"seq":%d,' % number)


def test_numbers_that_are_not_there_give_nothing(segment: Path) -> None:
    assert list(lines_between(segment, 3000, 4000)) == []
    assert list(lines_between(segment, 10, 9)) == []


def test_a_file_of_garbage_ends(tmp_path: Path) -> None:
    path = tmp_path / "garbage.jsonl"
    path.write_bytes(b"no line of ours\n" * 100_000)
    assert list(lines_between(path, 5, 9)) == []
