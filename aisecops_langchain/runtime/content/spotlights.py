"""Frames for untrusted content: a mark for each run, that nobody without the sealing key can know beforehand.

Invariant: a node that is executed again frames as before; another run, thread, user or agent gets another mark; and
content that holds the mark of its run is on record before the model is shown it under another one.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable

from aisecops_langchain.canonical import digest_text
from aisecops_langchain.domain.events import MarkRepeated
from aisecops_langchain.domain.inspection import Spotlight
from aisecops_langchain.domain.scope import Scope
from aisecops_langchain.runtime.policies.in_force import PolicyInForce
from aisecops_langchain.runtime.recorder import Recorder
from aisecops_langchain.sanitize import Frame, choose_frame
from aisecops_langchain.sealing import Sealer


class Spotlights:
    """Frames untrusted content as the policy in force asks for it.

    Args:
        policy: Says how.
        sealer: Makes marks.
        recorder: Records content that holds one.
    """

    def __init__(self, policy: PolicyInForce, sealer: Sealer, recorder: Recorder) -> None:
        self._policy = policy
        self._sealer = sealer
        self._recorder = recorder

    def frame(self, scope: Scope, texts: Iterable[str]) -> Frame | None:
        """Choose the frame for what a model is about to be shown.

        Args:
            scope: Where.
            texts: All the untrusted content that it will be shown.

        Returns:
            The frame, or ``None`` where the policy wants none.

        Raises:
            SanitizeError: If the content holds every mark that could be chosen.
            AuditWriteError: If content that holds a mark could not be recorded.
        """
        style = self._policy.inspection.spotlight
        if style is Spotlight.NONE:
            return None
        frame, suspects = choose_frame(style, texts, lambda number: self._mark(scope, number))
        for digest, size in sorted((digest_text("content", text), len(text)) for text in suspects):
            self._recorder.record(MarkRepeated, scope, digest, content=digest, size=size)
        return frame

    def _mark(self, scope: Scope, number: int) -> str:
        who = scope.principal
        seal = self._sealer.seal("spotlight", [who.tenant, who.user, who.agent, scope.thread, scope.trace, number])
        return base64.b32encode(bytes.fromhex(seal)).decode()
