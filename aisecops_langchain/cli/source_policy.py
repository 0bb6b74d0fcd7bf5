"""Loads policy bundles for commands.

Invariant: a bundle that is not sound ends the command with file and line of every fault, and exit code 1; so does one
that is kept under a digest that it does not have. A bundle that is not there was not looked at: exit code 2.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from aisecops_langchain.cli.output import UnsoundError
from aisecops_langchain.errors import PolicyError

if TYPE_CHECKING:
    from aisecops_langchain.policy import Policy

FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
"""An argument or option that names a file to be read."""


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


def kept_by(path: Path) -> list[Policy]:
    """Load the bundles that were in force in a home.

    Args:
        path: The home, its log directory or a segment of it; what lies elsewhere has none.

    Returns:
        The policies.

    Raises:
        UnsoundError: If one of them was changed.
    """
    from aisecops_langchain.cli.source import LOG_FOLDER, find_log
    from aisecops_langchain.policy.kept import KEPT, kept_policies

    log = find_log(path).absolute()
    directory = log if log.is_dir() else log.parent
    if directory.name != LOG_FOLDER:
        return []
    try:
        return [*kept_policies(directory.parent / KEPT)]
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
