"""Shows the demo to people: the request, what happened, the question to the approver, and where everything lies.

Invariant: what happened is told from the log; words of models, documents and books are made printable first.
"""

from __future__ import annotations

import shlex
from typing import Final

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from aisecops_langchain.cli.output import one_line
from aisecops_langchain.cli.render_log import line, show_verdict
from aisecops_langchain.cli.render_summary import show_summary
from aisecops_langchain.cli.render_timeline import show_timeline
from aisecops_langchain.cli.source import LoadedLog
from aisecops_langchain.demo.approval import Answer, Question
from aisecops_langchain.demo.books import Page
from aisecops_langchain.demo.run import Place, Report
from aisecops_langchain.demo.story import Line, Verb
from aisecops_langchain.forensics.summary import Summary
from aisecops_langchain.forensics.text import call_text, clip, name, said, short, visible
from aisecops_langchain.forensics.timeline import timeline
from aisecops_langchain.forensics.trace import Trace

_STYLES: Final = {
    Verb.RAN: "green",
    Verb.APPROVED: "green",
    Verb.WAITS: "yellow",
    Verb.WITHHELD: "yellow",
    Verb.STOPPED: "yellow",
    Verb.DENIED: "red",
    Verb.REJECTED: "red",
}
_ORIGINS: Final = {
    "untrusted": "read in a document or tool result",
    "first_party": "from a first-party source",
    "user": "stands in the user's own words",
    "system": "stands in the agent's instructions",
}
_EXAMPLE: Final = '{"invoice":"INV-2304","account":"NL91ABNA0417164300","amount":212.5}'


def show_opening(out: Console, *, who: str, request: str, documents: int, scripted: bool) -> None:
    """Say what is about to happen.

    Args:
        out: Where to.
        who: The user.
        request: What the user asks for.
        documents: How many documents there are.
        scripted: Whether the model is the scripted one.
    """
    _title(out, "A governed purchasing agent")
    _prose(
        out,
        f"The agent of a small company looks things up in {documents} documents, pays invoices and writes mails. One "
        "of the documents is a forged letter about a new bank account. It tells AI agents to pay there, to enter the "
        "account for the supplier, and to say nothing about it.",
    )
    if scripted:
        _prose(
            out,
            "The model is scripted, so no key is needed, and it obeys the letter as if no filter had caught it: the "
            "point is what happens once a model is in the attacker's hands.",
        )
    _title(out, f"{who} asks")
    _prose(out, request)
    _title(out, "What happened, as the log tells it")


def show_story(out: Console, lines: list[Line]) -> None:
    """Show what happened, one row each.

    Args:
        out: Where to.
        lines: The rows.
    """
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, min_width=8)
    table.add_column(overflow="fold")
    for item in lines:
        table.add_row(line(item.verb, f"bold {_STYLES[item.verb]}"), line(item.what))
        for why in item.why:
            table.add_row("", line(why, "dim"))
    if lines:
        out.print(Padding(table, (0, 0, 0, 2), expand=False))


def show_question(out: Console, question: Question) -> None:
    """Show what an approver sees.

    Args:
        out: Where to.
        question: The question.
    """
    _title(out, "The run waits; this is what the approver sees")
    _prose(out, f"May the agent call {name(question.tool)}? Risk: {name(question.risk)}.")
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for origin in question.provenance:
        value = call_text("", {"": question.arguments.get(origin.argument)})
        table.add_row(line(name(origin.argument)), line(value), line(_ORIGINS.get(origin.integrity, "unknown"), "dim"))
    out.print(table)
    for reason in question.reasons:
        _prose(out, f"Why: {said(reason)}")
    until = question.expires_at[:16].replace("T", " ")
    _prose(out, f"The answer is good for this call alone ({short(question.digest)}), once, until {name(until)} UTC.")
