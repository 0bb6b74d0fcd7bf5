"""Loads policy bundles for commands.

Invariant: a bundle that is not sound ends the command with file and line of every fault, and exit code 1.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aisecops_langchain.cli.output import UnsoundError
from aisecops_langchain.errors import PolicyError

if TYPE_CHECKING:
    from aisecops_langchain.policy import Policy


def load(file: Path) -> Policy:
    """Load a bundle.

    Args:
        file: Its path.

    Returns:
        The policy.

    Raises:
        UnsoundError: If it is not sound.
    """
    from aisecops_langchain.policy import load_policy

    try:
        return load_policy(file)
    except PolicyError as error:
        raise UnsoundError(str(error)) from error


def require_inspectable(policy: Policy) -> None:
    """Check that content can be inspected as a bundle asks: that its packs are there and its categories exist.

    Args:
        policy: The policy.

    Raises:
        UnsoundError: If it cannot.
    """
    from aisecops_langchain.domain.inspection import DEFAULT_INSPECTION

    if policy.inspection == DEFAULT_INSPECTION:
        return  # nothing to look for, and the rule packs take time to load
    from aisecops_langchain.runtime.content.inspectors import Inspectors

    try:
        Inspectors(any_entity=True).of(policy)
    except PolicyError as error:
        raise UnsoundError(str(error)) from error
