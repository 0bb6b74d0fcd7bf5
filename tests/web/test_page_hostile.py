"""A log is written about hostile content: whatever stands in it is shown as text, in every view and in the report."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from page_browser import Visit
from page_fixtures import Visits
from page_kit import PAYLOADS
from playwright.sync_api import Browser

from aisecops_langchain.audit import VerifyReport
from aisecops_langchain.cli.source import load_log
from aisecops_langchain.web.report import report_of
from aisecops_langchain.web.standing import Standing, standing_of

VIEWS = ("overview", "timeline", "graph", "arguments", "calls")


def standing(report: VerifyReport) -> Standing:
    return standing_of(report, at=datetime.now(UTC), unreadable=0, alarms=(), again=False)


def hostile_run(seen: Visit) -> str:
    seen.go("/")
    address = seen.page.locator("tbody th a").first.get_attribute("href")
    assert address is not None
    return address


def no_foreign_markup(seen: Visit) -> None:
    """Nothing of a payload became an element, and every script is one of ours."""
    assert seen.page.locator("img, iframe, object, embed, [onerror], [onload], [href^='javascript:']").count() == 0
    sources = seen.page.evaluate("[...document.scripts].map((script) => script.getAttribute('src'))")
    assert all(source and source.startswith("/static/js/") for source in sources), sources


def test_no_view_of_a_run_takes_text_for_markup(visit: Visits) -> None:
    with visit("hostile") as seen:
        address = hostile_run(seen)
        no_foreign_markup(seen)
        for view in VIEWS:
            seen.go(f"{address}&view={view}")
            no_foreign_markup(seen)
            assert view == "graph" or "window.sentinel=1" in seen.text()
        seen.go(f"{address}&view=graph")
        seen.page.locator("[data-drawn]").wait_for()
        seen.page.get_by_label("Find").fill(PAYLOADS[0])
        no_foreign_markup(seen)


def test_every_event_in_the_drawer_is_text(visit: Visits) -> None:
    with visit("hostile") as seen:
        page = seen.go(f"{hostile_run(seen)}&view=timeline")
        links = page.locator("tbody a[data-event]")
        drawer = page.locator("#drawer[open]")
        for number in range(links.count()):
            links.nth(number).click()
            drawer.get_by_label("The exact line").wait_for()
            assert "window.sentinel=1" in drawer.inner_text()
            no_foreign_markup(seen)
            page.keyboard.press("Escape")
            drawer.wait_for(state="detached")


def test_no_view_over_runs_takes_text_for_markup(visit: Visits) -> None:
    with visit("hostile") as seen:
        for path in ("/measures", "/blast-radius", "/log", "/compare", "/drift?before=2020-01-01"):
            seen.go(path)
            no_foreign_markup(seen)


def test_no_parameter_becomes_markup(visit: Visits) -> None:
    with visit("hand_made") as seen:
        for payload in PAYLOADS:
            for path in ("/?text={}", "/blast-radius?source={}", "/compare?first={}", "/run?trace={}"):
                seen.go(path.format(quote(payload)))
                no_foreign_markup(seen)
        seen.complaints[:] = [said for said in seen.complaints if "status of 404" not in said]


def test_the_policy_of_the_page_refuses_a_script_that_gets_in(visit: Visits) -> None:
    with visit("hand_made") as seen:
        page = seen.go("/")
        page.evaluate(
            """() => {
              const script = document.createElement("script");
              const style = document.createElement("style");
              style.textContent = "body { display: none }";
              document.head.append(script, style);
              try { script.textContent = "window.sentinel = 1" } catch { window.refused = true }
            }"""
        )
        assert page.evaluate("window.refused") is True
        assert page.locator("h1").is_visible()
        assert any("style-src" in said for said in seen.complaints)
        seen.complaints.clear()


def test_the_report_holds_no_script_and_fetches_nothing(
    browser: Browser, homes: Callable[[str], Path], tmp_path: Path
) -> None:
    log = load_log(homes("hostile"))
    told = standing(log.parts[0].report)
    file = tmp_path / "report.html"
    file.write_text(report_of(log.traces[0], told, written=datetime.now(UTC)), encoding="utf-8")
    page = browser.new_page(viewport={"width": 360, "height": 800})
    requests: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda said: complaints.append(said.text))
    page.goto(file.as_uri())
    assert page.evaluate("document.scripts.length") == 0
    assert page.evaluate("window.sentinel") is None
    assert [url for url in requests if not url.startswith(("file:", "data:image/svg+xml"))] == []
    assert complaints == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.evaluate("[...document.images].every((image) => image.naturalWidth > 0)")
    assert "window.sentinel=1" in page.locator("#timeline").inner_text()
    page.close()


def test_the_report_of_a_damaged_log_says_so_on_top(homes: Callable[[str], Path]) -> None:
    log = load_log(homes("tampered"))
    told = standing(log.parts[0].report)
    text = report_of(log.traces[0], told, written=datetime.now(UTC))
    assert text.index("This log does not verify") < text.index("<main")
