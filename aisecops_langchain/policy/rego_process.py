"""The other end of the process in which Rego runs.

Invariant: an answer is taken only from this process's own worker, for the request that was just asked, within the
time; whatever else happens ends the worker and is an error, which denies. The next request starts another one.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
import weakref
from pathlib import Path
from threading import Lock
from typing import Final

import orjson
from pydantic import JsonValue

from aisecops_langchain.errors import AisecopsError

STARTUP_SECONDS: Final = 30.0
ANSWER_SECONDS: Final = 2.0

_SCRIPT: Final = Path(__file__).with_name("rego_worker.py")
_READ: Final = 65_536


class WorkerError(AisecopsError):
    """The process in which Rego runs did not answer as it should."""


class RegoProcess:
    """One policy in a process of its own, started when needed.

    Args:
        policy: The Rego module.
    """

    def __init__(self, policy: str) -> None:
        self._policy = policy
        self._lock = Lock()
        self._worker: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._asked = 0

    def compile(self) -> frozenset[str]:
        """Start the worker with the policy.

        Returns:
            The built-in functions that the policy calls.

        Raises:
            WorkerError: If it does not compile.
        """
        with self._lock:
            return self._start()

    def ask(self, request: str) -> JsonValue:
        """Evaluate a request.

        Args:
            request: JSON text.

        Returns:
            What Rego answers; ``None`` for an error of its own.

        Raises:
            WorkerError: If there is no answer.
        """
        with self._lock:
            if self._worker is None or self._owner != os.getpid():
                self._start()
            self._asked += 1
            answer = self._exchange([self._asked, request], ANSWER_SECONDS)
            if not isinstance(answer, list) or len(answer) != 2 or answer[0] != self._asked:
                self._end()
                raise WorkerError("the answer is to another request")
            return answer[1]

    def _start(self) -> frozenset[str]:
        self._worker = subprocess.Popen(  # noqa: S603 - our own script, by this interpreter
            [sys.executable, "-I", str(_SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env={},
        )
        self._owner = os.getpid()
        weakref.finalize(self, _close, self._worker, self._owner)
        first = self._exchange(self._policy, STARTUP_SECONDS)
        called = first.get("called") if isinstance(first, dict) else None
        if not isinstance(called, list):
            self._end()
            raise WorkerError(str(first.get("fault")) if isinstance(first, dict) else "it does not start")
        return frozenset(str(name) for name in called)

    def _exchange(self, said: JsonValue, seconds: float) -> JsonValue:
        worker = self._worker
        if worker is None or worker.stdin is None or worker.stdout is None:
            raise WorkerError("there is no worker")
        until, heard = time.monotonic() + seconds, b""
        try:
            _write(worker.stdin.fileno(), orjson.dumps(said) + b"\n", until)
            while not heard.endswith(b"\n"):
                heard += _read(worker.stdout.fileno(), until)
            answer: JsonValue = orjson.loads(heard)
        except (OSError, ValueError) as error:
            self._end()
            raise WorkerError("no answer", got=type(error).__name__) from None
        return answer

    def _end(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            _close(worker, self._owner)


def _write(stream: int, data: bytes, until: float) -> None:
    os.set_blocking(stream, False)
    while data:
        _, ready, _ = select.select([], [stream], [], max(0.0, until - time.monotonic()))
        if not ready:
            raise TimeoutError
        data = data[os.write(stream, data) :]


def _read(stream: int, until: float) -> bytes:
    ready, _, _ = select.select([stream], [], [], max(0.0, until - time.monotonic()))
    if not ready:
        raise TimeoutError
    found = os.read(stream, _READ)
    if not found:
        raise EOFError
    return found


def _close(worker: subprocess.Popen[bytes], owner: int) -> None:
    """End a worker; a fork that has only inherited it leaves it alone."""
    if owner != os.getpid():
        return
    worker.kill()
    worker.wait()
    for stream in (worker.stdin, worker.stdout):
        if stream is not None:
            stream.close()
