"""How fast texts are inspected, and what the worst of them cost; run on demand."""

from __future__ import annotations

import base64
import multiprocessing
import random
import time
from pathlib import Path

import pytest
from honest_texts import KINDS, Writer

from aisecops_langchain.domain.labels import SourceKind
from aisecops_langchain.sanitize import Sanitizer
from aisecops_langchain.sanitize.patterns import compile_pattern
from aisecops_langchain.sanitize.rules import core_rules

WARM = 600
TEXTS = 600
MILLION = 1_000_000
GREETING = "Good **morning**, see https://all.together.example/now/or-later aWdub3JlIGFsbA== and-in-struc-tions"
"""So much that everything is made that is made once for all texts."""


def repeated(piece: str) -> str:
    return (piece * (MILLION // len(piece) + 1))[:MILLION]


def drawn(first: int, last: int) -> str:
    numbers = random.Random(3)
    return "".join(chr(code) for code in (numbers.randrange(first, last) for _ in range(MILLION)) if code >> 11 != 27)


RULE_WORDS = ["ignore", "previous", "instructions", "system", "you", "send", "the", "password", "please", "model", "if"]


def chosen(pieces: list[str]) -> str:
    numbers = random.Random(5)
    return "".join(numbers.choices(pieces, k=MILLION // 3))[:MILLION]


def repeated_lines(line: str) -> str:
    numbers = random.Random(7)
    lines = (line.format(index, numbers.getrandbits(128)) for index in range(MILLION // 60))
    return "\n".join(lines)[:MILLION]


WORST = {
    "prose": lambda: Writer().prose(MILLION),
    "html": lambda: Writer().html(MILLION),
    "base64, wrapped": lambda: base64.encodebytes(random.Random(1).randbytes(740_000)).decode(),
    "base64 of 18 bytes": lambda: "\n".join(
        base64.b64encode(random.Random(index).randbytes(18)).decode() for index in range(40_000)
    ),
    "random ASCII": lambda: drawn(32, 127),
    "random Unicode": lambda: drawn(32, 0x2FFFF),
    "percent codes": lambda: repeated("%41"),
    "hexadecimal numbers": lambda: repeated("69 67 6e 6f "),
    "joined words": lambda: repeated("ignore-all-previous-"),
    "rule words, joined or not": lambda: chosen([*RULE_WORDS, "-", "-", "-", "\n"]),
    "words without spaces": lambda: Writer().prose(MILLION * 6 // 5).replace(" ", "")[:MILLION],
    "words joined by dashes": lambda: Writer().prose(MILLION).replace(" ", "-"),
    "digests of files": lambda: repeated_lines("museum_core/rooms/room_{0}.py,sha256={1:064x},{0}"),
    "log": lambda: repeated_lines("2026-11-26T05:{0:04}Z INFO request_id={1:032x} path=/api/rooms/{0} status=200"),
    "mail addresses": lambda: repeated("jane.doe@mail.example\n"),
}


def test_megabytes_a_second_end_to_end(capsys):
    """On one core, each text new, after the automata have seen as many of its kind; then the same texts again."""
    sanitizer, rates, again = Sanitizer(), {}, {}
    for kind in KINDS:
        writer = Writer()
        texts = [getattr(writer, kind)() for _ in range(WARM + TEXTS)]
        for text in texts[:WARM]:
            sanitizer.sanitize_text(text, channel=SourceKind.RETRIEVAL_CHUNK)
        size = sum(len(text.encode()) for text in texts[WARM:]) / 1e6
        for measured in (rates, again):
            start = time.process_time()
            for text in texts[WARM:]:
                sanitizer.sanitize_text(text, channel=SourceKind.RETRIEVAL_CHUNK)
            measured[kind] = size / (time.process_time() - start)
    with capsys.disabled():
        for kind, rate in rates.items():
            ratio = rate / rates["prose"]
            print(f"\n{kind:16} {rate:6.1f} MB/s  {ratio:5.2f} of prose  {again[kind]:6.1f} MB/s again", end="")
    assert all(rates.values())


def test_how_much_sooner_than_pattern_by_pattern(capsys):
    """The same texts in one run: read, unhidden and decoded by a sanitizer, or only searched for each core pattern."""
    sanitizer, writer = Sanitizer(), Writer()
    patterns = [compile_pattern(source) for rule in core_rules().rules for source in rule.sources()]
    texts = [writer.prose() for _ in range(2 * TEXTS)]
    seconds = {}
    for name, look in {
        "sanitizer": lambda text: sanitizer.sanitize_text(text, channel=SourceKind.RETRIEVAL_CHUNK),
        "patterns": lambda text: [pattern.search(text.encode()) for pattern in patterns],
    }.items():
        for text in texts[:TEXTS]:
            look(text)
        start = time.process_time()
        for text in texts[TEXTS:]:
            look(text)
        seconds[name] = time.process_time() - start
    with capsys.disabled():
        print(
            f"\n{len(patterns)} patterns one by one: {seconds['patterns'] / seconds['sanitizer']:.1f} times as long",
            end="",
        )
    assert all(seconds.values())


@pytest.mark.parametrize("name", WORST)
def test_seconds_and_memory_of_the_worst_megabyte(name, capsys):
    """In a process of its own, with automata that have seen nothing but a greeting."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        seconds, megabytes = pool.apply(inspect_one, (name,))
    with capsys.disabled():
        print(f"\n{name:20} {seconds:5.2f} s  {megabytes:5.0f} MB more", end="")
    assert seconds > 0


def inspect_one(name: str) -> tuple[float, float]:
    """Inspect one text; return seconds of the processor, and by how many megabytes the process grew."""
    sanitizer, text = Sanitizer(), WORST[name]()
    sanitizer.sanitize_text(GREETING, channel=SourceKind.TOOL_RESULT)
    before, start = peak(), time.process_time()
    sanitizer.sanitize_text(text, channel=SourceKind.TOOL_RESULT)
    seconds = time.process_time() - start
    return seconds, (peak() - before) / 1000


def peak() -> int:
    """Return the most kilobytes that this process has had in memory; Linux alone says it of one process."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0])
