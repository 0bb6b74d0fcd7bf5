"""A model as detector: any runnable that scores text, behind the protocol of the sanitizer's own detectors.

Invariant: it can only add findings. A runnable that fails, answers something else than a score or takes too long is a
finding of high severity, so that policy decides what becomes of the text; it never counts as clean.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from langchain_core.runnables import Runnable

from aisecops_langchain.domain.labels import SourceKind
from aisecops_langchain.errors import ConfigurationError
from aisecops_langchain.runtime.effects.waiting import Abandoned, call_until
from aisecops_langchain.sanitize.finding import Finding, Severity, detector_failed
from aisecops_langchain.sanitize.view import View

_MOST_READINGS: Final = 8
"""Readings of one text that the model is asked about; the plainest come first, and rules look at all of them."""


class RunnableDetector:
    """Asks a runnable how sure it is that a text is an attack; used only where it is put among the detectors.

    Args:
        runnable: Takes a text, and answers with a score from 0 to 1, or a mapping with a ``score``.
        threshold: Score from which a text is a finding.
        timeout: Seconds that it may take for all readings of one text.
        name: What the rule is called in findings.
        severity: How serious such a finding is.

    Raises:
        ConfigurationError: If the threshold is not within 0 and 1, or the timeout is not positive.
    """

    def __init__(
        self,
        runnable: Runnable[str, Any],
        *,
        threshold: float,
        timeout: float = 5.0,
        name: str = "model",
        severity: Severity = Severity.MEDIUM,
    ) -> None:
        if not 0 < threshold <= 1:
            raise ConfigurationError("threshold is out of range", expected="above 0, at most 1", got=str(threshold))
        if not (timeout > 0 and math.isfinite(timeout)):
            raise ConfigurationError("timeout is out of range", expected="seconds above 0", got=str(timeout))
        self._runnable = runnable
        self._threshold = threshold
        self._timeout = timeout
        self._name = name
        self._severity = severity

    def scan(self, views: Sequence[View], channel: SourceKind) -> list[Finding]:  # noqa: ARG002 - any channel
        """Inspect one text; see ``Detector.scan``."""
        asked = [view for view in views if view.text.strip()][:_MOST_READINGS]
        if not asked:
            return []
        texts = [view.text for view in asked]
        try:
            # Callbacks of the surrounding run stay out of it: the text is not inspected yet.
            answers = call_until(
                time.monotonic() + self._timeout, lambda: self._runnable.batch(texts, {"callbacks": []})
            )
            scores = [_score(answer) for answer in answers]
        except Abandoned:
            return [detector_failed(self._name, "timeout")]
        except Exception as error:  # noqa: BLE001 - whatever the runnable raises, the text was not judged
            return [detector_failed(self._name, type(error).__name__)]
        if len(scores) != len(asked):
            return [detector_failed(self._name, "answers missing")]
        return [self._finding(view) for view, score in zip(asked, scores, strict=True) if score >= self._threshold][:1]

    def _finding(self, view: View) -> Finding:
        start, end = view.span(0, len(view.text))
        severity = Severity.HIGH if view.name == "hidden" else self._severity
        return Finding(f"model:{self._name}", "model", severity, start, end, view.name)


def _score(answer: object) -> float:
    """Read an answer; whatever is not a score from 0 to 1 raises."""
    value = answer["score"] if isinstance(answer, Mapping) else answer
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("not a score")
    if not 0 <= value <= 1:
        raise ValueError("not from 0 to 1")
    return float(value)
