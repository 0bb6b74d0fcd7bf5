"""Events of the policy itself."""

from __future__ import annotations

from typing import Literal

from aisecops_langchain.domain.events.base import Event


class PolicyLoaded(Event):
    """Another policy came into force; ``policy`` is its digest."""

    kind: Literal["policy_loaded"] = "policy_loaded"
    bundle: str
    """Its name."""
    previous: str
    """Digest of the policy that was in force before."""
    fault: str = ""
    """Why the new bundle could not be used; if there is one, everything is denied until a sound one is loaded."""
