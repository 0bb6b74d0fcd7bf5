"""The list of runs and one run, as JSON and as a page."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_logs import write_log
from trace_factory import allowed_story, governed_story
from web_kit import TOKEN, browser, client, client_of, site_over

from aisecops_langchain.web.site import Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Two runs, the second three hours later."""
    later = [
        event.model_copy(update={"time": event.time.replace(hour=12)}) for event in allowed_story("trace-2").events
    ]
    return site_over(write_log(tmp_path / "audit", [*governed_story().events, *later]))


def listed(site: Site, **parameters: object) -> list[str]:
    answer = client(site).get("/api/traces", params=parameters)  # type: ignore[arg-type]
    assert answer.status_code == 200, answer.text
    return [row["trace"] for row in answer.json()["traces"]]


def test_a_token_opens_the_list_and_a_run(site: Site) -> None:
    told = client(site).get("/api/traces").json()
    assert [row["trace"] for row in told["traces"]] == ["trace-2", "trace-1"]
    assert told["log"]["state"] == "sound"
    assert told["behind_bytes"] == 0
    assert client(site).get("/api/summary", params={"trace": "trace-1"}).json()["summary"]["trace"] == "trace-1"
    assert client(site).get("/api/summary", params={"trace": "other"}).status_code == 404


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({"tool": "export_data"}, ["trace-1"]),
        ({"decision": "deny"}, ["trace-1"]),
        ({"decision": ["deny", "allow"]}, ["trace-2", "trace-1"]),
        ({"agent": "procurement"}, ["trace-2", "trace-1"]),
        ({"agent": "nobody"}, []),
        ({"tenant": "acme"}, ["trace-2", "trace-1"]),
        ({"trust": "untrusted"}, ["trace-2", "trace-1"]),
        ({"trust": "system"}, []),
        ({"finding": "prompt_injection"}, ["trace-1"]),
        ({"outcome": "completed"}, ["trace-2", "trace-1"]),
        ({"since": "2026-03-01T10:00:00Z"}, ["trace-2"]),
        ({"until": "2026-03-01T10:00:00Z"}, ["trace-1"]),
        ({"text": "EVIL.example"}, ["trace-1"]),
        ({"text": "stands nowhere"}, []),
        ({"limit": 1, "offset": 1}, ["trace-1"]),
        ({"offset": 1000000000}, []),
    ],
)
def test_filters_narrow_the_list(site: Site, parameters: dict[str, object], found: list[str]) -> None:
    assert listed(site, **parameters) == found


@pytest.mark.parametrize(
    "parameters",
    [
        {"decision": "perhaps"},
        {"trust": "much"},
        {"outcome": "fine"},
        {"since": "yesterday"},
        {"text": "x"},
        {"tool": "x" * 501},
        {"limit": "0"},
        {"limit": "501"},
        {"offset": "-1"},
        {"offset": "99999999999999999999"},
        {"agents": "procurement"},
        {"text": ["one", "two"]},
    ],
)
def test_a_filter_that_makes_no_sense_is_refused_and_says_what_was_expected(
    site: Site, parameters: dict[str, object]
) -> None:
    answer = client(site).get("/api/traces", params=parameters)  # type: ignore[arg-type]
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["expected"]


def test_facets_name_the_values_to_choose_from(site: Site) -> None:
    facets = client(site).get("/api/facets").json()["facets"]
    assert facets["agent"] == {"procurement": 2}
    assert facets["decision"]["deny"] == 1


def test_the_page_shows_both_runs(site: Site) -> None:
    page = browser(site, TOKEN).get("/")
    assert page.status_code == 200
    assert "trace-1" in page.text
    assert "trace-2" in page.text


def test_a_page_that_is_not_there_is_a_page(tmp_path: Path) -> None:
    client = client_of(tmp_path, governed_story().events)
    answer = client.get("/run", params={"trace": "nowhere"})
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
