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
