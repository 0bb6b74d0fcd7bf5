"""Documents from wherever they come: retrievers, vector stores, loaders and compressors.

Invariant: a document comes out inspected whole, names and values of its metadata and its id included, labelled
untrusted and with the digest of its raw form; one that cannot be inspected does not come out.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from langchain_core.callbacks import Callbacks
from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config
from pydantic import ConfigDict, Field, JsonValue

from aisecops_langchain.adapters.core.place import scope_of_run
from aisecops_langchain.domain.labels import Label, Source, SourceKind, label_for
from aisecops_langchain.domain.principal import Principal
from aisecops_langchain.domain.scope import Scope
from aisecops_langchain.errors import ContentBlockedError, SanitizeError
from aisecops_langchain.runtime.governor import Governor
from aisecops_langchain.sanitize import Sanitizer

METADATA_KEY: Final = "aisecops"
"""Where a document's label and raw digest stand in its metadata."""

READER: Final = Principal(agent="retriever")
"""Who reads documents, where nobody says."""

_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z")
_MAX_DEPTH: Final = 64
_KIND: Final = SourceKind.RETRIEVAL_CHUNK


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentCleaner:
    """Inspects documents.

    Attributes:
        governor: Records what was found; without one nothing is recorded.
        sanitizer: Inspects where there is no governor.
        redact_pii: Whether personal data is replaced by markers.
        principal: Who the events are attributed to.
    """

    governor: Governor | None = None
    sanitizer: Sanitizer = field(default_factory=Sanitizer)
    redact_pii: bool = False
    principal: Principal = READER

    def scope(self, config: RunnableConfig, *, run: str) -> Scope | None:
        """Name the place that documents are read in; ``None`` where nothing is recorded."""
        if self.governor is None:
            return None
        return scope_of_run(self.governor, self.principal, config, otherwise=run)

    def clean(self, documents: Sequence[Document], scope: Scope | None) -> list[Document]:
        """Inspect documents.

        Args:
            documents: As they were found; they stay as they are.
            scope: Where.

        Returns:
            Their clean forms, in order.

        Raises:
            ContentBlockedError: If policy lets nothing of one through.
            SanitizeError: If one cannot be inspected.
            AuditWriteError: If that could not be recorded.
        """
        return [self._one(document, index, scope) for index, document in enumerate(documents)]

    def _one(self, document: Document, index: int, scope: Scope | None) -> Document:
        name = _name_of(document, index)
        text, label = self._text(document.page_content, name, scope)
        metadata = self._metadata(document.metadata, name, scope)
        metadata[METADATA_KEY] = {
            "integrity": label.integrity.value,
            "confidentiality": label.confidentiality.value,
            "sources": [source.model_dump(mode="json") for source in label.sources],
        }
        found = None if document.id is None else str(self._value(document.id, name, scope))
        return Document(id=found, page_content=text, metadata=metadata)

    def _text(self, text: object, name: str, scope: Scope | None) -> tuple[str, Label]:
        if not isinstance(text, str):
            raise SanitizeError("a document has no text", expected="str", got=type(text).__name__)
        if self.governor is not None and scope is not None:
            admitted = self.governor.admission.admit(text, scope, kind=_KIND, name=name, redact_pii=self.redact_pii)
            clean, label, blocked = admitted.text, admitted.label, admitted.blocked
        else:
            found = self.sanitizer.sanitize_text(text, channel=_KIND, redact_pii=self.redact_pii)
            label = label_for(Source(kind=_KIND, name=name, digest=found.raw_digest))
            clean, blocked = found.text, found.blocked
        if blocked:
            raise ContentBlockedError(
                "a retrieved document was blocked", expected="content that policy lets through", got=f"document {name}"
            )
        return clean, label

    def _metadata(self, found: Mapping[str, Any], name: str, scope: Scope | None) -> dict[str, JsonValue]:
        """Metadata is often shown to models too: clean its names and values alike."""
        plain = {str(key): value if _is_plain(value) else _described(value) for key, value in found.items()}
        cleaned = self._value(plain, name, scope)
        return cleaned if isinstance(cleaned, dict) else {"withheld": cleaned}

    def _value(self, value: JsonValue, name: str, scope: Scope | None) -> JsonValue:
        if self.governor is not None and scope is not None:
            admitted = self.governor.admission.admit_value(
                value, scope, kind=_KIND, name=name, redact_pii=self.redact_pii
            )
            clean, blocked = admitted.value, admitted.blocked
        else:
            found = self.sanitizer.sanitize_value(value, channel=_KIND, redact_pii=self.redact_pii)
            clean, blocked = found.value, found.blocked
        if blocked:
            raise ContentBlockedError(
                "the metadata of a retrieved document was blocked",
                expected="content that policy lets through",
                got=f"document {name}",
            )
        return clean


