"""A real Chromium, and visits to a site in it that notice whatever a page should not do."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

ARGUMENTS: Final = (
    "--no-sandbox",  # runs as root in containers
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
AXE: Final = (Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
WAIT_MS: Final = int(os.environ.get("AISECOPS_TEST_WAIT_MS", "60000"))
"""For a busy machine; no test waits so long unless something is wrong."""


def chromium_path() -> str:
    """Where Chromium is; skips where there is none, unless ``AISECOPS_TEST_CHROMIUM`` says that there must be."""
    given = os.environ.get("AISECOPS_TEST_CHROMIUM")
    if given:
        assert Path(given).is_file(), f"AISECOPS_TEST_CHROMIUM names no file: {given}"
        return given
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("no Chromium on this machine; .ci/run installs it")
    return found


@contextmanager
def running_chromium() -> Iterator[Browser]:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium_path(), args=list(ARGUMENTS))
        yield browser
        browser.close()


@dataclass
class Visit:
    """One person's browser at a site."""

    base: str
    context: BrowserContext
    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    """Errors that the browser noted: refused by the content security policy, thrown by a script, not found."""

    def go(self, path: str) -> Page:
        self.page.goto(f"{self.base}{path}")
        return self.page

    def text(self, selector: str = "main") -> str:
        return self.page.locator(selector).first.inner_text()

    def overflows(self) -> list[str]:
        """What stands out to the right of the window, if the page can be moved sideways."""
        found: list[str] = self.page.evaluate(
            """() => document.documentElement.scrollWidth <= innerWidth ? [] :
            [...document.querySelectorAll("body *")].filter((e) => !e.closest(".scroll, .canvas") &&
            e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.outerHTML.slice(0, 120))"""
        )
        return found

    def barriers(self, *rules: str) -> list[str]:
        """What axe-core calls serious or critical; by these rules alone, if any are given."""
        self.page.evaluate(AXE)
        options = {"resultTypes": ["violations"], **({"runOnly": list(rules)} if rules else {})}
        result: dict[str, Any] = self.page.evaluate("(options) => axe.run(document, options)", options)
        return [
            f"{item['impact']} {item['id']}: {node['target']} {node['failureSummary']}"
            for item in result["violations"]
            if item["impact"] in ("serious", "critical")
            for node in item["nodes"]
        ]


@contextmanager
def visiting(browser: Browser, base: str, token: str, **context: Any) -> Iterator[Visit]:
    """Sign in, and check at the end that no page did what none may do."""
    settled = {
        "viewport": {"width": 1280, "height": 900},
        "reduced_motion": "reduce",
    }  # what fades in has other colours
    made = browser.new_context(**{**settled, **context})
    made.set_default_timeout(WAIT_MS)
    page = made.new_page()
    visit = Visit(base, made, page)
    made.on("request", lambda request: visit.requests.append(request.url))
    page.on("console", lambda said: visit.complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    page.on("dialog", lambda dialog: (visit.complaints.append(f"dialog {dialog.message}"), dialog.dismiss()))
    try:
        visit.go(f"/enter?token={token}")
        yield visit
        assert page.evaluate("window.sentinel") is None
        foreign = [url for url in visit.requests if not url.startswith((f"{base}/", "data:", "blob:"))]
        assert foreign == []
        assert visit.complaints == []
    finally:
        made.close()
