"""Approvals on the page: a real graph waits, a person answers, and the run goes on as they said, once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from page_browser import Visit, visiting
from page_kit import GENEROUS, Waiting, waiting
from page_site import APPROVER, VIEWER, Served, serving
from playwright.sync_api import Browser

from aisecops_langchain import verify_log
from aisecops_langchain.audit import read_log


@pytest.fixture
def clerk(tmp_path: Path) -> Iterator[Waiting]:
    with waiting(tmp_path / "home") as made:
        made.ask("bill", "Pay ACME 90")
        yield made


@pytest.fixture
def site(clerk: Waiting) -> Iterator[Served]:
    with serving(clerk.home) as served:
        yield served


def open_request(seen: Visit) -> None:
    seen.go("/approvals")
    seen.page.get_by_role("link", name="pay", exact=True).click()
    seen.page.wait_for_url(re.compile("/approval"))


def recorded(home: Path, kind: str) -> list[dict[str, object]]:
    return [entry.fields for entry in read_log(home / "audit") if entry.kind == kind]


def test_an_approval_on_the_page_lets_the_waiting_graph_run_its_call_once(
    browser: Browser, clerk: Waiting, site: Served
) -> None:
    with visiting(browser, site.base, APPROVER) as seen:
        page = seen.go("/")
        assert "1" in page.get_by_label("Views").get_by_role("link", name="Approvals").inner_text()
        open_request(seen)
        assert "90" in page.get_by_role("region", name=re.compile("The call")).inner_text()
        assert clerk.paid == []
        page.get_by_role("button", name="Approve this call").click()
        page.get_by_text("granted").first.wait_for()
        assert page.get_by_role("button", name="Approve this call").count() == 0
        assert clerk.paid == []
        clerk.go_on("bill")
        assert clerk.paid == ["90 to ACME"]
        clerk.go_on("bill")
        assert clerk.paid == ["90 to ACME"]
        seen.go("/approvals")
        assert "Nothing waits" in seen.text()
    (granted,) = {event["id"]: event for event in recorded(clerk.home, "approval_granted")}.values()
    assert granted["approver"]["id"] == "carol"  # type: ignore[index]
    assert verify_log(clerk.home / "audit").ok


def test_a_rejection_is_recorded_with_its_reason_and_nothing_runs(
    browser: Browser, clerk: Waiting, site: Served
) -> None:
    with visiting(browser, site.base, APPROVER) as seen:
        open_request(seen)
        seen.page.get_by_label("Why you reject").fill("never heard of <b>ACME</b>")
        seen.page.get_by_role("button", name="Reject this call").click()
        seen.page.get_by_text("rejected").first.wait_for()
    clerk.go_on("bill")
    assert clerk.paid == []
    (rejected,) = {event["id"]: event for event in recorded(clerk.home, "approval_rejected")}.values()
    assert rejected["reason"] == "never heard of <b>ACME</b>"


def test_a_grant_is_given_with_the_keyboard_and_later_calls_like_it_run_without_asking(
    browser: Browser, tmp_path: Path
) -> None:
    with waiting(tmp_path / "home", asks=3, policy=GENEROUS) as clerk:
        clerk.ask("bill", "Pay ACME 90")
        with serving(clerk.home) as site, visiting(browser, site.base, APPROVER) as seen:
            open_request(seen)
            page = seen.page
            page.get_by_text("let later calls like it run").focus()
            page.keyboard.press("Enter")
            assert seen.barriers() == []
            page.get_by_label("Later calls, at most 20").press_sequentially("0")  # beside the 1: ten
            page.get_by_label("amount in later calls").press_sequentially("up to")
            page.get_by_label("amount, in all at most").fill("5000")
            page.get_by_label("Why you grant it").fill("the usual bills")
            page.keyboard.press("Tab")
            page.keyboard.press("Enter")
            page.get_by_text("the answer does not count: policy does not permit the grant").wait_for()
            assert page.get_by_role("button", name="Approve this call").count() == 1
            page.get_by_text("let later calls like it run").click()
            page.get_by_label("amount in later calls").select_option("sum")
            page.get_by_label("amount, in all at most").fill("100")
            page.get_by_role("button", name="Approve with this grant").click()
            page.get_by_text("1 later call like it").wait_for()
            seen.complaints.clear()  # the browser notes that the first answer was refused
        clerk.go_on("bill")
        clerk.ask("bill", "Pay ACME 91")
        assert clerk.paid == ["90 to ACME", "91 to ACME"]
        clerk.ask("bill", "Pay ACME 92")
        assert clerk.paid == ["90 to ACME", "91 to ACME"], "the only use is used up"


def test_where_policy_permits_no_grant_none_is_offered(browser: Browser, clerk: Waiting, site: Served) -> None:
    with visiting(browser, site.base, APPROVER) as seen:
        open_request(seen)
        assert seen.page.get_by_text("let later calls like it run").count() == 0


def test_what_anybody_could_have_written_is_marked_untrusted(browser: Browser, tmp_path: Path) -> None:
    with waiting(tmp_path / "home", reads=True) as clerk:
        clerk.ask("bill", "Pay ACME the price of a solar panel")
        with serving(clerk.home) as site, visiting(browser, site.base, APPROVER) as seen:
            open_request(seen)
            assert "Untrusted: amount" in seen.text()
            rows = seen.page.get_by_role("region", name=re.compile("The call")).locator("tbody tr")
            amount, to = rows.filter(has_text="amount").inner_text(), rows.filter(has_text="ACME").inner_text()
            assert "untrusted" in amount
            assert "tool result search" in amount
            assert "untrusted" not in to
            assert "user prompt" in to


def test_a_call_of_hostile_text_is_shown_as_text_and_runs_as_it_was_shown(browser: Browser, tmp_path: Path) -> None:
    hostile = "<img src=x onerror=window.sentinel=1>"
    with waiting(tmp_path / "home", to=hostile) as clerk:
        clerk.ask(hostile, f"Pay {hostile} 90")
        with serving(clerk.home) as site, visiting(browser, site.base, APPROVER) as seen:
            open_request(seen)
            assert hostile in seen.page.get_by_role("region", name=re.compile("The call")).inner_text()
            assert seen.page.locator("img").count() == 0
            seen.page.get_by_role("button", name="Approve this call").click()
            seen.page.get_by_text("granted").first.wait_for()
            assert seen.page.locator("img").count() == 0
        clerk.go_on(hostile)
        assert clerk.paid == [f"90 to {hostile}"]


def test_an_argument_that_reads_otherwise_than_it_is_is_pointed_out(browser: Browser, tmp_path: Path) -> None:
    with waiting(tmp_path / "home", to="AC\u200bME\u202e") as clerk:
        clerk.ask("bill", "Pay AC\u200bME\u202e 90")
        with serving(clerk.home) as site, visiting(browser, site.base, APPROVER) as seen:
            open_request(seen)
            assert "Look twice: to holds characters that change the order" in seen.text()
            assert "AC\\u200bME\\u202e" in seen.page.get_by_role("region", name=re.compile("The call")).inner_text()


def test_a_viewer_sees_what_waits_and_has_nothing_to_press(browser: Browser, clerk: Waiting, site: Served) -> None:
    with visiting(browser, site.base, VIEWER) as seen:
        open_request(seen)
        assert seen.page.get_by_role("button", name=re.compile("this call")).count() == 0
        assert "takes an approver" in seen.text()


def test_an_answer_that_comes_too_late_says_so(browser: Browser, clerk: Waiting, site: Served) -> None:
    with visiting(browser, site.base, APPROVER) as early, visiting(browser, site.base, APPROVER) as late:
        open_request(early)
        open_request(late)
        early.page.get_by_role("button", name="Approve this call").click()
        early.page.get_by_text("granted").first.wait_for()
        late.page.get_by_role("button", name="Reject this call").click()
        late.page.get_by_text("not open any more").wait_for()
        late.complaints.clear()  # the browser notes that the answer was refused
    clerk.go_on("bill")
    assert clerk.paid == ["90 to ACME"]


def test_a_request_has_no_serious_barrier_and_fits_a_narrow_screen(
    browser: Browser, clerk: Waiting, site: Served
) -> None:
    for scheme, rules in (("light", ()), ("dark", ("color-contrast",))):
        size = {"width": 360, "height": 780}
        with visiting(browser, site.base, APPROVER, color_scheme=scheme, viewport=size) as seen:
            seen.go("/approvals")
            assert (seen.barriers(*rules), seen.overflows()) == ([], [])
            open_request(seen)
            assert (seen.barriers(*rules), seen.overflows()) == ([], [])


def test_a_new_request_is_counted_on_an_open_page(browser: Browser, tmp_path: Path) -> None:
    with waiting(tmp_path / "home", asks=2) as clerk, serving(clerk.home) as site:
        clerk.ask("bill", "Pay ACME 90")
        with visiting(browser, site.base, APPROVER) as seen:
            page = seen.go("/approvals")
            assert page.locator("tbody tr").count() == 1
            clerk.ask("next", "Pay ACME 91")
            page.locator("tbody tr").nth(1).wait_for()
            assert page.locator(".count").inner_text().startswith("2")
