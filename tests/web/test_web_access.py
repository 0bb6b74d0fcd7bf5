"""Who gets in, and what they may do: tokens, sessions, hosts, roles, organisations, and requests that were meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_logs import write_log
from starlette.testclient import TestClient
from trace_factory import PRINCIPAL, allowed_story, governed_story
from web_kit import COOKIE, HOST, ORIGIN, TOKEN, browser, client, secret_of, site_over

from aisecops_langchain.web import access
from aisecops_langchain.web.api.table import ENDPOINTS
from aisecops_langchain.web.site import Site

PAGES = ("/", "/run?trace=ours", "/compare", "/blast-radius", "/log")
PATHS = [endpoint.path.replace("{key}", "sha256:0") for endpoint in ENDPOINTS]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A run of acme, one of another organisation, and one that touches both."""
    other = PRINCIPAL.model_copy(update={"tenant": "other"})
    theirs = [event.model_copy(update={"principal": other}) for event in allowed_story("theirs").events]
    both = governed_story("both").events
    both[-1] = both[-1].model_copy(update={"principal": other})
    return site_over(write_log(tmp_path / "audit", [*governed_story("ours").events, *theirs, *both]))


@pytest.mark.parametrize("path", [*PATHS, "/api/live", "/api/openapi.json", "/api/nowhere"])
@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {TOKEN}"}])
def test_without_a_known_token_the_api_answers_nothing(site: Site, path: str, headers: dict[str, str]) -> None:
    for method in ("GET", "POST", "DELETE"):
        answer = client(site, "").request(method, path, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "ours" not in answer.text


@pytest.mark.parametrize("path", [*PAGES, "/nowhere"])
def test_without_a_session_a_page_leads_to_the_entrance(site: Site, path: str) -> None:
    answer = client(site, "").get(path, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/enter")


def test_the_printed_address_makes_a_session_and_is_left_behind(site: Site) -> None:
    answer = client(site, "").get("/enter", params={"token": TOKEN}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith(f"{COOKIE}=")
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert TOKEN not in str(answer.headers)


def test_a_wrong_token_at_the_entrance_makes_no_session(site: Site) -> None:
    answer = client(site, "").get("/enter", params={"token": "wrong"})
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert "wrong" not in answer.text


@pytest.mark.parametrize("site_of_the_link", ["cross-site", "same-site"])
def test_a_page_of_another_site_signs_nobody_in(site: Site, site_of_the_link: str) -> None:
    made = client(site, "")
    answer = made.get("/enter", params={"token": TOKEN}, headers={"sec-fetch-site": site_of_the_link})
    assert "set-cookie" not in answer.headers
    assert made.get("/api/traces").status_code == 401
    entered = made.get("/enter", params={"token": TOKEN}, headers={"sec-fetch-site": "none"}, follow_redirects=False)
    assert "set-cookie" in entered.headers


def test_a_forged_session_is_none(site: Site) -> None:
    made = client(site, "")
    made.cookies.set(COOKIE, "forged")
    assert made.get("/api/traces").status_code == 401


def test_a_session_ends_when_its_person_leaves(site: Site) -> None:
    made = browser(site, TOKEN)
    session = made.cookies[COOKIE]
    csrf = secret_of(site, made)
    form = {"csrf": csrf}
    assert made.post("/leave", data=form, headers={"origin": "https://evil.example"}).status_code == 403
    assert made.post("/leave", data={"csrf": "wrong"}, headers={"origin": ORIGIN}).status_code == 403
    assert made.get("/api/traces").status_code == 200
    assert made.post("/leave", data=form, headers={"origin": ORIGIN}, follow_redirects=False).status_code == 303
    made.cookies.set(COOKIE, session)
    assert made.get("/api/traces").status_code == 401


def test_a_session_ends_by_itself(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    made = browser(site, TOKEN)
    assert made.get("/api/traces").status_code == 200
    later = access.monotonic() + access.SESSION_SECONDS
    monkeypatch.setattr(access, "monotonic", lambda: later)
    assert made.get("/api/traces").status_code == 401


@pytest.mark.parametrize("host", ["rebound.example", "127.0.0.1:1", "127.0.0.1", f"{HOST}.evil.example", ""])
@pytest.mark.parametrize("path", ["/api/traces", "/", "/enter", "/static/icon.svg"])
def test_a_name_that_the_server_does_not_go_by_is_refused_everywhere(site: Site, host: str, path: str) -> None:
    assert client(site).get(path, headers={"host": host}).status_code == 421


def test_headers_of_proxies_change_nothing(site: Site) -> None:
    answer = client(site, "").get("/api/traces", headers={"x-forwarded-host": HOST, "x-forwarded-for": "127.0.0.1"})
    assert answer.status_code == 401


@pytest.mark.parametrize("path", [*PAGES, "/enter", "/api/traces", "/api/nowhere", "/nowhere", "/static/icon.svg"])
@pytest.mark.parametrize("token", [TOKEN, ""])
def test_every_answer_has_the_headers(site: Site, path: str, token: str) -> None:
    headers = client(site, token).get(path, follow_redirects=False).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin", "no address leaves, and forms keep their origin"
    assert headers["cache-control"] == "no-store"
    assert not [name for name in headers if name.startswith("access-control-")]


def of_trace(path: str, trace: str) -> str:
    return f"{path}?trace={trace}"


@pytest.mark.parametrize("token", ["of-acme", "of-other"])
def test_a_caller_of_one_organisation_sees_its_runs_alone(site: Site, token: str) -> None:
    asked = client(site, token)
    seen = {"of-acme": "ours", "of-other": "theirs"}[token]
    listed = asked.get("/api/traces").json()
    assert ([row["trace"] for row in listed["traces"]], listed["total"]) == ([seen], 1)
    for hidden in {"ours", "theirs", "both"} - {seen}:
        for path in ("/api/summary", "/api/timeline", "/api/graph", "/api/diff", "/run"):
            answer = asked.get(of_trace(path, hidden))
            assert answer.status_code == 404
            assert answer.text.replace(hidden, "nothing") == asked.get(of_trace(path, "nothing")).text
        assert asked.get("/api/compare", params={"first": seen, "second": hidden}).status_code == 404
    assert asked.get("/api/measures").json()["measures"]["runs"] == 1
    told = {name for values in asked.get("/api/facets").json()["facets"].values() for name in values}
    assert {"acme", "other"} & told == ({"acme"} if token == "of-acme" else {"other"})
    assert asked.get("/api/traces", params={"tenant": ["acme", "other"]}).json()["total"] == 1
    assert asked.get("/api/traces", params={"text": "lookup"}).json()["total"] == (token == "of-other")
    assert asked.get("/api/verify").status_code == 403
    origins = asked.get("/api/origin", params={"effect": "pay_invoice"}).json()["origins"]
    assert {item["effect"]["trace"] for item in origins} == ({"ours"} if token == "of-acme" else set())
    assert asked.get("/").text.count("/run?trace=") == client(site, token).get("/").text.count(f"/run?trace={seen}")


def test_drift_is_over_the_decisions_that_the_caller_may_see(site: Site) -> None:
    windows = {"before": "2030-01-01T00:00:00Z"}
    counts = {
        token: client(site, token).get("/api/drift/over-time", params=windows).json()["drift"]["runs_before"]
        for token in (TOKEN, "of-acme", "of-other")
    }
    assert counts == {TOKEN: 3, "of-acme": 2, "of-other": 1}


def post(made: TestClient, **headers: str) -> int:
    return made.post("/api/approvals/sha256:0/reject", json={"reason": "no"}, headers=headers).status_code


def test_a_viewer_may_answer_nothing(site: Site) -> None:
    assert post(client(site, TOKEN)) == 403
    made = browser(site, TOKEN)
    csrf = secret_of(site, made)
    assert post(made, origin=ORIGIN, **{"x-csrf-token": csrf}) == 403


def test_a_session_changes_something_only_with_its_own_secret_and_origin(site: Site) -> None:
    made, other = browser(site, "of-bob"), browser(site, "of-bob")
    csrf = secret_of(site, made)
    others = secret_of(site, other)
    assert post(made, origin=ORIGIN) == 403
    assert post(made, origin=ORIGIN, **{"x-csrf-token": "wrong"}) == 403
    assert post(made, origin=ORIGIN, **{"x-csrf-token": others}) == 403
    assert post(made, **{"x-csrf-token": csrf}) == 403
    for foreign in (
        "https://evil.example",
        "null",
        f"https://{HOST}",
        "http://127.0.0.1:9999",
        f"{ORIGIN}.evil.example",
    ):
        assert post(made, origin=foreign, **{"x-csrf-token": csrf}) == 403
    assert post(made, origin=ORIGIN, **{"x-csrf-token": csrf}) == 404, "no approvals are served here"


def test_a_token_needs_no_secret_and_is_refused_from_a_foreign_page(site: Site) -> None:
    assert post(client(site, "of-bob")) == 404, "no approvals are served here"
    assert post(client(site, "of-bob"), origin="https://evil.example") == 403


def test_who_asks_is_told_and_nobody_else(site: Site) -> None:
    told = client(site, "of-acme").get("/api/me").json()
    assert (told["person"], told["role"], told["tenants"], told["approvals"]) == ("ann", "viewer", ["acme"], False)


def test_there_are_never_more_than_so_many_sessions(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "_MOST_SESSIONS", 2)
    first, *others = [browser(site, TOKEN) for _ in range(3)]
    assert first.get("/api/traces").status_code == 401
    assert [made.get("/api/traces").status_code for made in others] == [200, 200]
