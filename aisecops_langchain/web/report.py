"""The report: one run in a single HTML file that needs no server, from the same templates as the pages.

Invariant: the file holds no script, refuses by its own policy to run or fetch anything, and says on top if the log did
not verify. Style sheets of ours are the only text that is not escaped; the drawing stands in it as an image.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final

from markupsafe import Markup

from aisecops_langchain.forensics.delegation import Delegation
from aisecops_langchain.forensics.diff import compare_within
from aisecops_langchain.forensics.drawings import as_svg
from aisecops_langchain.forensics.graph import NodeKind, execution_graph, taint_of
from aisecops_langchain.forensics.summary import summarize
from aisecops_langchain.forensics.timeline import timeline
from aisecops_langchain.forensics.trace import Trace
from aisecops_langchain.web.standing import Standing
from aisecops_langchain.web.tables import graph_members
from aisecops_langchain.web.templating import environment

_SHEETS: Final = Path(__file__).parent / "static" / "css"
_NAMES: Final = ("tokens", "base", "layout", "parts", "fold", "graph")


def report_of(trace: Trace, log: Standing, *, written: datetime, delegations: Sequence[Delegation] = ()) -> str:
    """Write the report of one run.

    Args:
        trace: The run.
        log: What is known of the log that it was read from.
        written: The time of writing.
        delegations: Who acted for whom around it.

    Returns:
        The text of an HTML document.
    """
    graph = execution_graph([trace])
    entries = timeline(trace)
    style = _style()
    members: dict[str, object] = {
        **graph_members(graph, rows=len(graph.nodes)),
        "report": True,
        "most": None,
        "log": log,
        "written": written,
        "style": Markup(style),  # noqa: S704 - our own files, and a style element holds raw text
        "style_hash": f"sha256-{b64encode(sha256(style.encode()).digest()).decode()}",
        "drawing": f"data:image/svg+xml;base64,{b64encode(as_svg(graph).encode()).decode()}",
        "summary": summarize(trace, delegations),
        "trace": trace.id,
        "timeline": entries,
        "total": len(entries),
        "taint": taint_of(graph),
        "nodes": {node.id: node for node in graph.nodes if node.kind is NodeKind.SOURCE},
        "calls": compare_within(trace),
    }
    return environment().get_template("report.html").render(members)


@cache
def _style() -> str:
    return "\n".join((_SHEETS / f"{name}.css").read_text(encoding="utf-8") for name in _NAMES)
