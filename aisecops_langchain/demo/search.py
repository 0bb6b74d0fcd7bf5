"""Search over the documents that ship along: a BM25 index from langchain-community behind a sanitizing wrapper.

Invariant: a document reaches the agent only through ``SanitizingRetriever``.
"""

from __future__ import annotations

import re
import warnings
from importlib.resources import files
from typing import Final

from langchain_core.documents import Document

from aisecops_langchain.adapters.retriever import SanitizingRetriever
from aisecops_langchain.domain.principal import Principal
from aisecops_langchain.runtime.governor import Governor

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # the package is in maintenance; its BM25 index does its job
    from langchain_community.retrievers import BM25Retriever

_FOUND: Final = 4
"""Documents that one search brings."""

_WORD: Final = re.compile(r"\w+")


def documents() -> list[Document]:
    """Read the documents that ship along, as they are.

    Returns:
        One document per file, named by its file, in the order of their names.
    """
    folder = files("aisecops_langchain.demo") / "documents"
    found = sorted((item for item in folder.iterdir() if item.name.endswith(".md")), key=lambda item: item.name)
    return [
        Document(id=name, page_content=item.read_text(encoding="utf-8"), metadata={"source": name})
        for item in found
        for name in [item.name.removesuffix(".md")]
    ]


def build_retriever(governor: Governor, principal: Principal) -> SanitizingRetriever:
    """Index the documents.

    Args:
        governor: Records what was found in them.
        principal: Who searches.

    Returns:
        The retriever.
    """
    index = BM25Retriever.from_documents(documents(), preprocess_func=_words, k=_FOUND)
    return SanitizingRetriever(inner=index, governor=governor, principal=principal)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())
