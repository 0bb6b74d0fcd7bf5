"""Governed memory: what goes in is inspected and sealed, what comes out is recognised and labelled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from adapter_kit import POLICY, open_governor
from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.store.base import GetOp, PutOp
from langgraph.store.memory import InMemoryStore
from memory_kit import CLERK, HOME, MARK, PLANT, Shelf, any_store

from aisecops_langchain import Governor, Principal, Sanitizer, parse_policy
from aisecops_langchain.adapters.memory.store import GovernedStore
from aisecops_langchain.domain.labels import Integrity, SourceKind
from aisecops_langchain.errors import AisecopsError, ConfigurationError, ContentBlockedError, MemoryAccessError
from aisecops_langchain.sanitize.config import Action, SanitizeConfig, SeverityActions


@pytest.fixture(params=["memory", "async-memory", "sqlite", "async-sqlite"])
async def shelf(request: pytest.FixtureRequest, tmp_path: Path, governor: Governor) -> AsyncIterator[Shelf]:
    async with any_store(request.param, tmp_path / "store.db") as inner:
        yield Shelf(inner, governor, is_async=request.param.startswith("async"))


VALUE = {"text": "Jo likes tea.", "n": 3, "half": 0.5, "whole": 2.0, "none": None, "deep": {"list": [1, {"a": True}]}}


async def test_a_memory_comes_back_as_it_was_written(shelf: Shelf) -> None:
    await shelf.put("tea", VALUE)
    item = await shelf.get("tea")
    assert item.value == VALUE
    assert (item.namespace, item.key) == (HOME, "tea")
    assert item.label.integrity is Integrity.UNTRUSTED  # nobody knows what the writer saw
    assert {source.kind for source in item.label.sources} == {SourceKind.MEMORY}
    assert await shelf.get("coffee") is None
    (written,), (read,) = shelf.of("memory_written"), shelf.of("memory_read")
    assert read.written == written.id
    assert read.memory == written.memory
    assert "tea" not in written.model_dump_json()


async def test_search_filters_and_limits_work_and_keep_their_order(shelf: Shelf) -> None:
    for n in range(5):
        await shelf.put(f"k{n}", {"n": n, "kind": "odd" if n % 2 else "even"})
    assert {item.key for item in await shelf.search(filter={"kind": "odd"})} == {"k1", "k3"}
    assert len(await shelf.search(limit=2)) == 2
    assert all("aisecops" not in item.value for item in await shelf.search())
    spaces = shelf.store()
    listed = await spaces.alist_namespaces() if shelf.is_async else await asyncio.to_thread(spaces.list_namespaces)
    assert listed == [HOME]


async def test_private_data_in_memories_is_treated_as_the_bundle_in_force_says(shelf: Shelf) -> None:
    mail, store = "anna.smith@example.com", shelf.store()
    await shelf.put("anna", {"mail": mail}, via=store)
    assert (await shelf.get("anna", via=store)).value == {"mail": mail}
    section = "\nsanitize: {private: {memory: {email: pseudonymize}}}\n"
    await asyncio.to_thread(shelf.governor.reload, parse_policy(POLICY + section))
    assert mail not in repr((await shelf.get("anna", via=store)).value)
    await shelf.put("anna", {"mail": mail}, via=store)
    assert mail not in repr(await shelf.raw("anna"))


async def test_deleting_deletes(shelf: Shelf) -> None:
    await shelf.put("tea", VALUE)
    await shelf.delete("tea")
    assert await shelf.get("tea") is None
    await shelf.put("tea", {"text": "again"})
    assert (await shelf.get("tea")).value == {"text": "again"}
    assert len(shelf.of("memory_erased")) == 1


async def test_the_order_inside_a_batch_is_that_of_the_inner_store(shelf: Shelf) -> None:
    await shelf.put("tea", {"n": 1})
    ops = [GetOp(HOME, "tea"), PutOp(HOME, "tea", {"n": 2}), PutOp(HOME, "tea", {"n": 3})]
    store = shelf.store()
    results = await store.abatch(ops) if shelf.is_async else await asyncio.to_thread(store.batch, ops)
    raw = await shelf.raw("tea")
    assert [results[1], results[2]] == [None, None]
    assert raw["n"] == 3
    assert results[0].value in ({"n": 1}, {"n": 3})
    assert (await shelf.get("tea")).value == {"n": 3}


async def test_planted_instructions_are_withheld_when_written(shelf: Shelf) -> None:
    await shelf.put("tea", {"text": PLANT, "list": ["fine", PLANT], PLANT: "key"})
    assert MARK not in repr(await shelf.raw("tea"))
    (written,) = shelf.of("memory_written")
    assert written.findings
    assert "quarantined" in written.actions


async def test_planted_instructions_that_no_rule_knew_are_withheld_when_read(shelf: Shelf, tmp_path: Path) -> None:
    """The rules of today judge what was written under those of yesterday."""
    lax = SanitizeConfig(default=SeverityActions(low=Action.PASS, medium=Action.PASS, high=Action.PASS))
    with open_governor(tmp_path / "home2", sanitizer=Sanitizer(lax)) as yesterday:
        await shelf.put("tea", {"text": PLANT}, via=GovernedStore(shelf.inner, yesterday, principal=CLERK))
    with open_governor(tmp_path / "home2") as today:
        item = await shelf.get("tea", via=GovernedStore(shelf.inner, today, principal=CLERK))
    assert MARK not in repr(item.value)
    assert item.label.integrity is Integrity.UNTRUSTED


@pytest.mark.parametrize("where", ["key", "namespace"])
@pytest.mark.parametrize("name", [PLANT, "te\u200ba", "\U000e0041tea"])
async def test_keys_and_namespaces_carry_nothing(shelf: Shelf, where: str, name: str) -> None:
    name = name.replace(".", "")
    key, space = (name, HOME) if where == "key" else ("tea", (*HOME, name))
    with pytest.raises(AisecopsError) as caught:
        await shelf.put(key, {"text": "x"}, space)
    assert MARK not in str(caught.value)
    await shelf.put(key, {"text": "x"}, space, via=shelf.inner)
    assert await shelf.search(space[:1]) == []
    store = shelf.store()
    listed = await store.alist_namespaces() if shelf.is_async else await asyncio.to_thread(store.list_namespaces)
    assert MARK not in repr(listed)


BAD: dict[str, Any] = {
    "bytes": {"x": b"x"},
    "nan": {"x": float("nan")},
    "object": {"x": object()},
    "deep": {"x": __import__("functools").reduce(lambda inner, _: [inner], range(200), "x")},
    "endless": {"x": __import__("functools").reduce(lambda inner, _: [inner], range(20_000), "x")},
    "huge": {"x": "x" * 2_000_000},
    "many": {"x": [0] * 300_000},
    "int-keys": {"x": {1: "a"}},
    "big-int": {"x": 2**70},
    "own-seal": {"aisecops": {"v": 1}},
}


@pytest.mark.parametrize("value", BAD.values(), ids=BAD)
async def test_what_cannot_be_inspected_or_sealed_is_not_written(shelf: Shelf, value: Any) -> None:
    with pytest.raises(AisecopsError):
        await shelf.put("bad", value)
    assert await shelf.get("bad", via=shelf.inner) is None
    assert [event.access for event in shelf.of("memory_blocked")] == ["write"]


async def test_what_policy_blocks_raises_when_written_and_is_absent_when_read(shelf: Shelf, tmp_path: Path) -> None:
    strict = SanitizeConfig(channels={SourceKind.MEMORY: SeverityActions(medium=Action.BLOCK, high=Action.BLOCK)})
    lax = SanitizeConfig(channels={SourceKind.MEMORY: SeverityActions(medium=Action.PASS, high=Action.PASS)})
    with open_governor(tmp_path / "home2", sanitizer=Sanitizer(lax)) as yesterday:
        await shelf.put("tea", {"text": PLANT}, via=GovernedStore(shelf.inner, yesterday, principal=CLERK))
    with open_governor(tmp_path / "home2", sanitizer=Sanitizer(strict)) as today:
        quiet = GovernedStore(shelf.inner, today, principal=CLERK)
        assert await shelf.get("tea", via=quiet) is None
        assert await shelf.search(via=quiet) == []
        with pytest.raises(MemoryAccessError):
            await shelf.get("tea", via=GovernedStore(shelf.inner, today, principal=CLERK, refused="raise"))
        with pytest.raises(ContentBlockedError):
            await shelf.put("milk", {"text": PLANT}, via=quiet)


async def test_tenants_do_not_touch_each_others_memories(shelf: Shelf) -> None:
    await shelf.put("tea", {"text": "secret"})
    other = shelf.store(principal=Principal(agent="clerk", user="eve", tenant="umbrella"))
    assert await shelf.get("tea", via=other) is None
    assert await shelf.search(via=other) == []
    with pytest.raises(MemoryAccessError):
        await shelf.put("tea", {"text": "mine now"}, via=other)
    with pytest.raises(MemoryAccessError):
        await shelf.delete("tea", via=other)
    assert (await shelf.get("tea")).value == {"text": "secret"}
    shared = shelf.store(principal=Principal(agent="clerk", tenant="umbrella"), across_tenants=True)
    assert (await shelf.get("tea", via=shared)).value == {"text": "secret"}
    assert {event.access for event in shelf.of("memory_blocked")} == {"read", "write", "erase"}


async def test_memories_from_before_governance_may_be_adopted_as_untrusted(shelf: Shelf) -> None:
    await shelf.put("old", {"text": "from before", "plant": PLANT}, via=shelf.inner)
    assert await shelf.get("old") is None
    adopting = shelf.store(ungoverned="inspect")
    item = await shelf.get("old", via=adopting)
    assert item.value["text"] == "from before"
    assert MARK not in repr(item.value)
    assert item.label.integrity is Integrity.UNTRUSTED


async def test_personal_data_is_taken_out_when_asked(shelf: Shelf) -> None:
    await shelf.put("mail", {"text": "Write to jane.doe@example.com."}, via=shelf.store(redact_pii=True))
    assert "jane.doe" not in repr(await shelf.raw("mail"))


def _embed(texts: list[str]) -> list[list[float]]:
    return [[float(text.lower().count(word)) + 0.01 for word in ("tea", "car", "seal")] for text in texts]


@pytest.mark.parametrize("fields", [None, ["text"], ["$"]])
async def test_semantic_search_finds_by_what_a_memory_says_and_not_by_its_seal(
    fields: list[str] | None, tmp_path: Path, governor: Governor
) -> None:
    index: dict[str, Any] = {"dims": 3, "embed": _embed, **({} if fields is None else {"fields": fields})}
    async with any_store("memory", tmp_path / "store.db", index=index) as inner:
        shelf = Shelf(inner, governor, is_async=False)
        await shelf.put("a", {"text": "tea tea tea"})
        await shelf.put("b", {"text": "car car car"})
        await shelf.put("c", {"text": "tea tea"}, index=False)
        found = await shelf.search(query="tea")
        assert found[0].key == "a"
        assert found[0].score > found[1].score
        assert (await shelf.search(query="seal seal"))[0].score < 0.2
        assert found[0].label.integrity is Integrity.UNTRUSTED


async def test_lifetimes_are_those_of_the_inner_store(tmp_path: Path, governor: Governor) -> None:
    async with any_store("sqlite", tmp_path / "store.db", ttl={"default_ttl": 60}) as inner:
        shelf = Shelf(inner, governor, is_async=False)
        await shelf.put("tea", {"text": "x"}, ttl=1)
        await shelf.put("milk", {"text": "x"})
        assert shelf.store().supports_ttl
        inner.conn.execute("UPDATE store SET expires_at = datetime('now', '-1 hour') WHERE key = 'tea'")  # type: ignore[attr-defined]
        inner.sweep_ttl()  # type: ignore[attr-defined]
        assert await shelf.get("tea") is None
        assert await shelf.get("milk") is not None
        assert shelf.codes() == []
    plain = GovernedStore(InMemoryStore(), governor, principal=CLERK)
    with pytest.raises(NotImplementedError):
        plain.put(HOME, "tea", {}, ttl=1)


def test_a_store_is_governed_once_and_for_somebody(governor: Governor) -> None:
    with pytest.raises(ConfigurationError):
        GovernedStore(GovernedStore(InMemoryStore(), governor), governor)
    with pytest.raises(ConfigurationError):
        GovernedStore(InMemoryStore(), governor).get(HOME, "tea")


def test_nothing_is_written_that_cannot_be_recorded(tmp_path: Path) -> None:
    governor, inner = open_governor(tmp_path / "home"), InMemoryStore()
    governor.close()
    with pytest.raises(AisecopsError):
        GovernedStore(inner, governor, principal=CLERK).put(HOME, "tea", {"text": "x"})
    assert inner.search(()) == []


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False, width=32)
    | st.text("abc äß東é", max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(value=st.dictionaries(st.text("abc", min_size=1, max_size=3), _JSON, max_size=3))
def test_any_honest_value_comes_back_unchanged(value: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    with open_governor(tmp_path_factory.mktemp("law")) as governor:
        store = GovernedStore(InMemoryStore(), governor, principal=CLERK)
        store.put(HOME, "k", value)
        found = store.get(HOME, "k")
        assert found is not None
        assert found.value == Sanitizer().sanitize_value(value, channel=SourceKind.MEMORY).value
