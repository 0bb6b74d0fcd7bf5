"""Public fakes for tests and demos: a scripted chat model, a fixed clock, stores in memory.

Invariant: a fake behaves as the real thing does at its port, errors included; none of them is used outside tests and
demos.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from aisecops_langchain.testing.clock import FixedClock
    from aisecops_langchain.testing.memory import MemoryLedger, MemorySink
    from aisecops_langchain.testing.model import ScriptedChatModel, call

_HOMES: Final = {
    "FixedClock": "clock",
    "MemoryLedger": "memory",
    "MemorySink": "memory",
    "ScriptedChatModel": "model",
    "call": "model",
}

__all__ = ["FixedClock", "MemoryLedger", "MemorySink", "ScriptedChatModel", "call"]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"{__name__}.{home}"), name)
