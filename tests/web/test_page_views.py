"""Every view in a real browser: what it shows, that its address holds its state, and that its parts work."""

from __future__ import annotations

import re

import pytest
from page_browser import Visit
from page_fixtures import Visits

from aisecops_langchain.web import longwork

LIST = "tbody tr"


def first_run(seen: Visit, agent: str = "") -> str:
    """The run at the top of the list, as the address of its page names it."""
    seen.go(f"/?agent={agent}")
    address = seen.page.locator(f"{LIST} th a").first.get_attribute("href")
    assert address is not None
    return address


def test_the_list_shows_runs_and_its_filters_stand_in_the_address(visit: Visits) -> None:
    with visit("stories") as seen:
        page = seen.go("/")
        assert page.locator(LIST).count() == 6
        page.get_by_label("Agent").fill("researcher")
        page.get_by_role("button", name="Filter").click()
        page.wait_for_url(re.compile("agent=researcher"))
        assert page.locator(LIST).count() == 1
        assert page.get_by_label("Agent").input_value() == "researcher"
        page.get_by_role("link", name="Clear").click()
        page.wait_for_url(f"{seen.base}/")
        assert page.locator(LIST).count() == 6


NARROWED = {
    "decision=deny": 3,
    "decision=require_approval": 1,
    "tool=send_mail": 2,
    "trust=untrusted": 6,
    "tenant=acme": 6,
    "tenant=nobody": 0,
    "text=forged-letter": 1,
    "since=2020-01-01&until=2020-02-01": 0,
    "since=2020-01-01": 6,
}


def test_each_filter_narrows_the_list(visit: Visits) -> None:
    with visit("stories") as seen:
        assert {query: seen.go(f"/?{query}").locator(LIST).count() for query in NARROWED} == NARROWED


def test_the_list_goes_on_page_by_page(visit: Visits) -> None:
    with visit("stories") as seen:
        page = seen.go("/?limit=4")
        assert page.locator(LIST).count() == 4
        page.get_by_role("link", name="Next").click()
        page.wait_for_url(re.compile("offset=4"))
        assert page.locator(LIST).count() == 2
        assert "5–6 of 6" in seen.text(".pages")


def test_a_run_tells_what_it_came_to(visit: Visits) -> None:
    with visit("hand_made") as seen:
        page = seen.go("/run?trace=run-one")
        assert "procurement for alice of acme" in seen.text()
        denied = page.get_by_role("region", name="Denied calls")
        assert "no capability grants export_data" in denied.inner_text()
        assert "bob" in page.get_by_role("region", name="Asked of people").inner_text()
        for view, words in (
            ("Timeline", "A person is asked to approve pay_invoice"),
            ("Arguments", "no call with arguments"),
            ("Calls", "as planned"),
            ("Graph", "Execution graph"),
        ):
            page.get_by_label("Views of this run").get_by_role("link", name=view).click()
            page.wait_for_url(re.compile(f"view={view.lower()}"))
            assert words in seen.text()


def test_the_timeline_narrows_to_a_stage(visit: Visits) -> None:
    with visit("hand_made") as seen:
        page = seen.go("/run?trace=run-one&view=timeline")
        assert page.locator(LIST).count() == 24
        page.get_by_label("Stage").select_option("decision")
        page.get_by_role("button", name="Filter").click()
        page.wait_for_url(re.compile("stage=decision"))
        assert page.locator(LIST).count() == 2


def test_a_poisoned_argument_shows_where_it_may_come_from(visit: Visits) -> None:
    with visit("stories") as seen:
        seen.go("/?text=forged-letter")
        address = seen.page.locator(f"{LIST} th a").first.get_attribute("href")
        page = seen.go(f"{address}&view=arguments")
        row = page.locator(LIST, has_text="Mallory").first
        assert "untrusted" in row.inner_text()
        row.get_by_role("link", name="forged-letter").click()
        page.wait_for_url(re.compile("/blast-radius"))
        assert "Mallory" in page.get_by_role("region", name="Calls that followed").inner_text()


