"""The principal of an agent that runs inside a tool of another one and is handed nothing by it: it takes a warrant.

Invariant: the warrant is given by whoever carries out the call under way, which only an executor can say, and is the
same for the whole of that call; nothing in messages, state or a configuration has a part in it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from langchain_core.runnables import RunnableConfig

from aisecops_langchain.adapters.core.acting import current_call
from aisecops_langchain.domain.principal import Principal
from aisecops_langchain.runtime.governor import Governor

_REMEMBERED: Final = 256


class UnderWarrant:
    """Names the principal of a subagent: the meet of its own rights and those of the call that began it.

    Args:
        governor: Gives warrants and judges them.
        agent: The subagent, as the bundle knows it.
        tools: The only tools that it may call.
        expires_in: Seconds that the warrant of one call lasts.
    """

    def __init__(self, governor: Governor, agent: str, tools: Iterable[str], *, expires_in: int) -> None:
        self._governor = governor
        self._agent = agent
        self._tools = tuple(sorted(tools))
        self._expires_in = expires_in
        self._known: OrderedDict[str, Principal] = OrderedDict()

    def __call__(self, config: RunnableConfig) -> Principal:  # noqa: ARG002 - the signature of a principal's source
        """Name the principal.

        Args:
            config: The configuration of the run; nothing is read from it.

        Returns:
            The subagent in the place of whoever carries out the call under way; the same for the whole of that call.

        Raises:
            ConfigurationError: If it does not run inside a governed call.
            WarrantError: If the caller may not delegate.
        """
        now = current_call()
        known = self._known.get(now.recipient)
        if known is None:
            warrant = self._governor.delegate(
                now.scope, agent=self._agent, tools=self._tools, expires_in=self._expires_in
            )
            known = self._known[now.recipient] = self._governor.delegations.present(warrant, agent=self._agent)
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return known
