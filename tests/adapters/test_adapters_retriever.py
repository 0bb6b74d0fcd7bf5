"""The sanitising retriever: no raw document leaves it, neither in the result nor through callbacks."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from adapter_kit import Driver, log_bytes, open_governor, read_events
from langchain_community.retrievers import BM25Retriever
from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.vectorstores import InMemoryVectorStore
from retriever_kit import CLEAN, MARK, POISON, Failing, found, wrap

from aisecops_langchain import (
    Governor,
    Sanitizer,
    SanitizingCompressor,
    SanitizingLoader,
    SanitizingRetriever,
    sanitize_documents,
)
from aisecops_langchain.canonical import digest_text
from aisecops_langchain.domain.labels import SourceKind
from aisecops_langchain.errors import AisecopsError, ContentBlockedError, SanitizeError
from aisecops_langchain.sanitize.config import Action, SanitizeConfig, SeverityActions


async def test_a_poisoned_document_is_withheld_from_a_real_retriever(bare: Driver, kw: dict[str, Any]) -> None:
    texts = [POISON, "Paper is ordered from Halden.", "Holidays are in August."]
    inner = BM25Retriever.from_texts(texts, metadatas=[{"source": f"{n}.md"} for n in range(3)])
    raw = await found(bare, inner, "supplier wire euros")
    assert any(MARK in document.page_content for document in raw)
    cleaned = await found(bare, SanitizingRetriever(inner=inner, **kw), "supplier wire euros")
    assert len(cleaned) == len(raw)
    assert all(MARK not in document.page_content for document in cleaned)
    assert {document.metadata["source"] for document in cleaned} == {"0.md", "1.md", "2.md"}


async def test_clean_documents_keep_every_byte_their_order_and_their_id(bare: Driver, kw: dict[str, Any]) -> None:
    documents = [Document(id=f"d{n}", page_content=f"{CLEAN} {n}", metadata={"n": n}) for n in range(3)]
    cleaned = await found(bare, wrap(*documents, **kw))
    assert [document.page_content for document in cleaned] == [document.page_content for document in documents]
    assert [document.id for document in cleaned] == ["d0", "d1", "d2"]
    assert [document.metadata["n"] for document in cleaned] == [0, 1, 2]


async def test_the_inner_documents_are_not_changed(bare: Driver, kw: dict[str, Any]) -> None:
    document = Document(page_content=POISON, metadata={"note": POISON, "nested": {"list": [POISON]}})
    before = document.model_copy(deep=True)
    await found(bare, wrap(document, **kw))
    assert document == before


async def test_label_and_raw_digest_stand_in_the_metadata(bare: Driver, kw: dict[str, Any]) -> None:
    (cleaned,) = await found(bare, wrap(Document(page_content=POISON), **kw))
    label = cleaned.metadata["aisecops"]
    assert label["integrity"] == "untrusted"
    (source,) = label["sources"]
    assert source["kind"] == "retrieval_chunk"
    assert source["digest"] == digest_text("content", POISON)


async def test_a_document_cannot_bring_its_own_label(bare: Driver, kw: dict[str, Any]) -> None:
    (cleaned,) = await found(
        bare, wrap(Document(page_content="x", metadata={"aisecops": {"integrity": "system"}}), **kw)
    )
    assert cleaned.metadata["aisecops"]["integrity"] == "untrusted"


METADATA: dict[str, Any] = {
    "text": POISON,
    "list": ["fine", POISON],
    "deep": {"a": [{"b": POISON}]},
    "key-inside": {"a": {POISON: 1}},
    "tuple": ("fine", POISON),
    "set": {POISON},
    "object": type("Title", (), {"__str__": lambda self: POISON})(),
    "bytes": POISON.encode(),
    "document": Document(page_content=POISON),
}


@pytest.mark.parametrize("value", METADATA.values(), ids=METADATA)
async def test_poison_in_metadata_is_withheld(bare: Driver, kw: dict[str, Any], value: Any) -> None:
    (cleaned,) = await found(bare, wrap(Document(page_content="x", metadata={"title": value}), **kw))
    assert MARK not in repr(cleaned)


async def test_poison_in_the_name_of_a_metadata_field_is_withheld(bare: Driver, kw: dict[str, Any]) -> None:
    (cleaned,) = await found(bare, wrap(Document(page_content="x", metadata={POISON: "x"}), **kw))
    assert MARK not in repr(cleaned)


async def test_poison_in_the_id_of_a_document_is_withheld(bare: Driver, kw: dict[str, Any]) -> None:
    (cleaned,) = await found(bare, wrap(Document(id=POISON, page_content="x"), **kw))
    assert MARK not in repr(cleaned)


@pytest.mark.parametrize("where", ["id", "source"])
async def test_names_that_documents_give_themselves_stand_in_neither_label_nor_log(
    bare: Driver, governor: Governor, where: str
) -> None:
    """A source is named by us or by configuration, never by the content."""
    document = Document(
        id=POISON if where == "id" else None, page_content="x", metadata={"source": POISON} if where == "source" else {}
    )
    (cleaned,) = await found(bare, wrap(document, governor=governor))
    assert MARK not in repr(cleaned.metadata["aisecops"])
    assert MARK.encode() not in log_bytes(governor)


PLAIN: dict[str, Any] = {
    "none": None,
    "int": 7,
    "float": 0.5,
    "bool": True,
    "empty": {},
    "list": [1, "a", None],
    "date": date(2026, 1, 2),
    "nan": float("nan"),
    "big": 2**70,
    "surrogate": "\ud800",
    "int-keys": {1: "a"},
}


@pytest.mark.parametrize("value", PLAIN.values(), ids=PLAIN)
async def test_metadata_of_any_type_passes(bare: Driver, kw: dict[str, Any], value: Any) -> None:
    (cleaned,) = await found(bare, wrap(Document(page_content="x", metadata={"value": value}), **kw))
    if type(value) in (int, float, bool, type(None)) and value == value:
        assert cleaned.metadata["value"] == value
    assert "value" in cleaned.metadata


@pytest.mark.parametrize(
    "text", ["", "\ud800", "x" * 1_500_000, "\x00", "\u202eevil"], ids=["empty", "sur", "huge", "nul", "bidi"]
)
@pytest.mark.parametrize("where", ["content", "id", "source"])
async def test_weird_documents_raise_nothing(bare: Driver, kw: dict[str, Any], text: str, where: str) -> None:
    document = Document(
        id=text if where == "id" else None,
        page_content=text if where == "content" else "x",
        metadata={"source": text} if where == "source" else {},
    )
    assert len(await found(bare, wrap(document, **kw))) == 1


async def test_a_cycle_in_metadata_raises_nothing_foreign(bare: Driver, kw: dict[str, Any]) -> None:
    loop: list[Any] = []
    loop.append(loop)
    with suppress(AisecopsError):
        await found(bare, wrap(Document.model_construct(page_content="x", metadata={"loop": loop}, id=None), **kw))


async def test_nothing_found_is_nothing_returned(bare: Driver, kw: dict[str, Any]) -> None:
    assert await found(bare, wrap(**kw)) == []


async def test_an_inner_failure_is_passed_on(bare: Driver, kw: dict[str, Any]) -> None:
    with pytest.raises(ConnectionError):
        await found(bare, SanitizingRetriever(inner=Failing(), **kw))


def blocking() -> Sanitizer:
    strict = SeverityActions(low=Action.BLOCK, medium=Action.BLOCK, high=Action.BLOCK)
    return Sanitizer(SanitizeConfig(channels={SourceKind.RETRIEVAL_CHUNK: strict}))


@pytest.mark.parametrize("governed", [True, False])
@pytest.mark.parametrize("where", ["content", "metadata"])
async def test_blocked_content_raises(bare: Driver, tmp_path: Path, governed: bool, where: str) -> None:
    document = (
        Document(page_content=POISON) if where == "content" else Document(page_content="x", metadata={"t": POISON})
    )
    if not governed:
        with pytest.raises(ContentBlockedError) as caught:
            await found(bare, wrap(document, sanitizer=blocking()))
        assert MARK not in str(caught.value)
        return
    with open_governor(tmp_path / "strict", sanitizer=blocking()) as governor:
        with pytest.raises(ContentBlockedError):
            await found(bare, wrap(document, governor=governor))
        assert "content_blocked" in [event.kind for event in read_events(governor)]


async def test_what_was_cleaned_out_of_metadata_is_recorded(bare: Driver, governor: Governor) -> None:
    await found(bare, wrap(Document(id="d1", page_content="x", metadata={"t": POISON, "n": 1}), governor=governor))
    (event,) = [event for event in read_events(governor) if event.kind == "content_sanitized"]
    assert event.source.name == "d1"
    assert event.findings


async def test_a_governors_own_sanitizer_also_cleans_metadata(bare: Driver, tmp_path: Path) -> None:
    """One configuration for one document: what the governor was told holds for metadata too."""
    lax = SeverityActions(low=Action.PASS, medium=Action.PASS, high=Action.PASS)
    sanitizer = Sanitizer(SanitizeConfig(channels={SourceKind.RETRIEVAL_CHUNK: lax}))
    with open_governor(tmp_path / "lax", sanitizer=sanitizer) as governor:
        (cleaned,) = await found(bare, wrap(Document(page_content=POISON, metadata={"t": POISON}), governor=governor))
    assert (MARK in cleaned.page_content) == (MARK in cleaned.metadata["t"])


async def test_personal_data_is_redacted_offline(
    bare: Driver, kw: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    mail = "jane.doe@example.com"
    real = socket.socket.connect

    def refuse(self: socket.socket, address: Any) -> Any:
        if self.family == socket.AF_UNIX:
            return real(self, address)
        raise AssertionError(f"reached for the network: {address!r}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    document = Document(page_content=f"Write to {mail}.", metadata={"author": mail, "all": [mail]})
    (cleaned,) = await found(bare, wrap(document, redact_pii=True, **kw))
    assert mail not in repr(cleaned)
    assert cleaned.page_content.startswith("Write to ")
    (kept,) = await found(bare, wrap(document, **kw))
    assert kept.page_content == f"Write to {mail}."


# --- other ways in ----------------------------------------------------------------------------------------------------


class Shelf(BaseLoader):
    """Loads a poisoned document and a clean one, one by one."""

    def lazy_load(self) -> Iterator[Document]:
        """Yield both."""
        yield Document(page_content=POISON, metadata={"source": "a.md"})
        yield Document(page_content=CLEAN, metadata={"source": "b.md", "note": POISON})


async def test_a_loader_gives_inspected_documents_one_by_one(bare: Driver, kw: dict[str, Any]) -> None:
    loader = SanitizingLoader(Shelf(), **kw)
    loaded = [item async for item in loader.alazy_load()] if bare.is_async else await asyncio.to_thread(loader.load)
    assert MARK not in repr(loaded)
    assert loaded[1].page_content == CLEAN
    assert [document.metadata["aisecops"]["integrity"] for document in loaded] == ["untrusted", "untrusted"]


async def test_a_compressor_inspects_what_a_retriever_found(bare: Driver, kw: dict[str, Any]) -> None:
    compressor, documents = SanitizingCompressor(**kw), [Document(page_content=POISON), Document(page_content=CLEAN)]
    if bare.is_async:
        shown = await compressor.acompress_documents(documents, "q")
    else:
        shown = await asyncio.to_thread(compressor.compress_documents, documents, "q")
    assert MARK not in repr(shown)
    assert shown[1].page_content == CLEAN


async def test_documents_of_a_vector_store_are_inspected_and_recorded(governor: Governor) -> None:
    store = InMemoryVectorStore(DeterministicFakeEmbedding(size=4))
    store.add_documents([Document(id="same", page_content=POISON), Document(page_content=CLEAN)])
    shown = sanitize_documents(store.similarity_search("invoices", k=2), governor=governor)
    assert len(shown) == 2
    assert MARK not in repr(shown)
    assert "content_sanitized" in [event.kind for event in read_events(governor)]


def test_documents_with_one_id_stay_two_documents() -> None:
    found = [Document(id="same", page_content=CLEAN), Document(id="same", page_content="other")]
    assert [document.page_content for document in sanitize_documents(found)] == [CLEAN, "other"]


@pytest.mark.parametrize("content", [b"bytes", None, 7])
def test_a_document_without_text_is_refused(content: Any) -> None:
    with pytest.raises(SanitizeError):
        sanitize_documents([Document.model_construct(page_content=content, metadata={}, id=None)])


def test_a_document_of_fifty_megabytes_is_withheld_unseen() -> None:
    (shown,) = sanitize_documents([Document(page_content="x" * 50_000_000, metadata={"m": "y" * 50_000_000})])
    assert len(shown.page_content) < 100
    assert len(repr(shown.metadata)) < 1000
