"""Kills its own process at the n-th moment around a write: of a checkpoint, to store or ledger, or of an effect."""

from __future__ import annotations

import os
import signal
from itertools import count

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from aisecops_langchain.runtime.ledger.sqlite import SqliteLedger
from aisecops_langchain.runtime.ports import Table


def die_at(moment: int, around: str = "checkpoints") -> None:
    """Arm this process: before and after each write there is one moment, counted from 0.

    Args:
        moment: When to die.
        around: Which writes count: ``checkpoints``, or ``effects`` in the ledger.
    """
    moments = count()

    def pass_by() -> None:
        if next(moments) == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    if around == "effects":
        _watch_ledger(Table.EFFECTS, pass_by)
        return
    for name in ("put", "put_writes"):
        setattr(SqliteSaver, name, _watched(getattr(SqliteSaver, name), pass_by))
        setattr(AsyncSqliteSaver, f"a{name}", _async_watched(getattr(AsyncSqliteSaver, f"a{name}"), pass_by))
    _watch_ledger(Table.CHECKPOINTS, pass_by)


def _watch_ledger(table: Table, pass_by) -> None:
    honest = SqliteLedger.apply

    def apply(self, changes, **how):
        if not any(change.row.table is table for change in changes):
            return honest(self, changes, **how)
        return _watched(honest, pass_by)(self, changes, **how)

    SqliteLedger.apply = apply


def _watched(write, pass_by):
    def watched(*given, **how):
        pass_by()
        answer = write(*given, **how)
        pass_by()
        return answer

    return watched


def _async_watched(write, pass_by):
    async def watched(*given, **how):
        pass_by()
        answer = await write(*given, **how)
        pass_by()
        return answer

    return watched