def sanitize_documents(
    documents: Sequence[Document],
    *,
    governor: Governor | None = None,
    sanitizer: Sanitizer | None = None,
    redact_pii: bool = False,
    principal: Principal = READER,
) -> list[Document]:
    """Inspect documents that came by a way of their own, such as ``similarity_search`` of a vector store.

    Args:
        documents: As they were found; they stay as they are.
        governor: Records what was found; without one nothing is recorded.
        sanitizer: Inspects where there is no governor.
        redact_pii: Whether personal data is replaced by markers.
        principal: Who the events are attributed to.

    Returns:
        Their clean forms, in order, with label and raw digest under ``aisecops`` in the metadata.

    Raises:
        ContentBlockedError: If policy lets nothing of one through.
        SanitizeError: If one cannot be inspected.
        AuditWriteError: If that could not be recorded.
    """
    cleaner = DocumentCleaner(
        governor=governor, sanitizer=sanitizer or Sanitizer(), redact_pii=redact_pii, principal=principal
    )
    config = var_child_runnable_config.get() or RunnableConfig()
    return cleaner.clean(documents, cleaner.scope(config, run=secrets.token_hex(16)))


class SanitizingLoader(BaseLoader):
    """Wraps any document loader; documents are inspected one by one, as they are loaded.

    Args:
        inner: The loader to wrap.
        governor: Records what was found; without one nothing is recorded.
        sanitizer: Inspects where there is no governor.
        redact_pii: Whether personal data is replaced by markers.
        principal: Who the events are attributed to.
    """

    def __init__(
        self,
        inner: BaseLoader,
        *,
        governor: Governor | None = None,
        sanitizer: Sanitizer | None = None,
        redact_pii: bool = False,
        principal: Principal = READER,
    ) -> None:
        self._inner = inner
        self._cleaner = DocumentCleaner(
            governor=governor, sanitizer=sanitizer or Sanitizer(), redact_pii=redact_pii, principal=principal
        )

    def lazy_load(self) -> Iterator[Document]:
        """Load and inspect document by document; raises as ``sanitize_documents`` does."""
        scope = self._scope()
        for document in self._inner.lazy_load():
            yield from self._cleaner.clean([document], scope)

    async def alazy_load(self) -> AsyncIterator[Document]:
        """The same without blocking the event loop."""
        scope = self._scope()
        async for document in self._inner.alazy_load():
            for cleaned in await asyncio.to_thread(self._cleaner.clean, [document], scope):
                yield cleaned

    def _scope(self) -> Scope | None:
        config = var_child_runnable_config.get() or RunnableConfig()
        return self._cleaner.scope(config, run=secrets.token_hex(16))


class SanitizingCompressor(BaseDocumentCompressor):
    """Inspects documents inside a ``ContextualCompressionRetriever`` or a pipeline of compressors.

    Attributes:
        governor: Records what was found; without one nothing is recorded.
        sanitizer: Inspects where there is no governor.
        redact_pii: Whether personal data is replaced by markers.
        principal: Who the events are attributed to.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    governor: Governor | None = None
    sanitizer: Sanitizer = Field(default_factory=Sanitizer)
    redact_pii: bool = False
    principal: Principal = READER

    def compress_documents(
        self,
        documents: Sequence[Document],
        query: str,  # noqa: ARG002 - LangChain's signature
        callbacks: Callbacks | None = None,  # noqa: ARG002 - LangChain's signature
    ) -> Sequence[Document]:
        """Inspect the documents; raises as ``sanitize_documents`` does."""
        return sanitize_documents(
            documents,
            governor=self.governor,
            sanitizer=self.sanitizer,
            redact_pii=self.redact_pii,
            principal=self.principal,
        )


def _name_of(document: Document, index: int) -> str:
    """Name a document by its identifier if that is one, and by its place otherwise: sentences are no names."""
    claimed = document.id or document.metadata.get("source")
    return claimed if isinstance(claimed, str) and _IDENTIFIER.match(claimed) else f"document-{index}"


def _is_plain(value: object, depth: int = 0) -> bool:
    if value is None or type(value) in (str, int, float, bool):
        return True
    if depth >= _MAX_DEPTH:
        return False
    if type(value) is list:
        return all(_is_plain(item, depth + 1) for item in value)
    return type(value) is dict and all(type(k) is str and _is_plain(v, depth + 1) for k, v in value.items())


def _described(value: object) -> str:
    """Turn what is not JSON into text; what cannot even be described is named by its type."""
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - a document's own object may raise anything
        return type(value).__name__
