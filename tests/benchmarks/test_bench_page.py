"""What a person waits for in Chromium: the list over a large log, and the views of a long run.

Run on demand (``make bench``); ``QUERY_EVENTS`` sets the size of the large log, 1,000,000 events unless said, and
``LONG_RUN_EVENTS`` that of the longest run, 100,000 unless said. Elapsed
time is the browser's own, from the request to the moment at which the page is complete, or drawn. On a busy machine the
processor time of the page and of this process, which is the server, says more.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from page_browser import Visit, running_chromium, visiting
from page_kit import long_run
from page_site import APPROVER, Served, serving
from playwright.sync_api import Browser
from test_bench_query import EVENTS, log  # noqa: F401 - a fixture

ROUNDS = 5
RUN_EVENTS = 2_000
LONG_RUN_EVENTS = int(os.environ.get("LONG_RUN_EVENTS", "100000"))
VIEWS = ("overview", "timeline", "graph", "arguments", "calls")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_chromium() as running:
        yield running


def measured(seen: Visit, path: str, wait_for: str) -> str:
    """Open a page again and again; tell the first time and the best of all."""
    session = seen.context.new_cdp_session(seen.page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    elapsed, page_cpu, server_cpu = [], [], []
    for _ in range(ROUNDS):
        seen.page.goto("about:blank")
        began = time.process_time()
        page = seen.go(path)
        page.locator(wait_for).first.wait_for()
        elapsed.append(page.evaluate("performance.now()"))
        server_cpu.append((time.process_time() - began) * 1000)
        metrics = {item["name"]: item["value"] for item in session.send("Performance.getMetrics")["metrics"]}
        page_cpu.append(metrics["TaskDuration"] * 1000)
    told = f"{elapsed[0]:.0f} ms at first, {min(elapsed):.0f} ms then"
    return f"{told}; of the processor {min(page_cpu):.0f} ms in the page, {min(server_cpu):.0f} ms in the server"


def test_the_list_over_a_large_log(browser: Browser, log: Path, tmp_path: Path) -> None:  # noqa: F811
    home = tmp_path / "home"
    home.mkdir()
    (home / "audit").symlink_to(log)
    with serving(home) as site, visiting(browser, site.base, APPROVER) as seen:
        print(f"\nlist over {EVENTS} events: {measured(seen, '/', 'tbody tr')}")


@pytest.mark.parametrize("view", VIEWS)
def test_a_long_run(browser: Browser, tmp_path: Path, view: str) -> None:
    home = long_run(tmp_path, events=RUN_EVENTS)
    with serving(home) as site, visiting(browser, site.base, APPROVER) as seen:
        told = measured(seen, f"/run?trace=long-run&view={view}", "[data-drawn]" if view == "graph" else "h1")
        print(f"\n{view} of a run of {RUN_EVENTS} events: {told}")


@pytest.fixture(scope="module")
def longest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(long_run(tmp_path_factory.mktemp("longest"), events=LONG_RUN_EVENTS)) as site:
        yield site


@pytest.mark.parametrize("view", VIEWS)
def test_a_run_that_is_read_beside_the_page(browser: Browser, longest: Served, view: str) -> None:
    """Print when the page says anything, when it shows the view, when it shows it again, and how large it is."""
    with visiting(browser, longest.base, APPROVER) as seen:
        began = time.perf_counter()
        page = seen.go(f"/run?trace=long-run&view={view}")
        first = time.perf_counter() - began
        page.locator(".tabs").wait_for()
        there = time.perf_counter() - began
        answer = page.reload()
        assert answer is not None
        again = page.evaluate("performance.now()") / 1000
        size = len(answer.body()) / 1024
        told = f"first word {first:.1f} s, there {there:.1f} s, again {again:.2f} s, {size:.0f} kB"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\n{view} of a run of {LONG_RUN_EVENTS} events: {told}; peak {peak:.0f} MB")
