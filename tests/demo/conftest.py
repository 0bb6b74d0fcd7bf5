"""One finished run of the demo, to be looked at from all sides."""

from __future__ import annotations

import sys
from pathlib import Path

import orjson
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from demo_kit import Finished, aisecops


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The demo as a script runs it; nobody may change its home."""
    cwd = tmp_path_factory.mktemp("demo")
    result = aisecops(cwd, "demo", "--json")
    assert (result.returncode, result.stderr) == (0, "")
    return Finished(cwd, orjson.loads(result.stdout))
