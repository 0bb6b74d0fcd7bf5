"""Sentences about runs: who acts, under which policy, and what stops, pauses or ends them.

Invariant: every word that comes from the log went through ``text``.
"""

from __future__ import annotations

from aisecops_langchain.domain.events import (
    CheckpointRefused,
    IdentityRefused,
    PolicyLoaded,
    RunFinished,
    RunPaused,
    RunResumed,
    RunStarted,
    StopLifted,
    StopOrdered,
    StopReported,
    WarrantIssued,
    WarrantRefused,
)
from aisecops_langchain.forensics.calls import Calls
from aisecops_langchain.forensics.phrases import because
from aisecops_langchain.forensics.sentences.telling import tell
from aisecops_langchain.forensics.text import name, names, short


@tell.register
def _(event: RunStarted, _: Calls) -> str:
    who = event.principal
    tools = names(event.tools) or "none"
    return f"Agent {name(who.agent)} began for user {name(who.user)} of tenant {name(who.tenant)}; tools: {tools}"


@tell.register
def _(event: IdentityRefused, _: Calls) -> str:
    return f"Nobody was identified for agent {name(event.principal.agent)}{because(event.reason)}"


@tell.register
def _(event: CheckpointRefused, _: Calls) -> str:
    which = f"Checkpoint {name(event.checkpoint)}" if event.checkpoint else "The state"
    where = f"thread {name(event.thread)} in store {name(event.store)}"
    return f"{which} of {where} was refused ({name(event.code)}){because(event.reason)}"


@tell.register
def _(event: WarrantIssued, _: Calls) -> str:
    claims = event.claims
    return f"{name(claims.delegator)} let {name(claims.agent)} act in its place; tools: {names(claims.tools)}"


@tell.register
def _(event: WarrantRefused, _: Calls) -> str:
    who = name(event.principal.agent)
    return f"Agent {who} was refused under warrant {short(event.warrant)}{because(event.reason)}"


@tell.register
def _(event: StopOrdered, _: Calls) -> str:
    return f"{name(event.by) or 'Somebody'} stopped {event.stop} {name(event.target)}{because(event.reason)}"


@tell.register
def _(event: StopLifted, _: Calls) -> str:
    who = name(event.by) or "Somebody"
    return f"{who} lifted the stop of {event.stop} {name(event.target)}{because(event.reason)}"


@tell.register
def _(event: StopReported, _: Calls) -> str:
    begun = f"{event.running} running, {event.unknown} unknown, {event.ran} done, {event.failed} failed"
    return f"The stop of {event.stop} {name(event.target)} kept {event.stopped} effects from starting; {begun}"


@tell.register
def _(event: PolicyLoaded, _: Calls) -> str:
    if event.fault:
        return f"The next policy could not be read, so everything is denied{because(event.fault)}"
    return f"Policy {name(event.bundle)} {short(event.policy)} came into force after {short(event.previous)}"


@tell.register
def _(event: RunPaused, _: Calls) -> str:
    return f"The run waits for a person to answer approval {short(event.waiting_for)}"


@tell.register
def _(event: RunResumed, _: Calls) -> str:
    return f"The run goes on after an answer to approval {short(event.answered)}"


@tell.register
def _(event: RunFinished, _: Calls) -> str:
    return f"The run ended: {event.outcome}" + because(event.reason)
