"""A retriever whose documents are inspected, cleaned and labelled before anyone downstream sees them.

Invariant: no raw document leaves this wrapper: not in the result, not through callbacks (the caller's callbacks are
not handed to the inner retriever), not when inspection fails (then the call raises).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any, Final

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableConfig
from pydantic import ConfigDict, Field, JsonValue

from aisecops_langchain.adapters.core.place import TRACE_METADATA
from aisecops_langchain.domain.labels import Label, Source, SourceKind, label_for
from aisecops_langchain.domain.principal import Principal
from aisecops_langchain.domain.scope import Scope
from aisecops_langchain.errors import ContentBlockedError
from aisecops_langchain.runtime.admission import AdmittedValue
from aisecops_langchain.runtime.governor import Governor
from aisecops_langchain.sanitize import SanitizedValue, Sanitizer

METADATA_KEY: Final = "aisecops"
"""Where a document's label and raw digest stand in its metadata."""

_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z")
_MAX_DEPTH: Final = 64

_ALONE: Final = RunnableConfig(callbacks=[])
"""Configuration for the inner retriever: nobody is shown its raw documents."""


class SanitizingRetriever(BaseRetriever):
    """Wraps any retriever; its documents come out clean, labelled untrusted, and with the digest of their raw form.

    Attributes:
        inner: The retriever to wrap.
        governor: Records what was found, with the run that asked; without one nothing is recorded.
        sanitizer: Inspects documents where there is no governor.
        redact_pii: Whether personal data is replaced by markers (Presidio).
        principal: Who the events are attributed to.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    inner: BaseRetriever
    governor: Governor | None = None
    sanitizer: Sanitizer = Field(default_factory=Sanitizer)
    redact_pii: bool = False
    principal: Principal = Principal(agent="retriever")

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        found = self.inner.invoke(query, _ALONE, **kwargs)
        return self._clean(found, run_manager.metadata, run_manager.run_id.hex)

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        found = await self.inner.ainvoke(query, _ALONE, **kwargs)
        return await asyncio.to_thread(self._clean, found, run_manager.metadata, run_manager.run_id.hex)

    def _clean(self, found: list[Document], metadata: Mapping[str, Any], run: str) -> list[Document]:
        scope = self._scope(metadata, run)
        return [self._clean_one(document, index, scope) for index, document in enumerate(found)]

    def _clean_one(self, document: Document, index: int, scope: Scope | None) -> Document:
        described = _name_of(document, index)
        text, label = self._inspect(document.page_content, described, scope)
        metadata = self._clean_metadata(document.metadata, described, scope)
        metadata[METADATA_KEY] = {
            "integrity": label.integrity.value,
            "confidentiality": label.confidentiality.value,
            "sources": [source.model_dump(mode="json") for source in label.sources],
        }
        name = document.id if document.id is None else str(self._clean_value(document.id, described, scope))
        return Document(id=name, page_content=text, metadata=metadata)

    def _inspect(self, text: str, name: str, scope: Scope | None) -> tuple[str, Label]:
        kind = SourceKind.RETRIEVAL_CHUNK
        if self.governor is not None and scope is not None:
            admitted = self.governor.admission.admit(text, scope, kind=kind, name=name, redact_pii=self.redact_pii)
            clean, label, blocked = admitted.text, admitted.label, admitted.blocked
        else:
            found = self.sanitizer.sanitize_text(text, channel=kind, redact_pii=self.redact_pii)
            label = label_for(Source(kind=kind, name=name, digest=found.raw_digest))
            clean, blocked = found.text, found.blocked
        if blocked:
            raise ContentBlockedError(
                "a retrieved document was blocked", expected="content that policy lets through", got=f"document {name}"
            )
        return clean, label

    def _clean_metadata(self, found: Mapping[str, Any], name: str, scope: Scope | None) -> dict[str, JsonValue]:
        """Metadata is often shown to models too: clean its names and values alike."""
        plain = {str(key): value if _is_plain(value) else _described(value) for key, value in found.items()}
        cleaned = self._clean_value(plain, name, scope)
        return cleaned if isinstance(cleaned, dict) else {"withheld": cleaned}

    def _clean_value(self, value: JsonValue, name: str, scope: Scope | None) -> JsonValue:
        kind, redact = SourceKind.RETRIEVAL_CHUNK, self.redact_pii
        if self.governor is None or scope is None:
            found: SanitizedValue | AdmittedValue = self.sanitizer.sanitize_value(
                value, channel=kind, redact_pii=redact
            )
        else:
            found = self.governor.admission.admit_value(value, scope, kind=kind, name=name, redact_pii=redact)
        if found.blocked:
            raise ContentBlockedError(
                "the metadata of a retrieved document was blocked", expected="content that policy lets through"
            )
        return found.value

    def _scope(self, metadata: Mapping[str, Any], run: str) -> Scope | None:
        if self.governor is None:
            return None
        trace = str(metadata.get(TRACE_METADATA) or run)
        return self.governor.scope(
            trace=trace,
            thread=str(metadata.get("thread_id") or f"run-{trace}"),
            checkpoint_ns=str(metadata.get("langgraph_checkpoint_ns") or ""),
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
