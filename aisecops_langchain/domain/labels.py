"""Labels: how far content may be trusted, how widely it may be shown, and where it came from.

Invariant: ``Label.join`` is associative, commutative and idempotent, and never raises trust: it takes the least
integrity, the highest confidentiality and the union of sources. The integrity order follows Biba (1977), the
confidentiality order Bell and LaPadula (1973).
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from aisecops_langchain.domain.base import Frozen


class Integrity(StrEnum):
    """Who could have written the content, from least to most trusted."""

    UNTRUSTED = "untrusted"
    FIRST_PARTY = "first_party"
    USER = "user"
    SYSTEM = "system"

    @property
    def rank(self) -> int:
        """Position in the trust order; higher is more trusted."""
        return _INTEGRITY_RANK[self]


class Confidentiality(StrEnum):
    """Who may see the content, from widest to narrowest."""

    PUBLIC = "public"
    INTERNAL = "internal"
    CONFIDENTIAL = "confidential"
    RESTRICTED = "restricted"

    @property
    def rank(self) -> int:
        """Position in the secrecy order; higher is more secret."""
        return _CONFIDENTIALITY_RANK[self]


def least(levels: Iterable[Integrity]) -> Integrity:
    """Return the least trusted of some levels.

    Args:
        levels: At least one.

    Returns:
        The one of the lowest rank.
    """
    return min(levels, key=_INTEGRITY_RANK.__getitem__)


def highest(levels: Iterable[Confidentiality]) -> Confidentiality:
    """Return the most secret of some levels.

    Args:
        levels: At least one.

    Returns:
        The one of the highest rank.
    """
    return max(levels, key=_CONFIDENTIALITY_RANK.__getitem__)


_INTEGRITY_RANK: Final = {level: rank for rank, level in enumerate(Integrity)}
_CONFIDENTIALITY_RANK: Final = {level: rank for rank, level in enumerate(Confidentiality)}


class SourceKind(StrEnum):
    """The doors through which content reaches a model."""

    SYSTEM_PROMPT = "system_prompt"
    USER_PROMPT = "user_prompt"
    SKILL = "skill"
    RETRIEVAL_CHUNK = "retrieval_chunk"
    MEMORY = "memory"
    TOOL_RESULT = "tool_result"
    AGENT_MESSAGE = "agent_message"
    APPROVER = "approver"
    """A person who was asked about a call and said something instead of yes or no."""


class Source(Frozen):
    """One piece of content, named by where it came from and by the digest of its raw form."""

    kind: SourceKind
    """The door that it came through."""
    name: str
    """Which tool, document or speaker; chosen by us or by configuration, never by the content."""
    digest: str
    """Digest of the raw content, before any cleaning."""


class Label(Frozen):
    """Integrity, confidentiality and sources of one piece of content."""

    integrity: Integrity
    confidentiality: Confidentiality
    sources: frozenset[Source] = frozenset()

    def join(self, other: Label) -> Label:
        """Label of content that could depend on both operands.

        Args:
            other: The other label.

        Returns:
            Least integrity, highest confidentiality, union of sources.
        """
        return _join((self, other))


NEUTRAL: Final = Label(integrity=Integrity.SYSTEM, confidentiality=Confidentiality.PUBLIC)
"""Identity of ``join``: the label of no content at all."""

UNLABELLED: Final = Label(integrity=Integrity.UNTRUSTED, confidentiality=Confidentiality.INTERNAL)
"""Label of content that nobody vouched for."""

_DEFAULT_INTEGRITY: Final = {
    SourceKind.SYSTEM_PROMPT: Integrity.SYSTEM,
    SourceKind.SKILL: Integrity.SYSTEM,
    SourceKind.USER_PROMPT: Integrity.USER,
}


def join_all(labels: Iterable[Label]) -> Label:
    """Join any number of labels.

    Args:
        labels: The labels; none at all gives the neutral label.

    Returns:
        Their join.
    """
    return _join(tuple(labels) or (NEUTRAL,))


def _join(labels: tuple[Label, ...]) -> Label:
    """Join in one pass: only the result is built, not every label on the way to it."""
    return Label(
        integrity=least([label.integrity for label in labels]),
        confidentiality=highest([label.confidentiality for label in labels]),
        sources=frozenset().union(*[label.sources for label in labels]),
    )


def label_for(source: Source, *, confidentiality: Confidentiality = Confidentiality.INTERNAL) -> Label:
    """Label that content gets from its door alone, before any endorsement.

    Args:
        source: Where the content came from.
        confidentiality: How secret it is, where that is known.

    Returns:
        System and user words keep their trust; retrieval, memory, tool results and other agents are untrusted.
    """
    integrity = _DEFAULT_INTEGRITY.get(source.kind, Integrity.UNTRUSTED)
    return Label(integrity=integrity, confidentiality=confidentiality, sources=frozenset({source}))
