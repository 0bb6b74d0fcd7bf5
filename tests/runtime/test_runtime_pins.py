"""Pinned tool definitions: a lock file says exactly what a reviewer reads in it, or is refused whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runtime_kit import LAW

from aisecops_langchain.domain.definition import ToolDefinition
from aisecops_langchain.errors import PinError
from aisecops_langchain.runtime.decisions.pin_changes import changes
from aisecops_langchain.runtime.decisions.pins import Pins, load_pins, parse_pins
from aisecops_langchain.runtime.governor import Governor

PAY = ToolDefinition(name="pay", description="Pay somebody.", parameters={"type": "object", "properties": {"to": {}}})
LOOK = ToolDefinition(name="look", description="Look.", parameters={"type": "object"})
PINS = Pins.of([PAY, LOOK])

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
schemas = st.dictionaries(texts, st.recursive(st.integers(-9, 9) | texts, st.lists, max_leaves=5), max_size=4)
definitions = st.builds(ToolDefinition, name=texts, description=texts, parameters=schemas)
tables = st.lists(definitions, max_size=4, unique_by=lambda item: item.name).map(Pins.of)


def broken(**changed: object) -> bytes:
    """The lock file with one pin changed by hand."""
    found = json.loads(PINS.render())
    found["tools"]["pay"] |= changed
    return json.dumps(found).encode()


@LAW
@given(tables)
def test_a_lock_file_says_what_was_pinned(pins: Pins) -> None:
    text = pins.render()
    assert text.isascii()
    assert parse_pins(text.encode()) == pins


@LAW
@given(tables, tables)
def test_a_change_is_shown_exactly_where_a_call_would_be_denied(pins: Pins, present: Pins) -> None:
    shown = {item.tool: item.kind for item in changes(pins, present) if item.kind != "gone"}
    denied = {name: pins.fault(name, item.digest) for name, item in present.definitions.items()}
    assert shown == {name: fault.code for name, fault in denied.items() if fault is not None}


def test_a_fault_names_both_digests() -> None:
    changed = PAY.model_copy(update={"description": "Pay mallory."})
    fault = PINS.fault("pay", changed.digest)
    assert fault is not None
    assert (fault.code, fault.expected, fault.got) == ("definition_changed", PAY.digest, changed.digest)
    unknown = PINS.fault("p\u0430y", PAY.digest)  # a Cyrillic letter
    assert unknown is not None
    assert (unknown.code, unknown.expected) == ("not_pinned", "")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{",
        b'{"version": 2, "tools": {}}',
        b'{"version": true, "tools": {}}',
        b'{"version": 1, "tools": []}',
        b'{"version": 1, "tools": {}, "more": 1}',
        b"[" * 100_000,
        b'{"version": 1, "tools": {"a": {"digest": "x", "description": "", "schema": {"n": NaN}}}}',
        broken(description="Pay mallory."),
        broken(schema={"type": "object"}),
        broken(digest=LOOK.digest),
        broken(digest=None),
        broken(description=None),
        broken(schema=[]),
        broken(note="reviewed"),
        PINS.render().replace('"look"', '"pay"').encode(),
        PINS.render().replace('"type"', '"type": 1, "type"', 1).encode(),
        b" " * (8 * 1024 * 1024 + 1),
    ],
)
def test_a_lock_file_that_is_malformed_ambiguous_or_edited_is_refused(data: bytes) -> None:
    with pytest.raises(PinError):
        parse_pins(data)


def test_two_tools_of_one_name_cannot_be_pinned() -> None:
    with pytest.raises(PinError):
        Pins.of([PAY, PAY])


def test_a_governor_does_not_open_without_the_lock_file_that_it_was_told_of(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        "version: 1\nid: p\nagents: {a: {capabilities: [c]}}\ncapabilities: {c: {tools: [pay], risk: low}}\n"
        "rules: [{id: r, effect: allow, tools: [pay]}]\n"
    )
    with pytest.raises(PinError):
        Governor.open(policy, tmp_path / "home", pins=tmp_path / "tools.lock")
    assert not (tmp_path / "home").exists()
    (tmp_path / "tools.lock").write_text(PINS.render())
    assert load_pins(tmp_path / "tools.lock") == PINS
    with Governor.open(policy, tmp_path / "home", pins=tmp_path / "tools.lock") as governor:
        assert governor.vouches_for("pay", PAY.digest)
        assert not governor.vouches_for("pay", LOOK.digest)
