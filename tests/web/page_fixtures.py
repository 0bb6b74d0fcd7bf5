"""Fixtures of the tests in a browser: logs made once in a session; a browser and servers made once in a module."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import page_kit
import pytest
from page_browser import Visit, running_chromium, visiting
from page_site import APPROVER, Served, serving
from playwright.sync_api import Browser

Visits = Callable[..., AbstractContextManager[Visit]]


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Governance homes by the name of what happened in them; each is made when it is first asked for."""
    folder = tmp_path_factory.mktemp("homes")

    @cache
    def home(name: str) -> Path:
        if name in ("tampered", "truncated"):
            return getattr(page_kit, name)(folder / name, home("hand_made"))  # type: ignore[no-any-return]
        return getattr(page_kit, name)(folder / name)  # type: ignore[no-any-return]

    return home


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_chromium() as running:
        yield running


@pytest.fixture(scope="module")
def sites(homes: Callable[[str], Path]) -> Iterator[Callable[[str], Served]]:
    """Sites by the name of their home."""
    with ExitStack() as stack:
        yield cache(lambda name: stack.enter_context(serving(homes(name))))


@pytest.fixture
def visit(browser: Browser, sites: Callable[[str], Served]) -> Visits:
    """Visit the site of a home: ``with visit("stories") as seen``."""

    def at(name: str, *, token: str = APPROVER, **context: Any) -> AbstractContextManager[Visit]:
        return visiting(browser, sites(name).base, token, **context)

    return at
