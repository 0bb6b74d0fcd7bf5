"""Who can use the page: by keyboard, by screen reader, on a narrow screen, in light and in dark."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest
from page_fixtures import Visits
from playwright.sync_api import Browser

from aisecops_langchain.cli.source import load_log
from aisecops_langchain.web.report import report_of
from aisecops_langchain.web.standing import standing_of

VIEWS = (
    "/",
    "/run?trace=run-one",
    "/run?trace=run-one&view=timeline",
    "/run?trace=run-one&view=graph&table=yes",
    "/run?trace=run-one&view=arguments",
    "/run?trace=run-one&view=calls",
    "/compare?first=run-one&second=run-two",
    "/blast-radius?source=supplier.md",
    "/blast-radius",
    "/measures",
    "/drift?before=2026-02-01",
    "/log",
    "/approvals",
    "/event?trace=run-one&event=run-one-010",
)


@pytest.mark.parametrize(("scheme", "rules"), [("light", ()), ("dark", ("color-contrast",))])  # only colours differ
def test_no_view_has_a_serious_barrier(visit: Visits, scheme: str, rules: tuple[str, ...]) -> None:
    with visit("hand_made", color_scheme=scheme) as seen:
        found = {}
        for path in VIEWS:
            page = seen.go(path)
            if "graph" in path:
                page.locator("[data-drawn]").wait_for()
            found[path] = seen.barriers(*rules)
        for path in ("/enter", "/run?trace=nobody"):
            seen.go(path)
            found[path] = seen.barriers(*rules)
        seen.complaints.clear()  # the browser notes that one of them was not found
        page = seen.go("/run?trace=run-one&view=timeline")
        page.locator("a[data-event]").nth(10).click()
        page.locator("#drawer[open] [aria-label='The exact line']").wait_for()
        found["drawer"] = seen.barriers(*rules)
        assert {path: barriers for path, barriers in found.items() if barriers} == {}


def test_every_view_has_one_heading_of_the_first_order_and_its_landmarks(visit: Visits) -> None:
    with visit("hand_made") as seen:
        for path in VIEWS:
            page = seen.go(path)
            assert page.get_by_role("heading", level=1).count() == 1, path
            for landmark in ("banner", "main", "contentinfo"):
                assert page.get_by_role(landmark).count() == 1, (path, landmark)  # type: ignore[arg-type]
            assert page.locator("table:not(:has(caption))").count() == 0, path


@pytest.mark.parametrize("home", ["hand_made", "hostile"])
def test_nothing_stands_out_at_360_pixels(visit: Visits, home: str) -> None:
    with visit(home, viewport={"width": 360, "height": 780}) as seen:
        page = seen.go("/")
        run = page.locator("tbody th a").first.get_attribute("href") or ""
        views = [path.replace("/run?trace=run-one", run) if path.startswith("/run?") else path for path in VIEWS]
        wide = {}
        for path in views:
            if home == "hostile" and path.startswith(("/compare", "/event")):
                continue  # it holds one run, of other names
            page = seen.go(path)
            if "graph" in path:
                page.locator("[data-drawn]").wait_for()
            wide[path] = seen.overflows()
        assert {path: found for path, found in wide.items() if found} == {}


def test_the_keyboard_alone_leads_from_the_list_to_an_event_and_back(visit: Visits) -> None:
    with visit("hand_made") as seen:
        page = seen.go("/")
        page.keyboard.press("Tab")
        assert page.locator(":focus").inner_text() == "Skip to the content"
        page.keyboard.press("Enter")
        page.wait_for_function("document.activeElement.id === 'main'")
        page.keyboard.press("j")
        page.keyboard.press("j")
        assert page.locator(":focus").inner_text() == page.locator("tbody th a").nth(1).inner_text()
        page.keyboard.press("k")
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile("/run"))
        page.get_by_label("Views of this run").get_by_role("link", name="Timeline").focus()
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile("view=timeline"))
        page.keyboard.press("j")
        opener = page.locator(":focus").inner_text()
        page.keyboard.press("Enter")
        drawer = page.locator("#drawer[open]")
        drawer.wait_for()
        inside = "document.activeElement.closest('#drawer') != null || document.activeElement === document.body"
        for _ in range(12):  # the focus stays in the drawer, or with the browser itself
            page.keyboard.press("Tab")
            assert page.evaluate(inside)
        page.keyboard.press("Escape")
        drawer.wait_for(state="detached")
        assert page.locator(":focus").inner_text() == opener


def test_the_focus_is_seen(visit: Visits) -> None:
    with visit("hand_made") as seen:
        page = seen.go("/")
        for _ in range(4):
            page.keyboard.press("Tab")
        style = "getComputedStyle(document.activeElement)"
        outline = page.evaluate(f"{style}.outlineStyle + {style}.outlineWidth")
        assert outline == "solid2px"


def test_shortcuts_are_listed_lead_to_rooms_and_leave_typing_alone(visit: Visits) -> None:
    with visit("hand_made") as seen:
        page = seen.go("/")
        page.keyboard.press("?")
        page.get_by_role("dialog", name="Keyboard").wait_for()
        page.keyboard.press("Escape")
        page.keyboard.press("/")
        page.keyboard.type("gmt?j")
        assert page.get_by_label("From").input_value() == "gmt?j"
        page.get_by_label("From").blur()
        page.keyboard.press("g")
        page.keyboard.press("m")
        page.wait_for_url(re.compile("/measures"))


def test_light_and_dark_follow_the_system_until_somebody_chooses(visit: Visits) -> None:
    colour = "getComputedStyle(document.body).backgroundColor"
    with visit("hand_made", color_scheme="dark") as seen:
        page = seen.go("/")
        dark = page.evaluate(colour)
        page.get_by_role("button", name="Light").click()
        light = page.evaluate(colour)
        assert light != dark
        page.reload()
        assert page.evaluate(colour) == light
        page.keyboard.press("t")
        assert page.evaluate(colour) == dark


LIGHT, DARK = "rgb(245, 246, 248)", "rgb(15, 20, 25)"


@pytest.mark.parametrize(
    ("system", "chosen", "colour"),
    [("light", None, LIGHT), ("dark", None, DARK), ("light", "dark", DARK), ("dark", "light", LIGHT)],
)
def test_the_colours_are_those_of_the_system_or_of_the_choice_and_on_paper_light(
    visit: Visits, system: str, chosen: str | None, colour: str
) -> None:
    with visit("hand_made", color_scheme=system) as seen:
        page = seen.go("/run?trace=run-one&view=graph")
        page.locator("[data-drawn]").wait_for()
        if chosen:
            page.get_by_role("button", name=chosen.capitalize(), exact=True).click()
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == colour
        drawn = page.evaluate("import('/static/js/looks.js').then(({ looks }) => looks()[0].style.color)")
        assert drawn == page.evaluate("getComputedStyle(document.body).color"), "the drawing has the page's colours"
        page.emulate_media(media="print")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == LIGHT


@pytest.mark.parametrize(("system", "colour"), [("light", LIGHT), ("dark", DARK)])
def test_the_report_has_the_colours_of_the_system_and_on_paper_light(
    browser: Browser, homes: Callable[[str], Path], tmp_path: Path, system: Literal["light", "dark"], colour: str
) -> None:
    log = load_log(homes("hand_made"))
    told = standing_of(log.parts[0].report, at=datetime.now(UTC), unreadable=0, alarms=(), again=False)
    file = tmp_path / "report.html"
    file.write_text(report_of(log.traces[0], told, written=datetime.now(UTC)), encoding="utf-8")
    page = browser.new_page(color_scheme=system)
    page.goto(file.as_uri())
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == colour
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == LIGHT
    page.close()
