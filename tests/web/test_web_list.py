"""The list of runs and one run, as JSON and as a page."""

from __future__ import annotations

from pathlib import Path

from starlette.testclient import TestClient
from trace_factory import governed_story
from web_kit import HOST, TOKEN, client_of


def test_without_a_token_nothing_is_answered(tmp_path: Path) -> None:
    client = client_of(tmp_path, governed_story().events)
    for path in ("/api/traces", "/api/traces/trace-1/summary", "/api/nowhere"):
        answer = client.get(path)
        assert answer.status_code == 401
        assert "trace-1" not in answer.text
    assert client.get("/", follow_redirects=False).headers["location"] == "/enter"


def test_a_token_opens_the_list_and_a_run(tmp_path: Path) -> None:
    client = client_of(tmp_path, governed_story().events)
    client.headers["authorization"] = f"Bearer {TOKEN}"
    listed = client.get("/api/traces").json()
    assert [row["trace"] for row in listed["traces"]] == ["trace-1"]
    assert listed["log"]["verified"] is True
    assert client.get("/api/traces/trace-1/summary").json()["summary"]["trace"] == "trace-1"
    assert client.get("/api/traces/other/summary").status_code == 404


def test_the_printed_address_makes_a_session_and_is_left_behind(tmp_path: Path) -> None:
    client = client_of(tmp_path, governed_story().events)
    entered = client.get("/enter", params={"token": TOKEN}, follow_redirects=False)
    assert entered.headers["location"] == "/"
    cookie = entered.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert TOKEN.lower() not in cookie
    assert "trace-1" in client.get("/").text
    assert "trace-1" in client.get("/run", params={"trace": "trace-1"}).text


def test_another_host_name_is_refused(tmp_path: Path) -> None:
    client: TestClient = client_of(tmp_path, governed_story().events)
    client.headers["authorization"] = f"Bearer {TOKEN}"
    assert client.get("/api/traces", headers={"host": "rebound.example"}).status_code == 421
    assert client.get("/api/traces", headers={"host": HOST}).status_code == 200
