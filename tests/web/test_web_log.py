"""What is said of the log itself on top of every answer: while it grows, is cut, is changed, or is checked."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from cli_logs import KEY, segment_of, write_log
from starlette.testclient import TestClient
from trace_factory import allowed_story, governed_story
from web_kit import TOKEN, client, site_over
from write_golden import OFFICE

from aisecops_langchain import parse_policy
from aisecops_langchain.audit import AuditLog
from aisecops_langchain.web.api.table import ENDPOINTS
from aisecops_langchain.web.library import Library
from aisecops_langchain.web.site import Site
from aisecops_langchain.web.standing import State

ASKED = {
    "/api/summary": {"trace": "trace-1"},
    "/api/timeline": {"trace": "trace-1"},
    "/api/graph": {"trace": "trace-1"},
    "/api/diff": {"trace": "trace-1"},
    "/api/compare": {"first": "trace-1", "second": "trace-1"},
    "/api/blast-radius": {"source": "supplier.md"},
    "/api/origin": {"effect": "pay_invoice"},
    "/api/drift/over-time": {"before": "2030-01-01"},
}
PAGES = ("/", "/run?trace=trace-1", "/compare", "/blast-radius", "/log", "/nowhere")
READING = [
    endpoint.path
    for endpoint in ENDPOINTS
    if "{" not in endpoint.path and endpoint.path not in ("/api/drift", "/api/event", "/api/approvals")
]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return write_log(tmp_path / "audit", governed_story().events)


def standing(made: TestClient) -> dict[str, object]:
    return dict(made.get("/api/traces").json()["log"])


def changed(log: Path) -> None:
    segment = segment_of(log)
    segment.write_bytes(segment.read_bytes().replace(b'"effect":"deny"', b'"effect":"ALLO"', 1))


def cut(log: Path) -> None:
    segment = segment_of(log)
    segment.write_bytes(b"".join(segment.read_bytes().splitlines(keepends=True)[:-3]))


def torn(log: Path) -> None:
    segment = segment_of(log)
    segment.write_bytes(segment.read_bytes()[:-7])


def foreign(log: Path) -> None:
    with segment_of(log).open("ab") as file:
        file.write(b"no event at all\n")


def test_a_comparison_of_windows_says_how_many_lines_it_could_not_read(log: Path) -> None:
    foreign(log)
    made, asked = client(site_over(log)), ASKED["/api/drift/over-time"]
    while (told := made.get("/api/drift/over-time", params=asked).json())["working"]:
        pass
    assert told["unreadable_lines"] == 1
    assert told["drift"]["runs_before"] == 1


@pytest.mark.parametrize("token", [TOKEN, "of-acme", "of-other"])
def test_history_is_decided_again_as_far_as_the_caller_may_see_and_no_broken_line_is_passed_over(
    log: Path, token: str
) -> None:
    foreign(log)
    decision = next(line for line in segment_of(log).read_bytes().splitlines() if b'"kind":"decision_made"' in line)
    with segment_of(log).open("ab") as file:
        file.write(decision[:250].replace(b'"id":"', b'"id":"broken-') + b"\n")
    made = client(site_over(log, policies={"office": parse_policy(OFFICE)}), token)
    while (told := made.get("/api/drift", params={"policy": "office"}).json())["working"]:
        pass
    seen = made.get("/api/traces").json()["traces"]
    assert told["drift"]["decisions"] == sum(row["allowed"] + row["asked"] + row["denied"] for row in seen)
    assert told["unreadable_lines"] + told["drift"]["malformed"] == 2


@pytest.mark.parametrize("damage", [changed, cut, torn, foreign])
@pytest.mark.parametrize("path", READING)
def test_every_answer_says_that_the_log_cannot_be_trusted(log: Path, path: str, damage: object) -> None:
    damage(log)  # type: ignore[operator]
    answer = client(site_over(log)).get(path, params=ASKED.get(path))
    assert answer.status_code == 200, answer.text
    told = answer.json()["log"]
    assert (told["state"], told["verified"]) == ("unsound", False)
    assert "Trust nothing of it" in told["notice"]
    assert told["problems"]


@pytest.mark.parametrize("path", PAGES)
def test_every_page_says_so_too(log: Path, path: str) -> None:
    assert "does not verify" not in client(site_over(log)).get(path).text
    changed(log)
    assert "This log does not verify" in client(site_over(log)).get(path).text


def test_a_graph_says_so_in_its_own_notes(log: Path) -> None:
    changed(log)
    graph = client(site_over(log)).get("/api/graph", params={"trace": "trace-1"}).json()["graph"]
    assert any("does not verify" in note for note in graph["notes"])


def test_before_it_was_verified_nothing_is_claimed(log: Path, tmp_path: Path) -> None:
    library = Library(log, tmp_path / "derived")
    library.read()
    made = client(Site(library, site_over(log).access, "c"))
    told = standing(made)
    assert (told["state"], told["verified"]) == ("checking", None)
    assert "Trust nothing of it yet" in str(told["notice"])
    assert "Trust nothing of it yet" in made.get("/").text
    library.check()
    assert standing(made)["state"] == "sound"


def test_keys_that_are_pinned_and_did_not_sign_make_it_unsound(log: Path, tmp_path: Path) -> None:
    library = Library(log, tmp_path / "derived", public_keys={})
    library.look()
    assert (library.standing().state, library.standing().keys_pinned) == (State.UNSOUND, True)


def test_a_log_that_grows_stays_sound_and_shows_what_was_added(tmp_path: Path) -> None:
    log = tmp_path / "audit"
    with AuditLog.open(log, key=KEY) as opened:
        for event in allowed_story("one").events:
            opened.append(event)
        opened.commit()
        site = site_over(log)
        made = client(site)
        assert [row["trace"] for row in made.get("/api/traces").json()["traces"]] == ["one"]
        for event in allowed_story("two").events:
            opened.append(event)
        opened.commit()
        site.library.look()
        assert {row["trace"] for row in made.get("/api/traces").json()["traces"]} == {"one", "two"}
        assert standing(made)["state"] == "sound"
        assert made.get("/api/summary", params={"trace": "two"}).status_code == 200


@pytest.mark.parametrize("damage", ["shorter", "gone", "changed", "forked"])
def test_a_change_that_is_not_growth_is_noticed_while_serving_and_stays_said(log: Path, damage: str) -> None:
    site = site_over(log)
    made, segment = client(site), segment_of(log)
    assert standing(made)["state"] == "sound"
    whole = segment.read_bytes()
    if damage == "shorter":
        segment.write_bytes(b"".join(whole.splitlines(keepends=True)[:-3]))
    elif damage == "gone":
        segment.unlink()
    elif damage == "changed":
        segment.write_bytes(whole.replace(b'"acme"', b'"evil"', 1))  # still an event, of the same length
    else:
        with segment.open("ab") as file:
            file.write(whole.splitlines(keepends=True)[3])
    site.library.look()
    told = standing(made)
    assert told["state"] == "unsound"
    assert made.get("/api/summary", params={"trace": "trace-1"}).status_code == (404 if damage == "gone" else 200)
    segment.write_bytes(whole)
    site.library.look()
    assert standing(made)["state"] == ("sound" if damage == "changed" else "unsound"), "what was seen stays said"


def test_a_log_may_be_read_while_it_is_written_by_another(tmp_path: Path) -> None:
    log = write_log(tmp_path / "audit", allowed_story("first").events)
    site = site_over(log)
    made = client(site)
    done = threading.Event()

    def write() -> None:
        with AuditLog.open(log, key=KEY) as opened:
            for number in range(60):
                for event in allowed_story(f"run-{number}").events:
                    opened.append(event)
                opened.commit()
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        while not done.is_set():
            site.library.look()
            listed = made.get("/api/traces", params={"limit": 500})
            assert listed.status_code == 200
            for row in listed.json()["traces"][:2]:
                assert made.get("/api/summary", params={"trace": row["trace"]}).status_code == 200
    finally:
        writer.join()
    site.library.look()
    told = made.get("/api/traces", params={"limit": 500}).json()
    assert told["total"] == 61
    assert all(row["events"] == 7 for row in told["traces"])
    assert told["log"]["alarms"] == []


def test_an_event_is_shown_as_it_stands_and_with_what_vouches_for_it(log: Path) -> None:
    made = client(site_over(log))
    told = made.get("/api/event", params={"trace": "trace-1", "event": "trace-1-003"}).json()
    assert told["raw"].encode() in segment_of(log).read_bytes().splitlines()
    assert told["holds"] is True
    changed(log)
    entries = made.get("/api/timeline", params={"trace": "trace-1"}).json()["timeline"]
    shown = [made.get("/api/event", params={"trace": "trace-1", "event": entry["event"]}).json() for entry in entries]
    assert [event["proof"]["follows"] for event in shown].count(False) == 1, "the line behind the changed one"
    assert shown[-1]["holds"] is True
    assert made.get("/api/event", params={"trace": "trace-1", "event": "none"}).status_code == 404


def test_lines_that_no_longer_stand_there_are_not_shown(log: Path) -> None:
    site = site_over(log)
    made = client(site)
    assert made.get("/api/summary", params={"trace": "trace-1"}).json()["summary"]["decisions"]["deny"] == 1
    segment = segment_of(log)
    segment.write_bytes(segment.read_bytes().replace(b'"effect":"deny"', b'"effect":"allow"'))
    assert made.get("/api/summary", params={"trace": "trace-1"}).json()["summary"]["decisions"]["deny"] == 0
    site.library.look()
    (row,) = made.get("/api/traces").json()["traces"]
    assert row["denied"] == 0
    assert standing(made)["state"] == "unsound"
