"""A retriever whose documents are inspected, cleaned and labelled before anyone downstream sees them.

Invariant: no raw document leaves this wrapper: not in the result, not through callbacks (the caller's callbacks are
not handed to the inner retriever), not when inspection fails (then the call raises).
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableConfig
from pydantic import ConfigDict, Field

from aisecops_langchain.adapters.documents import READER, DocumentCleaner
from aisecops_langchain.domain.principal import Principal
from aisecops_langchain.runtime.governor import Governor
from aisecops_langchain.sanitize import Sanitizer

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
        k: At most so many documents; handed to a retriever that takes such a number, and held here for any other.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    inner: BaseRetriever
    governor: Governor | None = None
    sanitizer: Sanitizer = Field(default_factory=Sanitizer)
    redact_pii: bool = False
    principal: Principal = READER
    k: int | None = Field(default=None, ge=1)

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        asked = self._asked(kwargs)
        found = self.inner.invoke(query, _ALONE, **asked)
        return self._clean(found[: asked.get("k")], run_manager)

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        asked = self._asked(kwargs)
        found = await self.inner.ainvoke(query, _ALONE, **asked)
        return await asyncio.to_thread(self._clean, found[: asked.get("k")], run_manager)

    def _asked(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        return kwargs if self.k is None else {"k": self.k, **kwargs}

    def _clean(
        self,
        found: list[Document],
        manager: CallbackManagerForRetrieverRun | AsyncCallbackManagerForRetrieverRun,
    ) -> list[Document]:
        cleaner = DocumentCleaner(
            governor=self.governor, sanitizer=self.sanitizer, redact_pii=self.redact_pii, principal=self.principal
        )
        config = RunnableConfig(metadata=dict(manager.metadata))
        return cleaner.clean(found, cleaner.scope(config, run=manager.run_id.hex))
