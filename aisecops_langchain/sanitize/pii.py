"""Personal data: found by Presidio, replaced by markers such as ``<EMAIL_ADDRESS>``.

Invariant: no language model and no network unless the user brings an engine that has them. Redacted text is a fixed
point: redacting it again changes nothing. If Presidio cannot look, nothing is passed on.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Final, Protocol, cast

from aisecops_langchain.errors import ConfigurationError, SanitizeError
from aisecops_langchain.sanitize.recognizers import PrivateSpan

DEFAULT_ENTITIES: Final = (
    "CREDIT_CARD",
    "CRYPTO",
    "EMAIL_ADDRESS",
    "IBAN_CODE",
    "IP_ADDRESS",
    "MEDICAL_LICENSE",
    "PHONE_NUMBER",
    "US_SSN",
)
"""What can be told without a language model; names and places need an engine of the user's."""

_MAX_ROUNDS: Final = 5
"""Redacting changes the context that scores depend on; it is repeated until nothing more is found."""


class AnalyzerResult(Protocol):
    """One span that Presidio found."""

    entity_type: str
    start: int
    end: int
    score: float


class Analyzer(Protocol):
    """The part of ``presidio_analyzer.AnalyzerEngine`` that is used here."""

    def analyze(
        self, text: str, language: str, entities: list[str] | None = None, score_threshold: float | None = None
    ) -> Sequence[AnalyzerResult]:
        """Find the spans of the given entities."""
        ...


class PiiRedactor:
    """Replaces personal data by markers; safe to share between threads.

    Args:
        analyzer: An engine of the user's, for instance with a language model; by default Presidio's own recognisers
            without one, loaded on first use (about two seconds).
        entities: Presidio entity names to redact. By default ``DEFAULT_ENTITIES``, or with an engine of the user's
            everything that it knows.
        language: Two-letter language code.
        threshold: Least score, from 0 to 1, at which a span is redacted.
    """

    def __init__(
        self,
        *,
        analyzer: Analyzer | None = None,
        entities: Sequence[str] | None = None,
        language: str = "en",
        threshold: float = 0.35,
    ) -> None:
        default = None if analyzer is not None else list(DEFAULT_ENTITIES)
        self._entities = default if entities is None else list(entities)
        if self._entities == []:
            raise ConfigurationError("a redactor without entities redacts nothing", expected="at least one entity")
        self._analyzer = analyzer
        self._language = language
        self._threshold = threshold
        self._lock = Lock()

    def can_find(self, entity: str) -> bool:
        """Tell whether an entity can be looked for.

        Args:
            entity: A Presidio entity name.

        Returns:
            Whether it is among those that this redactor was made for.
        """
        return self._entities is None or entity in self._entities

    def find(self, text: str, entities: Sequence[str]) -> list[PrivateSpan]:
        """Locate personal data.

        Args:
            text: Any text.
            entities: What to look for.

        Returns:
            Spans, the best-scored first; they may overlap.

        Raises:
            ConfigurationError: If Presidio cannot be loaded.
            SanitizeError: If it cannot analyse the text.
        """
        found = sorted(self._analyze(text, list(entities)), key=lambda item: (-item.score, item.start))
        return [PrivateSpan(item.entity_type, item.entity_type, item.start, item.end) for item in found]

    def redact(self, text: str) -> str:
        """Replace personal data by markers.

        Args:
            text: Any text.

        Returns:
            The text with each span replaced by ``<ENTITY_NAME>``.

        Raises:
            ConfigurationError: If Presidio cannot be loaded.
            SanitizeError: If it cannot analyse the text.
        """
        for _ in range(_MAX_ROUNDS):
            redacted = _replace(text, self._analyze(text))
            if redacted == text:
                return text
            text = redacted
        raise SanitizeError(
            "redacted text keeps changing",
            expected="text without personal data",
            remedy="check the analyzer's recognisers",
        )

    def _analyze(self, text: str, entities: list[str] | None = None) -> Sequence[AnalyzerResult]:
        engine, wanted = self._engine(), entities or self._entities
        try:
            return engine.analyze(text, self._language, entities=wanted, score_threshold=self._threshold)
        except Exception as error:  # noqa: BLE001 - recognisers are foreign code; whatever they raise, nothing passes
            raise SanitizeError(
                "personal data cannot be looked for",
                expected="an analyzer that supports the language and the entities",
                got=type(error).__name__,
                remedy="check the language and the entities of the redactor, or do not ask for redaction",
            ) from None

    def _engine(self) -> Analyzer:
        if self._analyzer is None:
            with self._lock:
                if self._analyzer is None:
                    self._analyzer = _offline_engine(self._language, self._entities or ())
        return self._analyzer


def _offline_engine(language: str, entities: Sequence[str]) -> Analyzer:
    """Build Presidio without a model, and keep its e-mail recogniser from fetching the list of public suffixes."""
    engine, supported = _load_presidio(language)
    missing = sorted(set(entities).difference(supported))
    if missing:
        raise ConfigurationError(
            f"Presidio has no recogniser for {', '.join(missing)} in language {language!r}",
            expected=", ".join(sorted(supported)),
            remedy="name other entities, or pass an analyzer that knows them",
        )
    return engine


def _load_presidio(language: str) -> tuple[Analyzer, set[str]]:
    try:
        import tldextract  # noqa: PLC0415 - slow to import, and only needed where redaction is asked for
        from presidio_analyzer import AnalyzerEngine  # noqa: PLC0415
        from presidio_analyzer.nlp_engine import NoOpNlpEngine  # noqa: PLC0415

        tldextract.extract = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)  # type: ignore[assignment]
        engine = NoOpNlpEngine(models=[{"lang_code": language, "model_name": "none"}])
        analyzer = AnalyzerEngine(nlp_engine=engine, supported_languages=[language])
        return cast("Analyzer", analyzer), set(analyzer.get_supported_entities(language))
    except Exception as error:
        raise ConfigurationError(
            "Presidio cannot be loaded",
            expected="presidio-analyzer 2.2 or later",
            got=type(error).__name__,
            remedy="install presidio-analyzer, or do not ask for redaction",
        ) from error


def _replace(text: str, results: Sequence[AnalyzerResult]) -> str:
    """Replace every span by the name of its best-scored entity; spans that overlap become one."""
    pieces: list[str] = []
    last = 0
    merged: list[tuple[int, int, AnalyzerResult]] = []
    for result in sorted(results, key=lambda found: (found.start, found.end)):
        if merged and result.start < merged[-1][1]:
            start, end, best = merged[-1]
            best = max(best, result, key=lambda found: found.score)
            merged[-1] = (start, max(end, result.end), best)
        else:
            merged.append((result.start, result.end, result))
    for start, end, best in merged:
        pieces += (text[last:start], f"<{best.entity_type}>")
        last = end
    return "".join((*pieces, text[last:]))
