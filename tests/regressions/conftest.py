"""Fixtures of the regression tests: the same governed office as the adapter tests have, sync and async."""

from __future__ import annotations

import sys
from pathlib import Path

for kit in ("adapters", "runtime", "deepagents"):
    sys.path.append(str(Path(__file__).parents[1] / kit))  # shares their kits

from office_fixtures import driver, light, office, quick  # noqa: E402 - found through the line above

__all__ = ["driver", "light", "office", "quick"]
