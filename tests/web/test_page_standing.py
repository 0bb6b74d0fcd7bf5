"""Whether the log can be trusted is said on top of every page, and what is new arrives by itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from page_browser import visiting
from page_fixtures import Visits
from page_kit import hand_made, write_log
from page_site import APPROVER, serving
from playwright.sync_api import Browser, Route
from trace_factory import allowed_story

PAGES = (
    "/",
    "/run?trace=run-one",
    "/run?trace=run-one&view=timeline",
    "/run?trace=run-one&view=graph",
    "/run?trace=run-one&view=arguments",
    "/run?trace=run-one&view=calls",
    "/compare",
    "/blast-radius",
    "/measures",
    "/drift",
    "/log",
    "/approvals",
)


@pytest.mark.parametrize(("home", "code"), [("tampered", "chain"), ("truncated", "tail_cut")])
def test_a_damaged_log_is_announced_on_top_of_every_page(visit: Visits, home: str, code: str) -> None:
    with visit(home) as seen:
        for path in PAGES:
            page = seen.go(path)
            alert = page.get_by_role("alert")
            alert.wait_for()
            assert "does not verify" in alert.inner_text()
            assert code in alert.inner_text()
            assert alert.bounding_box()["y"] < page.locator("h1").bounding_box()["y"]  # type: ignore[index]
        page = seen.go("/run?trace=run-one&view=timeline")
        page.locator("a[data-event]").nth(3).click()
        page.locator("#drawer[open]").wait_for()
        seen.go("/log")
        assert code.replace("_", " ") in seen.text()


def test_a_sound_log_has_no_banner(visit: Visits) -> None:
    with visit("hand_made") as seen:
        page = seen.go("/")
        page.get_by_text("The log verified").wait_for()
        assert page.locator(".banner").count() == 0


def test_a_changed_line_is_not_vouched_for_in_the_drawer(visit: Visits) -> None:
    with visit("tampered") as seen:
        page = seen.go("/run?trace=run-one&view=timeline")
        page.locator("a[data-event]", has_text="export_data").last.click()
        drawer = page.locator("#drawer[open]")
        drawer.get_by_text("not vouched for").wait_for()


def test_a_new_run_appears_and_is_announced_without_reloading(browser: Browser, tmp_path: Path) -> None:
    home = hand_made(tmp_path)
    with serving(home) as site, visiting(browser, site.base, APPROVER) as seen:
        page = seen.go("/")
        assert page.locator("tbody tr").count() == 2
        page.evaluate("window.same = true")
        write_log(home, allowed_story("run-three").events)
        page.get_by_role("link", name="run-three").wait_for()
        page.get_by_role("status").filter(has_text="updated").wait_for(state="attached")
        assert page.evaluate("window.same") is True


def test_whoever_reads_a_row_is_asked_before_the_page_changes(browser: Browser, tmp_path: Path) -> None:
    home = hand_made(tmp_path)
    with serving(home) as site, visiting(browser, site.base, APPROVER) as seen:
        page = seen.go("/")
        page.locator("tbody th a").first.focus()
        write_log(home, allowed_story("run-three").events)
        page.get_by_role("button", name="Show").click()
        page.get_by_role("link", name="run-three").wait_for()


def test_what_happened_before_the_stream_was_open_arrives_all_the_same(browser: Browser, tmp_path: Path) -> None:
    home = hand_made(tmp_path)
    with serving(home) as site, visiting(browser, site.base, APPROVER) as seen:

        def late(route: Route) -> None:
            write_log(home, allowed_story("run-three").events)
            while "run-three" not in seen.context.request.get(f"{site.base}/api/traces").text():
                pass
            route.continue_()

        seen.page.route("**/api/live*", late, times=1)
        seen.go("/").get_by_role("link", name="run-three").wait_for()


def test_a_graph_grows_with_its_run(browser: Browser, tmp_path: Path) -> None:
    events = allowed_story("run-one").events
    home = write_log(tmp_path, events[:3])
    with serving(home) as site, visiting(browser, site.base, APPROVER) as seen:
        page = seen.go("/run?trace=run-one&view=graph")
        page.locator("[data-drawn]").wait_for()
        before = int(page.locator("[data-drawn]").get_attribute("data-drawn") or "")
        write_log(tmp_path, events[3:])
        page.locator(f"[data-drawn]:not([data-drawn='{before}'])").wait_for()
        assert int(page.locator("[data-drawn]").get_attribute("data-drawn") or "") > before


def test_damage_while_the_page_is_open_shows_by_itself(browser: Browser, tmp_path: Path) -> None:
    home = hand_made(tmp_path)
    with serving(home) as site, visiting(browser, site.base, APPROVER) as seen:
        page = seen.go("/")
        page.get_by_text("The log verified").wait_for()
        (segment,) = (home / "audit").glob("*.jsonl")
        segment.write_bytes(b"".join(segment.read_bytes().splitlines(keepends=True)[:-3]))
        page.get_by_role("alert").filter(has_text="does not verify").wait_for()
