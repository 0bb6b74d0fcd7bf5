"""The policy that a suite runs under.

Invariant: the generated bundle is written from the tools' names alone, never from the tasks, and allows nothing but
those tools.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from aisecops_langchain.errors import ConfigurationError
from aisecops_langchain.evals.agentdojo.shapes import Suite
from aisecops_langchain.policy import Policy, load_policy, parse_policy


def agent_name(suite: Suite) -> str:
    """Name the agent of a suite as every bundle for it must know it.

    Args:
        suite: The suite.

    Returns:
        ``agentdojo-`` and the suite's name.
    """
    return f"agentdojo-{suite.name}"


def allow_all_text(suite: Suite) -> str:
    """Write the bundle that allows every tool of a suite with any arguments: the cost of the machinery alone.

    Args:
        suite: The suite.

    Returns:
        YAML with one capability and one rule.
    """
    name = agent_name(suite)
    bundle = {
        "version": 1,
        "id": f"{name}-allow-all",
        "agents": {name: {"capabilities": ["suite-tools"]}},
        "capabilities": {"suite-tools": {"tools": sorted(tool.name for tool in suite.tools)}},
        "rules": [{"id": "allow-suite-tools", "effect": "allow", "capabilities": ["suite-tools"]}],
    }
    return yaml.safe_dump(bundle, sort_keys=False)


def policy_for(suite: Suite, given: Path | None) -> Policy:
    """Choose the policy of a suite.

    Args:
        suite: The suite.
        given: A bundle for all suites, a directory with ``SUITE.yaml`` for each, or ``None`` to allow all its tools.

    Returns:
        The policy.

    Raises:
        ConfigurationError: If the directory has no bundle for the suite.
        PolicyError: If the bundle is malformed.
    """
    if given is None:
        return parse_policy(allow_all_text(suite), name=f"<generated for {suite.name}>")
    path = given / f"{suite.name}.yaml" if given.is_dir() else given
    if not path.is_file():
        raise ConfigurationError(
            f"no policy for the suite {suite.name}",
            expected=f"a file {path.name} in the policy directory",
            got="no such file",
            remedy="write it, or leave that suite out with --suite",
        )
    return load_policy(path)
