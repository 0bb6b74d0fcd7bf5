"""Keeps a governor's policy in step with a file.

Invariant: after a look at the file, either the policy in force is the one in the file, or everything is denied: a
bundle that cannot be read may have been written to take a right away.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

from aisecops_langchain.errors import AisecopsError, PolicyError
from aisecops_langchain.policy import load_policy
from aisecops_langchain.runtime.governor import Governor


class PolicyFile:
    """Reads a bundle again when its content changed.

    Use it in a ``with`` statement to look every few seconds from a thread, or call ``check`` from a loop of your own.

    Args:
        governor: Whose policy it is.
        path: The bundle.
        seconds: How often the thread looks.
    """

    def __init__(self, governor: Governor, path: str | os.PathLike[str], *, seconds: float = 5.0) -> None:
        self._governor = governor
        self._path = path
        self._seconds = seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="aisecops-policy-file", daemon=True)

    def check(self) -> PolicyError | None:
        """Look at the file once, and bring its policy into force if it is another one.

        Returns:
            The fault of the file, if it has one; until it is gone, everything is denied.

        Raises:
            AuditWriteError: If the change could not be recorded; then everything is denied, too.
        """
        try:
            policy = load_policy(self._path)
        except PolicyError as error:
            self._governor.suspend(str(error))
            return error
        if policy.digest != self._governor.policy.digest:
            self._governor.reload(policy)
        return None

    def _run(self) -> None:
        while not self._stopped.wait(self._seconds):
            try:
                self.check()
            except Exception as error:  # noqa: BLE001 - a watcher that dies would leave an old policy in force for ever
                with suppress(AisecopsError):  # everything is denied, recorded or not
                    self._governor.suspend(type(error).__name__)

    def __enter__(self) -> Self:
        self.check()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()
