"""Real logs for the tests of the page: governed stories, a long run, damaged logs, hostile text, a graph that waits."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
from langgraph.checkpoint.sqlite import SqliteSaver
from trace_factory import (
    Story,
    asked,
    completed,
    decided,
    governed_story,
    permitted,
    planned,
    prompt,
    recorded,
    started,
    untrusted,
)
from write_golden import (
    OFFICE,
    PRICES,
    clerk,
    edited_approval,
    memory_implant,
    overreaching_subagent,
    poisoned_retrieval,
    say,
    searching,
)
from write_golden import thread as thread_of

from aisecops_langchain import Governor, parse_policy
from aisecops_langchain.audit import AuditLog
from aisecops_langchain.domain.decision import Effect
from aisecops_langchain.domain.events import (
    AnyEvent,
    ContentSanitized,
    ModelFinished,
    ModelStarted,
    PromptAllowed,
    RunFinished,
    RunStarted,
    parse_event,
)
from aisecops_langchain.errors import AisecopsError
from aisecops_langchain.testing import call

KEY: Final = b"k" * 32
PAYLOADS: Final = (
    "<script>window.sentinel=1</script>",
    '"><img src=x onerror=window.sentinel=1>',
    "'-(window.sentinel=1)-'",
    "</script><svg onload=window.sentinel=1>",
    "javascript:window.sentinel=1",
    "{{7*7}}${window.sentinel=1}",
)
"""Each sets ``window.sentinel`` if a page takes it for anything but text."""


def write_log(directory: Path, events: list[AnyEvent]) -> Path:
    """Write events into a signed log of a governance home."""
    with AuditLog.open(directory / "audit", key=KEY) as log:
        for event in events:
            log.append(event)
        log.commit()
    return directory


def stories(home: Path) -> Path:
    """Four real governed runs, and a fifth of a delegated agent, in one home."""
    home.mkdir(parents=True, exist_ok=True)
    for story in (poisoned_retrieval, memory_implant, overreaching_subagent, edited_approval):
        story(home)
    return home


def hand_made(home: Path) -> Path:
    """The run with a poisoned document, a denied call, a malformed one and an approved one, and a lookalike of it."""
    return write_log(home, [*governed_story("run-one").events, *governed_story("run-two").events])


def long_run(home: Path, events: int = 1_000) -> Path:
    """One lawful run of so many events."""
    story = Story("long-run")
    story.add(RunStarted, tools=("lookup", "export_data"))
    story.add(PromptAllowed, parents=story.last(), **prompt())
    turn = 0
    while len(story.events) < events - 12:
        before = len(story.events)
        _turn(story, turn)
        for place in range(before, len(story.events)):
            if "plan" in type(story.events[place]).model_fields:
                story.events[place] = story.events[place].model_copy(update={"plan": f"plan-{turn}"})
        turn += 1
    while len(story.events) < events - 1:
        story.add(ModelFinished, run=f"x{len(story.events)}", name="gpt-x", output_digest="sha256:o", tool_calls=0)
    story.add(RunFinished, outcome="completed")
    return write_log(home, story.events)


def _turn(story: Story, turn: int) -> None:
    """One turn of the model: it reads a document, proposes a call, and the call runs or is denied."""
    story.add(ContentSanitized, clean_digest="sha256:c", actions=("cleaned",), **untrusted(f"page-{turn % 40}.md"))
    story.add(ModelStarted, run=f"m{turn}", name="gpt-x", node="plan", messages=4, input_digest="sha256:i")
    story.add(ModelFinished, run=f"m{turn}", name="gpt-x", output_digest="sha256:o", tool_calls=1, input_tokens=210)
    wanted = recorded("lookup" if turn % 7 else "export_data", f"call-{turn}", {"supplier": f"ACME {turn}"})
    planned(story, wanted)
    if turn % 7 == 0:
        decided(story, wanted, Effect.DENY, "exports are denied")
        return
    if turn % 11 == 0:
        decided(story, wanted, Effect.REQUIRE_APPROVAL, "a person must look")
        asked(story, wanted, f"approval-{turn}")
        return
    decided(story, wanted, Effect.ALLOW)
    permitted(story, wanted, f"permit-{turn}")
    started(story, wanted, f"permit-{turn}")
    completed(story, wanted, f"permit-{turn}")


def hostile(home: Path) -> Path:
    """The hand-made run with a payload in every field that takes any text."""
    return write_log(home, [_poisoned(event) for event in governed_story("run").events])


def _poisoned(event: AnyEvent) -> AnyEvent:
    """Put a payload into each text of an event that the schema leaves free; the same text always gets the same one."""
    fields = orjson.loads(event.model_dump_json())
    for holder, key in list(_texts(fields)):
        before = holder[key]
        holder[key] = before + PAYLOADS[sum(before.encode()) % len(PAYLOADS)]
        try:
            parse_event(orjson.dumps(fields))
        except AisecopsError:
            holder[key] = before
    return parse_event(orjson.dumps(fields))


def _texts(value: Any) -> Iterator[tuple[Any, Any]]:
    """Find every text in nested JSON: what holds it, and under which name or number."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        if isinstance(item, str):
            yield value, key
        else:
            yield from _texts(item)


