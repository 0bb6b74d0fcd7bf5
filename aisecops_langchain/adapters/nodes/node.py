"""The base of all governance nodes: one pure-ish core, a sync and an async shell.

Invariant: the event loop is never blocked; the core, which writes files and waits for them, runs in a worker thread
under async.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig

from aisecops_langchain.adapters.core.place import Place, PrincipalSource, locate
from aisecops_langchain.runtime.governor import Governor


class GovernanceNode(Runnable[Any, Any]):
    """A LangGraph node that works through a governor.

    Args:
        governor: Decides, remembers and records.
        principal: Who acts, or how to tell from the run's configuration.
        inside: How many graphs of ours lie between the node and the graph that it works for.
    """

    def __init__(self, governor: Governor, principal: PrincipalSource, *, inside: int = 0) -> None:
        self._governor = governor
        self._principal = principal
        self._inside = inside

    @abstractmethod
    def run(self, state: Mapping[str, Any], config: RunnableConfig | None) -> Any:
        """Do the node's work in the calling thread."""

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002, ARG002
        """Run the node; LangGraph calls this."""
        return self.run(mapping_of(input), config)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002, ARG002
        """Run the node without blocking the event loop; LangGraph calls this."""
        return await asyncio.to_thread(self.run, mapping_of(input), config)

    def locate(self, state: Mapping[str, Any], config: RunnableConfig | None, *, new_trace: bool = False) -> Place:
        """Find out where the node runs."""
        return locate(self._governor, self._principal, state, config, new_trace=new_trace, inside=self._inside)


def mapping_of(given: object) -> Mapping[str, Any]:
    """Read what a node was given; anything but a mapping, as only a forged task can bring, holds nothing."""
    return given if isinstance(given, Mapping) else {}
