"""What questions to a large log cost: all runs at a glance against ``wc -l``, and one run by the index.

Run on demand (``make bench``); ``QUERY_EVENTS`` sets the size, 1,000,000 events of about 1 KB unless said.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "forensics"))

from trace_factory import governed_story

from aisecops_langchain.forensics.index import TraceIndex

EVENTS = int(os.environ.get("QUERY_EVENTS", "1000000"))
EVENT_BYTES = 960
ROUNDS = 3
SCAN = """
import resource, sys, time
from pathlib import Path
from aisecops_langchain.forensics.sql import overview_of_log
begun = time.perf_counter()
rows = overview_of_log(Path(sys.argv[1]))
print(len(rows), time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Many runs in one chained segment; heads are of no use to a reader that does not verify."""
    folder = tmp_path_factory.mktemp("large")
    bodies = [event.model_dump_json() for event in governed_story("TRACE").events]
    previous, count = "0" * 64, 0
    with (folder / "segment-20260101T000000000000-00000000.jsonl").open("wb") as file:
        while count < EVENTS:
            for body in bodies[: EVENTS - count]:
                named = body.replace("TRACE", f"{count // len(bodies):032x}")
                padding = "x" * max(0, EVENT_BYTES - len(named) - 90)
                line = f'{{"seq":{count},"prev":"{previous}",{named[1:-1]},"padding":"{padding}"}}'.encode()
                previous = sha256(line).hexdigest()
                file.write(line + b"\n")
                count += 1
    return folder


def count_lines(log: Path) -> float:
    (segment,) = log.glob("*.jsonl")
    spent = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        subprocess.run(["wc", "-l", str(segment)], check=True, capture_output=True)
        spent.append(time.perf_counter() - begun)
    return min(spent)


def test_all_runs_at_a_glance(log: Path) -> None:
    best, peak = float("inf"), 0.0
    for _ in range(ROUNDS):
        done = subprocess.run([sys.executable, "-c", SCAN, str(log)], check=True, capture_output=True, text=True)
        runs, seconds, memory = done.stdout.split()
        best, peak = min(best, float(seconds)), max(peak, float(memory))
    counting = count_lines(log)
    print(
        f"\n{EVENTS} events, {runs} runs: {best:.2f} s, {best / counting:.1f} x wc -l ({counting:.2f} s), {peak:.0f} MB"
    )
    assert peak < 200


def test_one_run_by_the_index(log: Path, tmp_path: Path) -> None:
    begun = time.perf_counter()
    index = TraceIndex(log, tmp_path)
    first = index.lines(f"{0:032x}")
    built = time.perf_counter() - begun
    spent = []
    for number in range(50):
        begun = time.perf_counter()
        lines = index.lines(f"{number:032x}")
        spent.append(time.perf_counter() - begun)
        assert len(lines) == len(first)
    spent.sort()
    print(f"\nindex of {EVENTS} events: built in {built:.1f} s; one run warm {spent[25] * 1000:.1f} ms in the median")
