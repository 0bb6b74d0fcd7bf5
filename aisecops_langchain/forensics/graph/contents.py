"""Draws what reached a run and what left it: sources, labelled content, final words, the end.

Invariant: content that was read while a tool ran leads to that tool's result, since a label does not say what the tool
put into it; this may name too much, never too little.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from aisecops_langchain.domain.events import (
    AnyEvent,
    ContentAdmitted,
    ContentBlocked,
    ContentSanitized,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionStarted,
    ExecutionUnknown,
    OutputAllowed,
    OutputBlocked,
    PromptAllowed,
    PromptBlocked,
    RunStarted,
)
from aisecops_langchain.domain.labels import Label, Source
from aisecops_langchain.forensics.calls import EffectKey, effect_key
from aisecops_langchain.forensics.graph.model import EdgeKind, NodeKind
from aisecops_langchain.forensics.graph.sketch import Sketch, node_id
from aisecops_langchain.forensics.graph.written import Written
from aisecops_langchain.forensics.text import name, names, said, short

_Content: TypeAlias = ContentAdmitted | ContentSanitized | ContentBlocked | PromptAllowed | PromptBlocked
_Output: TypeAlias = OutputAllowed | OutputBlocked

_STATES: Final = {
    "content_admitted": "admitted",
    "prompt_allowed": "admitted",
    "content_sanitized": "sanitized",
    "content_blocked": "withheld",
    "prompt_blocked": "withheld",
    "output_allowed": "let out",
    "output_blocked": "withheld",
}


class Contents:
    """Draws the content of one run and remembers where each source entered it.

    Args:
        sketch: The graph in the making.
        trace: The run.
        run: The node of the run.
        written: Learns what was read.
    """

    def __init__(self, sketch: Sketch, trace: str, run: str, written: Written) -> None:
        self._sketch = sketch
        self._written = written
        self._begins: set[str] = set()
        self._trace = trace
        self._run = run
        self._entered: dict[Source, str] = {}
        self._started: dict[str, EffectKey] = {}
        self._open: dict[EffectKey, list[str]] = {}
        self.outputs: list[str] = []
        """Nodes of final words."""

    def visit(self, event: AnyEvent) -> None:
        """Draw one event, if it is about content."""
        match event:
            case ContentAdmitted() | ContentSanitized() | ContentBlocked() | PromptAllowed() | PromptBlocked():
                self._content(event)
            case OutputAllowed() | OutputBlocked():
                self._output(event)
            case RunStarted():
                self._begins.add(event.id)
            case ExecutionStarted():
                self._started[event.id] = effect_key(event)
                self._open.setdefault(effect_key(event), [])
            case ExecutionCompleted() | ExecutionFailed() | ExecutionUnknown():
                self._open.pop(effect_key(event), None)
            case _:
                pass

    def shown(self, label: Label, target: str) -> None:
        """Draw that everything under a label was before the model.

        Args:
            label: Label of what it saw.
            target: Node of what it proposed or answered.
        """
        for source in ordered(label.sources):
            self._sketch.link(self.entry(source), target, EdgeKind.IN_CONTEXT)

    def entry(self, source: Source) -> str:
        """Find where a source entered this run.

        Args:
            source: The source.

        Returns:
            Node of the content; of the source itself where the log does not tell how it entered.
        """
        return self._entered.get(source) or self._sketch.source(source)

    def _content(self, event: _Content) -> None:
        where = event.source.kind.value.replace("_", " ")
        facts = {"size": f"{event.size} characters", "confidentiality": event.label.confidentiality.value}
        if event.findings:
            facts["findings"] = names(sorted({f"{item.category}/{item.severity}" for item in event.findings}))
        if isinstance(event, ContentBlocked | PromptBlocked):
            facts["reason"] = said(event.reason)
        sources = [self._sketch.source(source) for source in ordered({event.source, *event.label.sources})]
        node = self._sketch.add(
            NodeKind.CONTENT,
            (self._trace, event.id),
            label=f"{where} {name(event.source.name)} was {_STATES[event.kind]}",
            trace=self._trace,
            event=event.id,
            state=_STATES[event.kind],
            integrity=event.label.integrity.value,
            facts=facts,
        )
        for source in sources:
            self._sketch.link(source, node, EdgeKind.READ)
        self._cause(event, node)
        self._written.read(event.source, event.time)
        self._entered[event.source] = node

    def _cause(self, event: _Content, node: str) -> None:
        keys = [self._started[parent] for parent in event.parents if parent in self._started]
        for key in keys:
            self._sketch.link(node_id(NodeKind.EFFECT, self._trace, *key), node, EdgeKind.RETURNED)
            for read in self._open.get(key, ()):
                self._sketch.link(read, node, EdgeKind.DURING)
        if isinstance(event, PromptAllowed | PromptBlocked) or not self._begins.isdisjoint(event.parents):
            self._sketch.link(self._run, node, EdgeKind.BEGAN)
        elif not keys:
            for inner in self._open.values():
                inner.append(node)

    def _output(self, event: _Output) -> None:
        node = self._sketch.add(
            NodeKind.OUTPUT,
            (self._trace, event.id),
            label=f"final words of {name(event.source.name)} were {_STATES[event.kind]}",
            trace=self._trace,
            event=event.id,
            state=_STATES[event.kind],
            integrity=event.label.integrity.value,
            facts={"size": f"{event.size} characters", "digest": short(event.source.digest)},
        )
        self.shown(event.label.model_copy(update={"sources": event.label.sources - {event.source}}), node)
        if isinstance(event, OutputAllowed):
            self._sketch.link(node, self._sketch.source(event.source), EdgeKind.SAID)
        self.outputs.append(node)


def ordered(sources: set[Source] | frozenset[Source]) -> list[Source]:
    """Put sources into an order that does not depend on the process.

    Args:
        sources: Some sources.

    Returns:
        The sources by door, name and digest.
    """
    return sorted(sources, key=lambda source: (source.kind.value, source.name, source.digest))
