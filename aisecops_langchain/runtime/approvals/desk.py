"""The approvals of a governance home for people who answer at a terminal or a page, without an agent.

Invariant: the same service, the same rules and the same record as behind an interrupt; nothing here decides.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from aisecops_langchain.runtime.approvals.service import Approvals
from aisecops_langchain.runtime.grants.service import StandingGrants
from aisecops_langchain.runtime.home import open_home
from aisecops_langchain.runtime.ports import Clock

_NOTHING_IS_ASKED = 1
"""Lifetime of requests that a desk would make; it makes none."""


@contextmanager
def open_approvals(
    home: str | os.PathLike[str], *, ledger: str | None = None, schema: str = "aisecops", clock: Clock | None = None
) -> Iterator[Approvals]:
    """Open the approvals of a governance home; the arguments and errors are those of ``open_home``.

    Args:
        home: The directory that ``Governor.open`` was given.
        ledger: URL of the PostgreSQL ledger that it goes by, where it goes by one.
        schema: Where the tables of that ledger lie.
        clock: Tells the time; this machine's by default.

    Yields:
        The approvals.
    """
    with open_home(home, ledger=ledger, schema=schema, clock=clock) as parts:
        kept = (parts.ledger, parts.recorder, parts.sealer, parts.clock)
        yield Approvals(*kept, grants=StandingGrants(*kept), lifetime_seconds=_NOTHING_IS_ASKED)
