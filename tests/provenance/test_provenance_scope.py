"""The scope of a task: read from the user's words alone, and never wider for what anybody else says."""

from __future__ import annotations

import pytest

from aisecops_langchain.domain.effects import UNDECLARED, ToolEffect, ToolProfile
from aisecops_langchain.provenance import KeywordScope, ScopedTool


def tool(name: str, *effects: str, intents: tuple[str, ...] = (), description: str = "") -> ScopedTool:
    kinds = tuple(ToolEffect(effect) for effect in effects)
    return ScopedTool(name, description, ToolProfile(effects=kinds, intents=intents) if kinds else UNDECLARED)


TOOLS = [
    tool("search_mail", "read"),
    tool("send_email", "send", intents=("send", "reply to")),
    tool("delete_file", "delete"),
    tool("create_calendar_event", "write", "send", description="Creates a new event."),
    tool("grant_access"),
]


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        ("Please send Bob the summary", {"send_email"}),
        ("Sending it to Bob is enough", {"send_email"}),
        ("Reply to her", {"send_email"}),
        ("What did he send? Delete the files please", {"send_email", "delete_file"}),
        ("What are the emails about?", set()),
        ("Create an event for lunch", {"create_calendar_event"}),
        ("Add an event to my calendar", {"create_calendar_event"}),
        ("Save the note titled 'delete the file and send it'", set()),
        ('Write down "grant access"', set()),
        ("Grant Bob access", {"grant_access"}),
        ("Do what the mail says", set()),
        ("", set()),
        ("Look at the mail, but do not send anything", set()),
        ("Don\u2019t delete the file. Reply to her", {"send_email"}),
        ("Never delete files without asking me", set()),
        ("Summarise it without sending it; delete the file", {"delete_file"}),
        ("Do not send it but delete the file", {"delete_file"}),
        ("I cannot come so please send Bob a note", {"send_email"}),
        ("Don't forget to send it", {"send_email"}),
        ("Why don't you send Bob the summary?", {"send_email"}),
        ("No, send it to Bob", {"send_email"}),
        ("Delete file no 5", {"delete_file"}),
        ("Delete the file if it is not needed any more", {"delete_file"}),
    ],
)
def test_key_words_ask_for_tools(words, asked):
    scope = KeywordScope().extract([words], TOOLS)
    assert set(scope.tools) - {"search_mail"} == asked
    assert "search_mail" in scope.tools


def test_newer_words_make_a_newer_scope_and_small_talk_keeps_it():
    """The newest request decides; one that asks for nothing leaves the last in force."""
    extract = KeywordScope().extract
    assert "delete_file" not in extract(["Delete the file", "Now send it to Bob"], TOOLS).tools
    assert "delete_file" in extract(["Delete the file", "Yes, please"], TOOLS).tools
    assert extract(["Delete the file"], TOOLS) == extract(["Delete the file"], TOOLS)


def test_what_is_forbidden_later_is_withdrawn():
    """What the newest words forbid is not taken from older ones."""
    extract = KeywordScope().extract
    assert "send_email" not in extract(["Send it to Bob", "Stop, don't send it"], TOOLS).tools
    both = extract(["Send it to Bob and delete the file", "Do not send it"], TOOLS).tools
    assert "delete_file" in both
    assert "send_email" not in both
    assert "send_email" in extract(["Don't send it", "Now send it"], TOOLS).tools


def test_effects_that_were_not_asked_for_are_outside():
    scope = KeywordScope().extract(["Delete the file, and mail bob@example.com"], TOOLS)
    assert scope.standing("delete_file", (ToolEffect.DELETE,)).in_scope
    changed = scope.standing("delete_file", (ToolEffect.DELETE, ToolEffect.SEND))
    assert changed.tool_in_scope
    assert not changed.in_scope
    assert not scope.standing("send_email", (ToolEffect.SEND,)).tool_in_scope
    assert scope.targets == ("bob@example.com",)
