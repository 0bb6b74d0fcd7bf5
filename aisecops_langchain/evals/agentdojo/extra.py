"""The optional package behind these suites: there, or a clear error.

Invariant: importing this module needs nothing beyond the core; every other module of this folder needs the extra.
"""

from __future__ import annotations

from aisecops_langchain.errors import ConfigurationError


def require_agentdojo() -> None:
    """Make sure that AgentDojo can be imported, before anything that needs it is.

    Raises:
        ConfigurationError: If it is not installed.
    """
    try:
        import agentdojo  # noqa: F401
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "the AgentDojo suites are not installed",
            expected="the package agentdojo",
            got=f"no module named {error.name or 'agentdojo'}",
            remedy="pip install 'aisecops-langchain[eval]'",
        ) from error
