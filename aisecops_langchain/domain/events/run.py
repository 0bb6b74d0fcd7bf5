"""Events of a run as a whole."""

from __future__ import annotations

from typing import Literal

from aisecops_langchain.domain.events.base import Event


class RunStarted(Event):
    """An agent began to work on an input."""

    kind: Literal["run_started"] = "run_started"
    tools: tuple[str, ...] = ()
    """Names of the tools within reach."""


class RunPaused(Event):
    """A run waits for a person."""

    kind: Literal["run_paused"] = "run_paused"
    waiting_for: str
    """The approval key that it waits for."""


class RunResumed(Event):
    """A run goes on after an answer."""

    kind: Literal["run_resumed"] = "run_resumed"
    answered: str
    """The approval key that was answered."""


class RunFinished(Event):
    """A run ended; a run without this event is unfinished or was killed."""

    kind: Literal["run_finished"] = "run_finished"
    outcome: Literal["completed", "stopped", "failed", "blocked"]
    """``stopped`` by governance, ``failed`` by an error, ``blocked`` before the model saw anything."""
    reason: str = ""
