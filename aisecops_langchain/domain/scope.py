"""Where in the world something happened: trace, thread, checkpoint namespace, principal and policy.

Invariant: every event and every permit carries one scope whole, so that none can be read out of context.
"""

from __future__ import annotations

from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.domain.principal import Principal


class Scope(Frozen):
    """The context of one governed run."""

    trace: str
    """Identity of one run of the agent, kept across interrupts, resumes and processes."""
    thread: str
    """LangGraph thread, or the trace where there is no checkpointer."""
    checkpoint_ns: str = ""
    """LangGraph checkpoint namespace of the (sub)graph, empty at the root."""
    principal: Principal
    policy: str
    """Digest of the policy bundle in force."""
