"""Drawings hold hostile logs as data: no quote is closed, no element opened, no address named."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trace_factory import governed_story

from aisecops_langchain.forensics import traces_of
from aisecops_langchain.forensics.drawings import as_dot, as_graphml, as_mermaid, as_svg
from aisecops_langchain.forensics.graph import Edge, EdgeKind, Graph, Node, NodeKind, execution_graph

ATTACKS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "]]><!--",
    "<![CDATA[<svg onload=alert(1)>",
    "&lt;script&gt;",
    "&#60;script&#62;",
    "javascript:alert(1)",
    '"; URL="javascript:alert(1)"; x="',
    '\\" , href="http://evil.example" \\',
    "\\",
    'a"]\n  click n0 "javascript:alert(1)"\n  n1["',
    "%%{init: {'securityLevel': 'loose'}}%%",
    "`**bold**`",
    "#quot;#35;",
    "\x1b]0;owned\x07\u202e",
    "\x00\x0b\ufffe",
    "<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>&a;",
)
SVG = "{http://www.w3.org/2000/svg}"
GRAPHML = "{http://graphml.graphdrawing.org/xmlns}"
attacks = pytest.mark.parametrize("attack", ATTACKS)


def hostile(attack: str) -> Graph:
    """The graph of a log in which every text that can be is an attack."""
    events = [_poisoned(event, attack) for event in governed_story().events]
    return execution_graph(traces_of(events), notes=("LOG DOES NOT VERIFY",))


def _poisoned(event, attack: str):
    changes: dict[str, object] = {"trace": attack, "thread": attack, "tool": attack, "reason": attack, "name": attack}
    principal = event.principal.model_copy(update={"agent": attack, "user": attack, "tenant": attack})
    if "source" in type(event).model_fields:
        source = event.source.model_copy(update={"name": attack, "digest": attack})
        changes["source"] = source
        changes["label"] = event.label.model_copy(update={"sources": frozenset({source})})
    if "steps" in type(event).model_fields:
        changes["steps"] = tuple(
            step.model_copy(
                update={"call": step.call.model_copy(update={"tool": attack, "arguments": {attack: attack}})}
            )
            for step in event.steps
        )
    if "decision" in type(event).model_fields:
        reasons = tuple(item.model_copy(update={"message": attack}) for item in event.decision.reasons)
        changes["decision"] = event.decision.model_copy(update={"rules": (attack,), "reasons": reasons})
    if "approver" in type(event).model_fields:
        changes["approver"] = event.approver.model_copy(update={"id": attack})
    return event.model_copy(update={**changes, "principal": principal})


def outside_quotes(dot: str) -> str:
    """What Graphviz would take for syntax."""
    return re.sub(r'"(?:[^"\\]|\\.)*"', "", dot)


@attacks
def test_svg_holds_shapes_and_text_only(attack: str) -> None:
    text = as_svg(hostile(attack))
    assert "<!" not in text
    tree = ET.fromstring(text)
    allowed = {f"{SVG}{tag}" for tag in ("svg", "g", "title", "rect", "path", "text")}
    assert {element.tag for element in tree.iter()} <= allowed
    for element in tree.iter():
        assert not [key for key in element.attrib if key.startswith("on") or "href" in key or key == "style"]


@attacks
def test_graphml_holds_data_only(attack: str) -> None:
    text = as_graphml(hostile(attack))
    assert "<!" not in text
    tree = ET.fromstring(text)
    allowed = {f"{GRAPHML}{tag}" for tag in ("graphml", "key", "graph", "node", "edge", "data")}
    assert {element.tag for element in tree.iter()} <= allowed


@attacks
def test_dot_holds_every_text_within_quotes(attack: str) -> None:
    text = as_dot(hostile(attack))
    syntax = outside_quotes(text)
    assert re.fullmatch(r"[a-zA-Z0-9_\s\[\]{}=,;>-]*", syntax)
    assert not re.search(r"url|href|script|onerror", syntax, re.IGNORECASE)
    assert text.count("\n") == len(text.splitlines())


@attacks
def test_mermaid_holds_only_harmless_signs_in_labels(attack: str) -> None:
    lines = as_mermaid(hostile(attack)).splitlines()
    label = r'"(?:[A-Za-z0-9 .,]|#\d+;)*"'
    shapes = (
        r"flowchart LR",
        rf"  n\d+\[{label}\]",
        rf"  note\d+\[{label}\]:::note",
        rf"  n\d+ -->\|{label}\| n\d+",
        r"  style n\d+ fill:#[0-9a-f]{6},stroke:#[0-9a-f]{6}",
        r"  classDef note [a-z0-9:#,-]+",
    )
    for line in lines:
        assert any(re.fullmatch(shape, line) for shape in shapes), line


@settings(max_examples=60)
@given(st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=60))
def test_any_text_gives_well_formed_documents(text: str) -> None:
    graph = hostile(text or "x")
    assert ET.fromstring(as_svg(graph)).tag == f"{SVG}svg"
    assert ET.fromstring(as_graphml(graph)).tag == f"{GRAPHML}graphml"
    assert as_dot(graph).isascii() or as_dot(graph).encode()
    assert as_mermaid(graph).isascii()


@pytest.mark.parametrize("draw", [as_svg, as_graphml, as_dot, as_mermaid])
def test_notes_come_before_nodes(draw) -> None:
    text = draw(execution_graph(traces_of(governed_story().events), notes=("NOTE 1",)))
    assert text.index("NOTE 1") < text.index("procurement")


@pytest.mark.parametrize("draw", [as_svg, as_graphml, as_dot, as_mermaid])
def test_a_drawing_is_the_same_every_time(draw) -> None:
    events = governed_story().events
    assert draw(execution_graph(traces_of(events))) == draw(execution_graph(traces_of(reversed(events))))


def test_svg_of_a_large_graph_is_cut_and_says_so() -> None:
    nodes = tuple(Node(id=f"n{number}", kind=NodeKind.CONTENT, label=f"document {number}") for number in range(900))
    edges = tuple(Edge(source="n0", target=f"n{number}", kind=EdgeKind.DURING) for number in range(1, 900))
    text = as_svg(Graph(nodes=nodes, edges=edges))
    assert "CUT: 500 of 900 nodes" in text
    assert len(re.findall("<rect", text)) == 401