def test_the_blast_radius_is_found_by_name_and_a_stranger_is_said_to_be_unknown(visit: Visits) -> None:
    with visit("stories") as seen:
        page = seen.go("/blast-radius")
        page.get_by_label("Source", exact=True).fill("newsletter")
        page.get_by_role("button", name="Find").click()
        page.wait_for_url(re.compile("source=newsletter"))
        assert "send_mail" in page.get_by_role("region", name="Calls that followed").inner_text()
        seen.go("/blast-radius?source=nothing-of-the-kind")
        assert "No source in this log goes by" in seen.text()


def test_two_runs_stand_side_by_side(visit: Visits) -> None:
    with visit("stories") as seen:
        page = seen.go("/?decision=deny")
        addresses = [item.get_attribute("href") or "" for item in page.locator(f"{LIST} th a").all()]
        first, second = (address.partition("trace=")[2] for address in addresses[:2])
        seen.go(f"/compare?first={first}")
        page.get_by_label("Second").fill(second)
        page.get_by_role("button", name="Compare").click()
        page.wait_for_url(re.compile(f"second={second}"))
        assert "differs" in page.get_by_role("group", name="The two runs").inner_text()
        page.get_by_role("link", name="Swap").click()
        page.wait_for_url(re.compile(f"first={second}"))


def test_the_graph_is_drawn_and_the_table_says_the_same(visit: Visits) -> None:
    with visit("hand_made") as seen:
        page = seen.go("/run?trace=run-one&view=graph")
        page.locator("[data-drawn]").wait_for()
        drawn = int(page.locator("[data-drawn]").get_attribute("data-drawn") or "")
        page.get_by_text("The graph as tables").click()
        assert page.get_by_role("group", name="Nodes of the graph").locator(LIST).count() == drawn
        about = page.locator("[data-about]")
        page.get_by_label("Show").select_option("acts")
        assert re.match(r"(\d+) of", about.inner_text()) is not None
        assert int(about.inner_text().split()[0]) < drawn
        page.get_by_label("Layout").select_option("tree")
        page.reload()
        page.locator("[data-drawn]").wait_for()
        assert (page.get_by_label("Show").input_value(), page.get_by_label("Layout").input_value()) == ("acts", "tree")
        page.get_by_label("Find").fill("pay_invoice")
        assert "hold" in about.inner_text()


def test_a_long_run_is_drawn_and_what_was_left_out_can_be_had(visit: Visits) -> None:
    with visit("long_run") as seen:
        page = seen.go("/run?trace=long-run&view=graph")
        page.locator("[data-drawn]").wait_for()
        drawn, whole = (int(number) for number in re.findall(r"(\d+) of (\d+) nodes", seen.text("[data-about]"))[0])
        assert 0 < drawn < whole
        page.get_by_label("Show").select_option("all")
        assert f"{whole} of {whole} nodes" in seen.text("[data-about]")
        seen.go("/run?trace=long-run&view=timeline")
        assert page.locator(LIST).count() == 200
        assert "1–200 of 1000" in seen.text(".pages")


def test_the_calls_of_a_long_run_go_on_page_by_page_and_narrow_to_a_verdict(visit: Visits) -> None:
    with visit("long_run") as seen:
        page = seen.go("/run?trace=long-run&view=calls")
        assert page.locator(LIST).count() == 100
        page.get_by_role("link", name="Next").click()
        page.wait_for_url(re.compile("offset=100"))
        assert "ACME 100" in page.locator(LIST).first.inner_text()
        refused = page.get_by_role("navigation", name="Calls by verdict").get_by_role("link", name="refused")
        refused.focus()
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile("verdict=refused"))
        assert all("refused" in row.inner_text() for row in page.locator(LIST).all())
        assert (seen.barriers(), seen.overflows()) == ([], [])


@pytest.mark.parametrize("view", ["calls", "arguments"])
def test_every_column_of_a_call_is_seen_on_a_narrow_screen(visit: Visits, view: str) -> None:
    with visit("stories", viewport={"width": 360, "height": 780}) as seen:
        seen.go("/?decision=deny")
        address = seen.page.locator(f"{LIST} th a").first.get_attribute("href")
        page = seen.go(f"{address}&view={view}")
        names = {"calls": "Verdict", "arguments": "Became"}
        last = page.locator(f"{LIST} [data-name={names[view]}]").first.bounding_box()
        assert last is not None
        assert 0 <= last["x"] <= last["x"] + last["width"] <= 360