def tampered(home: Path, source: Path) -> Path:
    """A copy of a home in whose log one decision was turned round."""
    segment = _copy(home, source)
    text = segment.read_bytes()
    segment.write_bytes(text.replace(b'"effect":"deny"', b'"effect":"allow"', 1))
    assert segment.read_bytes() != text
    return home


def truncated(home: Path, source: Path) -> Path:
    """A copy of a home whose log lost its last lines, those of the segment's end included."""
    segment = _copy(home, source)
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join(lines[:-4]))
    return home


def _copy(home: Path, source: Path) -> Path:
    shutil.copytree(source / "audit", home / "audit", ignore=shutil.ignore_patterns("*.lock"))
    return max((home / "audit").glob("*.jsonl"))


GENEROUS: Final = OFFICE.replace(
    "effect: require_approval, tools: [pay]}",
    "effect: require_approval, tools: [pay], grants: {max_seconds: 3600, max_uses: 20, up_to: {amount: '500'}}}",
)
"""The bundle of the stories, under which a yes may be good for later payments, too."""


@dataclass
class Waiting:
    """A real graph with a checkpointer on disk, whose payments wait for a person."""

    home: Path
    agent: Any
    paid: list[str]
    """Effects, as they happened."""

    def ask(self, thread: str, words: str) -> None:
        """Run until the person is asked."""
        self.agent.invoke(say(words), thread_of(thread))

    def go_on(self, thread: str) -> Any:
        """Run on, after the answer was given elsewhere."""
        return self.agent.invoke(None, thread_of(thread))


@contextmanager
def waiting(
    home: Path, *, asks: int = 1, reads: bool = False, to: str = "ACME", policy: str = OFFICE
) -> Iterator[Waiting]:
    """Open a home with a governed clerk that wants to pay in its first turns, and then has done.

    With ``reads``, it first reads pages that anybody could have written, and takes the amount from there.
    """
    paid: list[str] = []

    def pay(to: str, amount: float) -> str:
        """Pay somebody."""
        paid.append(f"{amount:g} to {to}")
        return "paid"

    home.mkdir(parents=True, exist_ok=True)
    script = [call("pay", to=to, amount=210 if reads else 90 + number) for number in range(asks)]
    if reads:
        script.insert(0, call("search", query="price"))
    with (
        SqliteSaver.from_conn_string(str(home / "state.sqlite3")) as saver,
        Governor.open(parse_policy(policy), home) as governor,
    ):
        tools = [pay, searching(governor, PRICES)]
        yield Waiting(home, clerk(governor, tools, *script, *["Done."] * 4, saver=saver), paid)
