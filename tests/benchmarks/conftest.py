"""Lets the benchmarks of the page use the logs and the browser of its tests."""

import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
for folder in ("forensics", "cli", "golden", "web"):
    if str(TESTS / folder) not in sys.path:
        sys.path.append(str(TESTS / folder))