def test_an_event_opens_in_the_drawer_with_its_exact_line_and_proof(visit: Visits) -> None:
    with visit("hand_made") as seen:
        page = seen.go("/run?trace=run-one&view=timeline")
        link = page.get_by_role("link", name="was denied by")
        link.click()
        drawer = page.get_by_role("dialog", name="Decision made")
        drawer.wait_for()
        assert "vouched for" in drawer.inner_text()
        assert '"effect":"deny"' in drawer.get_by_label("The exact line").inner_text()
        page.wait_for_url(re.compile("event=run-one-"))
        page.keyboard.press("Escape")
        drawer.wait_for(state="hidden")
        page.wait_for_url(lambda url: "event=" not in url)  # a dialog tells of its end only after it has gone
        page.wait_for_function("(element) => element === document.activeElement", arg=link.element_handle())
        page.go_back()
        drawer.wait_for()
        page.reload()
        drawer.wait_for()


def test_without_script_an_event_is_a_page_of_its_own(visit: Visits) -> None:
    with visit("hand_made", java_script_enabled=False) as seen:
        page = seen.go("/run?trace=run-one&view=timeline")
        page.get_by_role("link", name="was denied by").click()
        page.wait_for_url(re.compile("/event"))
        assert "Exact line" in seen.text()


def test_the_measures_add_up_the_runs(visit: Visits) -> None:
    with visit("hand_made") as seen:
        seen.go("/measures")
        figures = re.sub(r"\s+", " ", seen.text(".figures"))
        assert "Runs 2" in figures
        assert "Denials 2" in figures
        assert "Injection findings 2" in figures


def test_drift_compares_two_windows(visit: Visits) -> None:
    with visit("stories") as seen:
        page = seen.go("/drift")
        page.get_by_label("Earlier window ends").fill("2020-01-01")
        page.get_by_role("button", name="Compare").click()
        page.wait_for_url(re.compile("before="))
        assert "Runs after 6" in re.sub(r"\s+", " ", seen.text(".figures"))


def test_history_is_decided_again_under_a_bundle_at_hand(visit: Visits) -> None:
    with visit("stories") as seen:
        page = seen.go("/drift")
        page.get_by_label("Decide history again under").select_option("closed office")
        page.get_by_role("button", name="Decide").click()
        page.wait_for_url(re.compile("policy=closed"))
        rows = page.get_by_role("group", name="Decisions that change").locator(LIST)
        assert rows.count() > 0
        for text in rows.all_inner_texts():
            assert "newly denied" in text
            assert "search" in text or "ask_researcher" in text


def test_what_takes_long_is_said_to_be_worked_out_and_then_there(
    visit: Visits, monkeypatch: pytest.MonkeyPatch
) -> None:
    with visit("stories") as seen:
        monkeypatch.setattr(longwork, "_WAIT_SECONDS", 0.0)
        page = seen.go("/drift?policy=office")
        page.get_by_text("come out as recorded").wait_for()


def test_a_delegated_run_names_the_one_that_sent_it(visit: Visits) -> None:
    with visit("stories") as seen:
        page = seen.go(first_run(seen, "researcher"))
        assert "Sent by" in seen.text()
        page.locator(".facts a.mono").first.click()
        page.get_by_text("clerk for ann of acme").wait_for()
        assert "Sent on" in seen.text()


def test_whoever_signs_out_is_asked_for_the_token_again(visit: Visits) -> None:
    with visit("hand_made") as seen:
        page = seen.go("/")
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url(re.compile("/enter"))
        seen.go("/run?trace=run-one")
        assert page.get_by_role("heading", level=1).inner_text() == "Sign in to Replay Audit"
        assert "procurement" not in page.content()


def test_what_is_not_there_is_said_in_words(visit: Visits) -> None:
    with visit("hand_made") as seen:
        page = seen.go("/run?trace=nobody")
        assert page.get_by_role("heading", level=1).inner_text() == "Not found"
        seen.complaints.clear()  # the browser notes that the answer was 404, which is what was asked for
