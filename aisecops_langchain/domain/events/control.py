"""Events of control: who vouched for whom, who let whom act, and what a person stopped."""

from __future__ import annotations

from typing import Literal

from aisecops_langchain.domain.events.base import Event
from aisecops_langchain.domain.stop import StopKind
from aisecops_langchain.domain.warrant import WarrantClaims


class IdentityRefused(Event):
    """Nobody could be identified, so no run began or went on."""

    kind: Literal["identity_refused"] = "identity_refused"
    code: str
    reason: str


class WarrantIssued(Event):
    """An agent lets another act in its place, within these bounds."""

    kind: Literal["warrant_issued"] = "warrant_issued"
    warrant: str
    """Digest of the warrant."""
    claims: WarrantClaims


class WarrantRefused(Event):
    """Somebody asked to act, or to delegate, under a warrant that does not allow it."""

    kind: Literal["warrant_refused"] = "warrant_refused"
    warrant: str
    """Digest of what was presented; empty where it could not be read."""
    code: str
    reason: str


class CheckpointRefused(Event):
    """A stored checkpoint was not what had been stored last, so no run went on from it."""

    kind: Literal["checkpoint_refused"] = "checkpoint_refused"
    store: str
    """Name of the store that it lay in."""
    checkpoint: str
    """Id of the checkpoint that was asked for or found; empty where there was none."""
    code: str
    reason: str


class _StopEvent(Event):
    """An event about one stop."""

    stop: StopKind
    target: str
    epoch: int
    """Epoch of the register from this event on."""
    reason: str = ""
    by: str = ""


class StopOrdered(_StopEvent):
    """A run, an agent, a tenant or a warrant may do nothing from now on."""

    kind: Literal["stop_ordered"] = "stop_ordered"


class StopLifted(_StopEvent):
    """A stop was taken back; what it had kept from running stays so."""

    kind: Literal["stop_lifted"] = "stop_lifted"


class StopReported(Event):
    """What a stop found: permits that were never used, and effects that had begun before it."""

    kind: Literal["stop_reported"] = "stop_reported"
    stop: StopKind
    target: str
    stopped: int
    running: int
    unknown: int
    ran: int
    failed: int
