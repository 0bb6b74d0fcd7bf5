"""Which suites there are.

Invariant: the suites are AgentDojo's own, of one fixed version.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final, cast

from agentdojo.task_suite.load_suites import get_suites

from aisecops_langchain.errors import ConfigurationError
from aisecops_langchain.evals.agentdojo.shapes import Suite

BENCHMARK: Final = "v1.2.2"
"""The version of the suites; another one holds other tasks."""


def load_suites(names: Sequence[str] = ()) -> dict[str, Suite]:
    """Load suites by name.

    Args:
        names: The suites wanted, in order; none means all.

    Returns:
        The suites by name.

    Raises:
        ConfigurationError: If there is no suite of that name.
    """
    known = _all_suites()
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise ConfigurationError(
            "unknown suite", expected=", ".join(known), got=", ".join(unknown), remedy="name one of those"
        )
    return {name: known[name] for name in names or known}


@lru_cache(maxsize=1)
def _all_suites() -> Mapping[str, Suite]:
    return cast("Mapping[str, Suite]", get_suites(BENCHMARK))
