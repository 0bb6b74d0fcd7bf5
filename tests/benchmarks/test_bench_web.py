"""What the replay server costs over a large log: the first reading, the list, filters, and one run.

Run on demand (``make bench``); ``QUERY_EVENTS`` sets the size, 1,000,000 events of about 1 KB unless said.
"""

from __future__ import annotations

import resource
import time
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from test_bench_query import EVENTS, log  # noqa: F401 - a fixture

from aisecops_langchain.web.access import Access, Caller, Role, TokenHolder, token_hash
from aisecops_langchain.web.app import make_app
from aisecops_langchain.web.library import Library
from aisecops_langchain.web.site import Site

HOST = "127.0.0.1:8321"
ROUNDS = 5


@pytest.fixture(scope="module")
def derived(log: Path) -> Path:  # noqa: F811
    """What a server that ran before has left: roster and index."""
    folder = log.parent / "derived"
    for name, step in (("roster", Library.read), ("first verification", Library.check)):
        library = Library(log, folder)
        begun = time.process_time()
        step(library)
        print(f"\n{name} of {EVENTS} events: {time.process_time() - begun:.1f} s of CPU")
        begun = time.process_time()
        library.close()  # waits for the index
        print(f"index: {time.process_time() - begun:.1f} s of CPU")
    print(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    return folder


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/", "the page of the list"),
        ("/api/traces", "the list"),
        ("/api/traces?tool=export_data&decision=deny", "the list by tool and decision"),
        ("/api/traces?text=evil.example", "the list by words in the log"),
        ("/api/traces?text=stands-nowhere", "the list by words that stand nowhere"),
        ("/api/facets", "facets"),
        ("/api/measures", "measures"),
        (f"/api/summary?trace={7:032x}", "the summary of one run"),
        (f"/run?trace={7:032x}", "the page of one run"),
    ],
)
def test_what_a_restarted_server_answers(log: Path, derived: Path, path: str, name: str) -> None:  # noqa: F811
    begun = time.perf_counter()
    library = Library(log, derived)
    access = Access([TokenHolder(token_hash("t"), Caller("", Role.VIEWER))])
    site = Site(library, access, cookie="c")
    client = TestClient(make_app(site, hosts=[HOST]), base_url=f"http://{HOST}", headers={"authorization": "Bearer t"})
    answer = client.get(path)
    first = time.perf_counter() - begun
    assert answer.status_code == 200
    spent = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        client.get(path)
        spent.append(time.perf_counter() - begun)
    print(f"\n{name}: {first:.3f} s at first, {min(spent):.3f} s then; {len(answer.content) / 1024:.0f} KB")
    site.close()
