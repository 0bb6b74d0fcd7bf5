"""The optional packages behind the demo: there, or a clear error.

Invariant: importing this module needs nothing beyond the core.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Final

from aisecops_langchain.errors import ConfigurationError

_NEEDED: Final = ("langchain_community", "rank_bm25", "langgraph.checkpoint.sqlite")


def require_demo() -> None:
    """Make sure that everything that the demo imports is installed.

    Raises:
        ConfigurationError: If a package is missing.
    """
    missing = _missing(_NEEDED)
    if missing:
        raise ConfigurationError(
            "the demo is not fully installed",
            expected=f"the modules {', '.join(_NEEDED)}",
            got=f"no module named {', '.join(missing)}",
            remedy="pip install 'aisecops-langchain[demo]'",
        )


def require_model_provider() -> None:
    """Make sure that a chat model can be made from its name.

    Raises:
        ConfigurationError: If LangChain's package for that is missing.
    """
    if _missing(("langchain",)):
        raise ConfigurationError(
            "a model cannot be chosen by name",
            expected="the package langchain, and the one of the model's provider",
            got="no module named langchain",
            remedy="pip install langchain langchain-openai (or another provider), or leave --model out",
        )


def _missing(modules: Sequence[str]) -> list[str]:
    return [name for name in modules if not _is_there(name)]


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # a parent package is missing
        return False
