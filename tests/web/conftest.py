"""Lets these tests use the stories of forensics and of the golden logs, and the logs of the command line's tests."""

import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
for folder in ("forensics", "cli", "golden"):
    if str(TESTS / folder) not in sys.path:
        sys.path.append(str(TESTS / folder))

from page_fixtures import browser, homes, sites, visit  # noqa: E402, F401 - fixtures of the tests in a browser
