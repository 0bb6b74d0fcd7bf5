"""Lets these tests use the hand-made stories of forensics and the logs of the command line's tests."""

import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
for folder in ("forensics", "cli"):
    if str(TESTS / folder) not in sys.path:
        sys.path.append(str(TESTS / folder))

from page_fixtures import browser, homes, sites, visit  # noqa: E402, F401 - fixtures of the tests in a browser
