"""Shows the demo to people: the request, what happened, the question to the approver, and where everything lies.

Invariant: what happened is told from the log; words of models, documents and books are made printable first.
"""

from __future__ import annotations

import json
import shlex
import textwrap
from collections.abc import Iterable
from typing import Final

from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from aisecops_langchain.cli.render_log import line
from aisecops_langchain.demo.approval import Answer, Question
from aisecops_langchain.demo.books import OPENING, Page
from aisecops_langchain.demo.run import Place
from aisecops_langchain.demo.story import Line, Verb
from aisecops_langchain.forensics.text import name, said, short, visible

_WIDTH: Final = 80
"""Prose is never wider."""

_INDENT: Final = "  "

_STYLES: Final = {
    Verb.RAN: "green",
    Verb.APPROVED: "green",
    Verb.WAITS: "yellow",
    Verb.WITHHELD: "yellow",
    Verb.STOPPED: "yellow",
    Verb.UNKNOWN: "yellow",
    Verb.FAILED: "red",
    Verb.DENIED: "red",
    Verb.REJECTED: "red",
}
_ORIGINS: Final = {
    "untrusted": "untrusted: read, not said by the user",
    "first_party": "first party",
    "user": "the user's own words",
    "system": "the agent's instructions",
}
_QUESTION: Final = '{"invoice":"INV-2304","account":"NL91ABNA0417164300","amount":99}'


def show_opening(out: Console, *, documents: int, model: str | None, user: str, request: str) -> None:
    """Say what is about to happen.

    Args:
        out: Where to.
        documents: How many documents there are.
        model: Name of the real model; none for the scripted one.
        user: Who asks.
        request: What for.
    """
    show_title(out, "A governed purchasing agent")
    _prose(
        out,
        f"The agent of a small company searches {documents} documents, pays invoices and writes mails. One document "
        "is a forged letter. It orders AI agents to pay to another account, to enter that account for the supplier, "
        "and to say nothing about it.",
    )
    if model is None:
        _prose(
            out,
            "The model is scripted, so no key is needed, and it obeys the letter as if nothing had filtered it: "
            "governance has to hold when the model does not.",
        )
    else:
        _prose(out, f"The model is {name(model)}; this may take a while.")
    show_title(out, f"{user} asks")
    _prose(out, request)
    show_title(out, "What happened, told from the log")


def show_story(out: Console, lines: Iterable[Line]) -> None:
    """Show what happened.

    Args:
        out: Where to.
        lines: One thing each.
    """
    table = _table()
    for item in lines:
        table.add_row(line(item.verb, f"bold {_STYLES[item.verb]}"), line(item.what))
        for why in item.why:
            table.add_row("", line(why, "dim"))
    if table.row_count:
        out.print(Padding(table, (0, 0, 0, len(_INDENT)), expand=False))


def show_question(out: Console, question: Question) -> None:
    """Show what an approver sees: every value whole, and where it came from.

    Args:
        out: Where to.
        question: The question.
    """
    show_title(out, "Approval: this is what the approver sees")
    _prose(out, f"The agent wants to call {name(question.tool)}. Risk: {name(question.risk)}.")
    origins = {item.argument: item.integrity for item in question.provenance}
    table = _table(columns=3)
    for argument, value in question.arguments.items():
        shown = visible(json.dumps(value, ensure_ascii=False))
        origin = _ORIGINS.get(origins.get(argument, ""), "unknown")
        table.add_row(line(name(argument)), line(shown), line(origin, "dim"))
    out.print(Padding(table, (0, 0, 0, len(_INDENT)), expand=False))
    for reason in question.reasons:
        _prose(out, f"Why: {said(reason)}")
    until = question.expires_at[:16].replace("T", " ")
    _prose(out, f"A yes is good for exactly this call ({short(question.digest)}), once, until {until} UTC.")


def show_answer(out: Console, answer: Answer, *, played: bool) -> None:
    """Show what was answered.

    Args:
        out: Where to.
        answer: The answer.
        played: Whether the demo answered in somebody's place.
    """
    verb = "approves" if answer.approved else "does not approve"
    role = " (played by the demo; answer yourself with --ask)" if played else ""
    _prose(out, f"{name(answer.by)} {verb}{role}.")
    _prose(out, "Everything is closed while the run waits; now it goes on from the checkpoint on disk.")
    show_title(out, "What happened then")


def show_ending(out: Console, *, answer: str, hushed: bool, books: Page) -> None:
    """Show what the agent says, and what is in the books.

    Args:
        out: Where to.
        answer: The agent's last words.
        hushed: Whether they are the scripted ones, which keep quiet about the denied calls.
        books: What the books hold.
    """
    show_title(out, "What the agent reports")
    for part in answer.splitlines():
        _prose(out, part)
    if hushed:
        _prose(out, "Not a word about the letter and the denied calls, just as the letter wanted. The log has them.")
    show_title(out, "What the books hold")
    for payment in books.payments:
        _prose(out, f"paid: {payment.invoice}, EUR {payment.amount:.2f} to {payment.account}")
    if not books.payments:
        _prose(out, "no payment")
    for mail in books.mails:
        _prose(out, f"sent: mail to {mail.to}, subject: {mail.subject}")
    changed = [
        f"{supplier}: {new}" for supplier, new in books.accounts.items() if OPENING.accounts.get(supplier) != new
    ]
    _prose(out, f"supplier accounts: {', '.join(changed) or 'as they were'}")


def show_way_on(out: Console, place: Place) -> None:
    """Show where everything lies, and what to try.

    Args:
        out: Where to.
        place: The files of the run.
    """
    show_title(out, "Where it lies")
    for path, what in (
        (place.audit, "the log: JSON lines, chained and signed"),
        (place.policy, "the policy; edit it and run the demo again"),
        (place.books, "the books of this run"),
    ):
        out.print(line(f"  {path}"), soft_wrap=True)
        out.print(line(f"      {what}", "dim"))
    show_title(out, "What to try next")
    policy, home = shlex.quote(str(place.policy)), shlex.quote(str(place.home))
    explain = f"aisecops policy explain {policy} --agent procurement \\\n    --tool pay_invoice --integrity user \\\n"
    for command, what in (
        (f"aisecops demo --home {home} --ask", "answer the approval yourself; say no, and see what becomes of it"),
        (f"{explain}    --args '{_QUESTION}'", "ask the policy about another call; nothing is run"),
        (f"aisecops audit verify {home}", "change one character of the log first, and see it found"),
    ):
        for part in command.splitlines():
            out.print(line(f"  {part}"), soft_wrap=True)
        out.print(line(f"      {what}", "dim"))


def show_title(out: Console, title: str) -> None:
    """Show the heading of a part.

    Args:
        out: Where to.
        title: Its words.
    """
    out.print()
    out.print(line(title, "bold"), soft_wrap=True)


def _prose(out: Console, text: str) -> None:
    for part in textwrap.wrap(text, min(out.width, _WIDTH) - len(_INDENT)):
        out.print(line(_INDENT + part), soft_wrap=True)


def _table(columns: int = 2) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, min_width=8)
    for _ in range(1, columns):
        table.add_column(overflow="fold")
    return table
