"""Tools that a command is given as ``module:attribute``.

Invariant: the module is imported as Python does, and no tool of it is run.
"""

from __future__ import annotations

from typing import Any

from aisecops_langchain.cli.output import CommandError


def imported_tools(reference: str) -> list[Any]:
    """Import ``module:attribute``.

    Args:
        reference: The attribute is a list of tools, or a function that makes one.

    Returns:
        The tools.

    Raises:
        CommandError: If there is no such list.
    """
    import sys
    from importlib import import_module
    from pathlib import Path

    module_name, _, attribute = reference.partition(":")
    if not module_name or not attribute:
        raise CommandError("expected: MODULE:ATTRIBUTE, such as app.tools:TOOLS")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found = vars(import_module(module_name))[attribute]
    except ImportError as error:
        raise CommandError(f"module {module_name!r} cannot be imported: {type(error).__name__}") from error
    except KeyError as error:
        raise CommandError(f"module {module_name!r} has no attribute {attribute!r}") from error
    made = found() if callable(found) else found
    if not isinstance(made, list | tuple) or not made:
        raise CommandError(f"{reference} is no list of tools; got: {type(made).__name__}")
    return list(made)
