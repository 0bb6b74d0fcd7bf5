"""Approvals over the network: the same service as behind an interrupt, and a real graph that goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from page_kit import GENEROUS, Waiting, waiting
from web_kit import COOKIE, ORIGIN, TOKEN, browser, client, secret_of, site_over

from aisecops_langchain.audit import read_log, verify_log
from aisecops_langchain.web.access import Access, Caller, Role, TokenHolder, token_hash
from aisecops_langchain.web.site import Site

ASK = "Pay 90 euros to ACME."


@pytest.fixture
def graph(tmp_path: Path) -> Iterator[Waiting]:
    with waiting(tmp_path / "home") as made:
        made.ask("one", ASK)
        yield made


@pytest.fixture
def site(graph: Waiting) -> Iterator[Site]:
    made = site_over(graph.home / "audit", home=graph.home)
    yield made
    made.close()


def the_one(site: Site, token: str = "of-bob") -> dict[str, Any]:
    (request,) = client(site, token).get("/api/approvals").json()["approvals"]
    return dict(request)


def answer(site: Site, token: str, key: str, how: str, **body: Any) -> Any:
    return client(site, token).post(f"/api/approvals/{key}/{how}", json=body)


def test_what_waits_is_told_as_the_command_line_tells_it(site: Site, graph: Waiting) -> None:
    from click.testing import CliRunner

    from aisecops_langchain.cli.main import cli

    printed = CliRunner().invoke(cli, ["approvals", "list", "--home", str(graph.home), "--json"])
    assert [the_one(site)] == orjson.loads(printed.stdout)["approvals"]
    assert the_one(site)["arguments"] == {"to": "ACME", "amount": 90}


def test_a_yes_lets_the_waiting_run_do_exactly_that_once(site: Site, graph: Waiting) -> None:
    asked = the_one(site)
    told = answer(site, "of-bob", asked["approval"], "approve", call=asked["call"])
    assert (told.status_code, told.json()["approval"]["state"]) == (200, "granted")
    assert graph.paid == [], "an answer makes nothing run"
    graph.go_on("one")
    graph.go_on("one")
    assert graph.paid == ["90 to ACME"]
    granted = [entry.fields for entry in read_log(graph.home / "audit") if entry.kind == "approval_granted"]
    assert [event["approver"]["id"] for event in granted if event] == ["bob"]
    assert verify_log(graph.home / "audit").ok


def test_a_no_with_a_reason_keeps_it_from_happening(site: Site, graph: Waiting) -> None:
    told = answer(site, "of-bob", the_one(site)["approval"], "reject", reason="too much")
    assert told.json()["approval"]["state"] == "rejected"
    graph.go_on("one")
    assert graph.paid == []
    (event,) = [entry.fields for entry in read_log(graph.home / "audit") if entry.kind == "approval_rejected"]
    assert event is not None
    assert event["reason"] == "too much"


def test_a_yes_may_have_a_reason_too_which_others_and_the_log_are_told_and_the_model_is_not(
    site: Site, graph: Waiting
) -> None:
    asked = the_one(site)
    told = answer(site, "of-bob", asked["approval"], "approve", call=asked["call"], reason="the bill is on file")
    approval = told.json()["approval"]
    assert approval["votes"][0]["reason"] == "the bill is on file"
    said = graph.go_on("one")
    assert graph.paid == ["90 to ACME"]
    assert "bill is on file" not in str(said)
    (event,) = [entry.fields for entry in read_log(graph.home / "audit") if entry.kind == "approval_granted"]
    assert event is not None
    assert event["reason"] == "the bill is on file"


def test_a_no_to_another_call_than_was_shown_is_refused(site: Site) -> None:
    asked = the_one(site)
    assert answer(site, "of-bob", asked["approval"], "reject", call="sha256:other").status_code == 400
    assert the_one(site)["state"] == "pending"
    assert answer(site, "of-bob", asked["approval"], "reject", call=asked["call"]).status_code == 200


def test_where_two_must_say_yes_the_second_is_told_why_the_first_did_and_neither_can_grant(tmp_path: Path) -> None:
    two = GENEROUS.replace("grants: {max_seconds", "approval: {approvers: 2}, grants: {max_seconds")
    with waiting(tmp_path / "two", policy=two) as graph:
        graph.ask("one", ASK)
        site = site_over(graph.home / "audit", home=graph.home)
        asked = the_one(site)
        key, call = asked["approval"], asked["call"]
        refused = answer(site, "of-bob", key, "approve", call=call, grant=WISH)
        assert "nobody can grant anything" in refused.json()["got"]
        assert answer(site, "of-bob", key, "approve", call=call, reason="the bill is on file").status_code == 200
        assert [vote["reason"] for vote in the_one(site)["votes"]] == ["the bill is on file"]
        dan = only(site, Caller("dan", Role.APPROVER, verified=True))
        assert "Approve this call" in browser(dan, "t").get(f"/approvals/{key}").text
        assert "let later calls like it run" not in browser(dan, "t").get(f"/approvals/{key}").text
        assert answer(dan, "t", key, "approve", call=call, reason="so do I").status_code == 200
        graph.go_on("one")
        site.close()
    assert graph.paid == ["90 to ACME"]
    reasons = {entry.kind: (entry.fields or {}).get("reason") for entry in read_log(tmp_path / "two" / "audit")}
    assert (reasons["approval_voted"], reasons["approval_granted"]) == ("the bill is on file", "so do I")


@pytest.fixture
def generous(tmp_path: Path) -> Iterator[Waiting]:
    with waiting(tmp_path / "generous", asks=4, policy=GENEROUS) as made:
        made.ask("one", ASK)
        yield made


WISH = {"for_seconds": 600, "uses": 2, "same": ["to"], "up_to": {"amount": "200"}}


def test_a_yes_with_a_grant_lets_later_calls_like_it_run_as_far_as_it_says(generous: Waiting) -> None:
    site = site_over(generous.home / "audit", home=generous.home)
    asked = the_one(site)
    told = answer(site, "of-bob", asked["approval"], "approve", call=asked["call"], grant=WISH)
    assert (told.status_code, told.json()["approval"]["granted"]["uses"]) == (200, 2)
    generous.go_on("one")
    generous.ask("one", "Pay ACME 91")
    generous.ask("one", "Pay ACME 92")
    assert generous.paid == ["90 to ACME", "91 to ACME", "92 to ACME"]
    generous.ask("one", "Pay ACME 93")
    assert len(generous.paid) == 3, "both uses are used up, so a person is asked"
    assert the_one(site)["arguments"]["amount"] == 93
    site.close()
    assert verify_log(generous.home / "audit").ok


@pytest.mark.parametrize(
    ("wish", "status"),
    [
        ({**WISH, "uses": 21}, 409),
        ({**WISH, "for_seconds": 3601}, 409),
        ({**WISH, "up_to": {"amount": "501"}}, 409),
        ({**WISH, "any": ["to"], "same": []}, 409),
        ({**WISH, "up_to": {"sum": "100"}}, 409),
        ({**WISH, "any_thread": True}, 409),
        ({**WISH, "up_to": {"amount": 200}}, 400),
        ({**WISH, "uses": 0}, 400),
        ({**WISH, "by": "ann"}, 400),
        ({}, 400),
    ],
)
def test_a_yes_with_a_grant_that_policy_does_not_permit_is_no_yes(
    generous: Waiting, wish: dict[str, Any], status: int
) -> None:
    site = site_over(generous.home / "audit", home=generous.home)
    asked = the_one(site)
    refused = answer(site, "of-bob", asked["approval"], "approve", call=asked["call"], grant=wish)
    assert refused.status_code == status
    assert the_one(site)["state"] == "pending"
    site.close()
    generous.go_on("one")
    assert generous.paid == []


def test_where_policy_permits_no_grant_a_yes_with_one_is_no_yes(site: Site, graph: Waiting) -> None:
    asked = the_one(site)
    wish = {"for_seconds": 60, "uses": 1}
    refused = answer(site, "of-bob", asked["approval"], "approve", call=asked["call"], grant=wish)
    assert refused.status_code == 409
    assert "does not permit the grant" in refused.json()["got"]
    graph.go_on("one")
    assert graph.paid == []


def test_a_grant_sent_twice_is_given_once(generous: Waiting) -> None:
    site = site_over(generous.home / "audit", home=generous.home)
    asked = the_one(site)
    answers = [
        answer(site, "of-bob", asked["approval"], "approve", call=asked["call"], grant=WISH).status_code
        for _ in range(2)
    ]
    assert answers == [200, 409]
    site.close()
    assert [entry.kind for entry in read_log(generous.home / "audit")].count("grant_given") == 1


def test_a_grant_by_the_form_is_taken_only_from_a_page_of_this_site(generous: Waiting) -> None:
    site = site_over(generous.home / "audit", home=generous.home)
    asked, made = the_one(site), browser(site, "of-bob")
    page, csrf = f"/approvals/{asked['approval']}", secret_of(site, made)
    form = {"csrf": csrf, "answer": "grant", "call": asked["call"], "minutes": "10", "uses": "2"}
    form |= {"how:to": "same", "how:amount": "sum", "sum:amount": "200", "each:amount": ""}
    for wrong, origin, status in (
        (form, "https://evil.example", 403),
        ({**form, "csrf": "x"}, ORIGIN, 403),
        ({**form, "call": "sha256:other"}, ORIGIN, 400),
        ({**form, "uses": "many"}, ORIGIN, 400),
        ({**form, "sum:amount": "1e3"}, ORIGIN, 400),
        ({**form, "how:to": "any"}, ORIGIN, 409),
    ):
        assert made.post(page, data=wrong, headers={"origin": origin}).status_code == status
        assert the_one(site)["state"] == "pending"
    assert made.post(page, data=form, headers={"origin": ORIGIN}).status_code == 200
    (given,) = [entry.fields for entry in read_log(generous.home / "audit") if entry.kind == "grant_given"]
    assert given is not None
    assert given["approver"]["id"] == "bob"
    site.close()


def test_a_second_answer_does_not_count(site: Site) -> None:
    asked = the_one(site)
    assert answer(site, "of-bob", asked["approval"], "reject").status_code == 200
    again = answer(site, "of-bob", asked["approval"], "approve", call=asked["call"])
    assert again.status_code == 409
    assert "not open any more" in again.json()["got"]


def test_a_yes_to_another_call_than_was_shown_is_refused(site: Site, graph: Waiting) -> None:
    asked = the_one(site)
    assert answer(site, "of-bob", asked["approval"], "approve", call="sha256:other").status_code == 400
    assert answer(site, "of-bob", asked["approval"], "approve").status_code == 400
    assert the_one(site)["state"] == "pending"


def only(site: Site, caller: Caller) -> Site:
    """The same site, with one caller whose token is ``t``."""
    access = Access([TokenHolder(token_hash("t"), caller)])
    return Site(site.library, access, COOKIE, desk=site.desk)


def test_whoever_asked_may_not_answer(site: Site) -> None:
    asked = the_one(site)
    made = only(site, Caller(asked["user"].upper(), Role.APPROVER, verified=True))
    refused = answer(made, "t", asked["approval"], "approve", call=asked["call"])
    assert refused.status_code == 409
    assert "the requester may not answer" in refused.json()["got"]


def test_a_name_that_nobody_vouches_for_does_not_count_where_the_requester_is_verified(site: Site) -> None:
    asked = the_one(site)
    refused = answer(only(site, Caller("bob", Role.APPROVER)), "t", asked["approval"], "approve", call=asked["call"])
    assert refused.status_code == 409
    assert "nobody vouches" in refused.json()["got"]


def test_a_token_without_a_person_answers_nothing(site: Site) -> None:
    asked = the_one(site)
    assert answer(site, "of-nobody", asked["approval"], "approve", call=asked["call"]).status_code == 403
    assert the_one(site)["votes"] == []


def test_requests_of_another_organisation_are_not_there(site: Site) -> None:
    asked = the_one(site)
    theirs = client(site, "of-cleo")
    assert theirs.get("/api/approvals").json()["total"] == 0
    assert theirs.get(f"/api/approvals/{asked['approval']}").status_code == 404
    assert answer(site, "of-cleo", asked["approval"], "approve", call=asked["call"]).status_code == 404
    assert the_one(site)["state"] == "pending"


def test_a_viewer_reads_and_does_not_answer(site: Site) -> None:
    asked = the_one(site, TOKEN)
    assert answer(site, TOKEN, asked["approval"], "reject").status_code == 403
    assert the_one(site)["state"] == "pending"


@pytest.mark.parametrize("how", ["approve", "reject"])
def test_nor_does_a_viewer_by_the_form_of_the_page(site: Site, how: str) -> None:
    asked = the_one(site)
    theirs = only(site, Caller("vera", Role.VIEWER, verified=True))
    made = browser(theirs, "t")
    page = f"/approvals/{asked['approval']}"
    form = {"csrf": secret_of(theirs, made), "answer": how, "call": asked["call"]}
    assert made.post(page, data=form, headers={"origin": ORIGIN}).status_code == 403
    assert the_one(site)["state"] == "pending"


def test_a_form_of_the_page_answers_once_it_was_meant(site: Site) -> None:
    asked = the_one(site)
    made = browser(site, "of-bob")
    page = f"/approvals/{asked['approval']}"
    csrf = secret_of(site, made)
    form = {"answer": "reject", "reason": "no", "call": asked["call"]}
    for wrong, origin in (
        (form, ORIGIN),
        ({**form, "csrf": "x"}, ORIGIN),
        ({**form, "csrf": csrf}, "https://evil.example"),
    ):
        assert made.post(page, data=wrong, headers={"origin": origin}).status_code == 403
    assert the_one(site)["state"] == "pending"
    assert made.post(page, data={**form, "csrf": csrf}, headers={"origin": ORIGIN}).status_code == 200
    assert client(site, "of-bob").get("/api/approvals").json()["total"] == 0


def test_a_browser_answers_with_its_secret(site: Site) -> None:
    asked, made = the_one(site), browser(site, "of-bob")
    csrf = secret_of(site, made)
    path, headers = f"/api/approvals/{asked['approval']}/reject", {"origin": ORIGIN, "x-csrf-token": csrf}
    assert made.post(path, json={}, headers={"origin": ORIGIN}).status_code == 403
    assert made.post(path, json={}, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("body", "media", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'{"reason": 7}', "application/json", 400),
        (b'{"reason": "x", "as": "ann"}', "application/json", 400),
        (b'{"reason": "%s"}' % (b"x" * 501), "application/json", 400),
        (b"reason=no", "application/x-www-form-urlencoded", 400),
        (b'{"reason": "no"}', "text/plain", 400),
        (b" " * 100_000, "application/json", 413),
    ],
)
def test_a_body_that_makes_no_sense_is_refused(site: Site, body: bytes, media: str, status: int) -> None:
    path = f"/api/approvals/{the_one(site)['approval']}/reject"
    refused = client(site, "of-bob").post(path, content=body, headers={"content-type": media})
    assert refused.status_code == status
    assert the_one(site)["state"] == "pending"


@pytest.mark.parametrize("key", ["nothing", "..%2f..", "sha256:" + "0" * 64, "%00", "a" * 3000])
def test_a_key_that_nobody_was_asked_under_is_not_found(site: Site, key: str) -> None:
    assert client(site, "of-bob").get(f"/api/approvals/{key}").status_code == 404


def test_reading_again_and_again_begins_no_segment_each_time(site: Site, graph: Waiting) -> None:
    the_one(site)
    before = len(list((graph.home / "audit").glob("*.jsonl")))
    for _ in range(5):
        the_one(site)
    assert len(list((graph.home / "audit").glob("*.jsonl"))) == before


def test_a_site_that_serves_a_log_alone_has_no_approvals(graph: Waiting) -> None:
    alone = site_over(graph.home / "audit")
    assert client(alone, "of-bob").get("/api/approvals").status_code == 404
