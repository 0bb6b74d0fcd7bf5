"""``SealedCheckpointer``: any LangGraph checkpointer, with what it stores under seals that only the governor can make.

Invariant: nothing that the checkpointer beneath returns reaches a graph before ``runtime.checkpoints`` judged it. Each
operation is one course of steps for both worlds: it yields what it wants of the checkpointer beneath, and talks to the
ledger itself, off the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
)

from aisecops_langchain.adapters.checkpoints.carrier import carrier_of
from aisecops_langchain.adapters.checkpoints.courses import Ask, Course, Courses, Opened
from aisecops_langchain.errors import ConfigurationError
from aisecops_langchain.runtime.governor import Governor

Result = TypeVar("Result")


class SealedCheckpointer(BaseCheckpointSaver[Any]):
    """Seals what a checkpointer stores, and refuses what is not exactly what was stored last.

    Everything is under a seal with the governor's key: the state, its metadata, its place (thread, namespace, id,
    parent, order) and every pending write. The newest checkpoint of each thread is named in the ledger, so that an
    older one put back, or a newer one taken away, is noticed.

    Args:
        inner: Any checkpointer of LangGraph. From now on, reach its threads through this one only.
        governor: Holds key, ledger and log.
        store: Name of the store, where one ledger serves several: threads of two stores may have the same id. It must
            stay the same, and a store that was lost needs another one.

    Raises:
        ConfigurationError: If ``inner`` is no checkpointer, or sealed already.
    """

    def __init__(self, inner: BaseCheckpointSaver[Any], governor: Governor, *, store: str = "checkpoints") -> None:
        if isinstance(inner, SealedCheckpointer):
            raise ConfigurationError("sealed twice", expected="a checkpointer that is not sealed", got="a sealed one")
        self._carrier = carrier_of(inner)
        self._checkpoints = governor.checkpoints
        self._store = store
        super().__init__(serde=inner.serde)

    @property
    def config_specs(self) -> list[Any]:
        """The configuration that the checkpointer beneath asks for."""
        return self._carrier.config_specs

    def get_next_version(self, current: Any, channel: None) -> Any:
        """Return the next version of a channel, as the checkpointer beneath counts."""
        return self._carrier.get_next_version(current, channel)

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Read a checkpoint, or the latest one.

        Args:
            config: Names the thread, and perhaps namespace and checkpoint.

        Returns:
            The checkpoint, or ``None``.

        Raises:
            CheckpointError: If it is not what was stored last.
            LedgerError: If the ledger cannot be used, so that nobody can tell.
        """
        return _saved(self._drive(self._courses.read(config)))

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Read a checkpoint; see ``get_tuple``."""
        return _saved(await self._adrive(self._courses.read(config)))

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002 - the host's name
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """List checkpoints, newest first; each is judged as ``get_tuple`` does."""
        query = {"filter": filter, "before": before, "limit": limit}
        for opened in self._drive(self._courses.listed(config, query)):
            yield opened.saved

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002 - the host's name
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """List checkpoints; see ``list``."""
        query = {"filter": filter, "before": before, "limit": limit}
        for opened in await self._adrive(self._courses.listed(config, query)):
            yield opened.saved

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint under a seal, and make it the head of its thread.

        Args:
            config: Names thread, namespace and, as checkpoint, the parent.
            checkpoint: The checkpoint.
            metadata: Its metadata.
            new_versions: Not needed: each checkpoint is stored whole.

        Returns:
            A configuration that names it.

        Raises:
            CheckpointError: If its parent is not what was stored, or its thread was deleted meanwhile.
            LedgerError: If it could not be made the head; it counts as stored by a process that died.
        """
        del new_versions
        return self._drive(self._courses.put(config, checkpoint, metadata))

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint; see ``put``."""
        del new_versions
        return await self._adrive(self._courses.put(config, checkpoint, metadata))

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Store pending writes of a task, each under a seal.

        Args:
            config: Names the checkpoint.
            writes: Channels and values.
            task_id: The task.
            task_path: Its path.

        Raises:
            CheckpointError: If the thread was deleted meanwhile.
            LedgerError: If the ledger cannot be used.
        """
        self._drive(self._courses.put_writes(config, writes, task_id, task_path))

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Store pending writes; see ``put_writes``."""
        await self._adrive(self._courses.put_writes(config, writes, task_id, task_path))

    def delete_thread(self, thread_id: str) -> None:
        """Delete a thread; what is left of it, or put back later, is void.

        Args:
            thread_id: The thread.

        Raises:
            LedgerError: If that could not be made durable; nothing is deleted then.
        """
        self._drive(self._courses.delete(thread_id))

    async def adelete_thread(self, thread_id: str) -> None:
        """Delete a thread; see ``delete_thread``."""
        await self._adrive(self._courses.delete(thread_id))

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy a thread; the copy is sealed anew, and carries no permit or approval with it.

        Args:
            source_thread_id: What to copy.
            target_thread_id: Where to.

        Raises:
            CheckpointError: If something of the source is not what was stored.
            LedgerError: If the ledger cannot be used.
        """
        self._drive(self._courses.copy(source_thread_id, target_thread_id))

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy a thread; see ``copy_thread``."""
        await self._adrive(self._courses.copy(source_thread_id, target_thread_id))

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Prune threads as the checkpointer beneath does; what was pruned is void, even if it is put back.

        Args:
            thread_ids: The threads.
            strategy: ``keep_latest`` or ``delete``.

        Raises:
            NotImplementedError: If the checkpointer beneath cannot.
            CheckpointError: If something of a thread is not what was stored.
            LedgerError: If the ledger cannot be used.
        """
        self._drive(self._courses.prune(thread_ids, strategy))

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Prune threads; see ``prune``."""
        await self._adrive(self._courses.prune(thread_ids, strategy))

    def get_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """Collect what made up channels that are stored as changes.

        Args:
            config: Names the checkpoint.
            channels: The channels.

        Returns:
            For each its writes, oldest first, and the value that they start from.

        Raises:
            CheckpointError: If an ancestor is gone or not the one that was built on.
            LedgerError: If the ledger cannot be used.
        """
        return self._drive(self._courses.history(config, channels))

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """Collect changes; see ``get_delta_channel_history``."""
        return await self._adrive(self._courses.history(config, channels))

    @property
    def _courses(self) -> Courses:
        return Courses(self._store, self._checkpoints, self.serde)  # the host gives copies of this another serializer

    def _drive(self, course: Course[Result]) -> Result:
        """Follow a course on this thread."""
        step: Callable[[], Ask] = partial(next, course)
        while True:
            try:
                ask = step()
            except StopIteration as stop:
                result: Result = stop.value
                return result
            try:
                answer = getattr(self._carrier, ask.method)(*ask.args, **ask.options)
                answer = [*answer] if ask.method == "list" else answer
            except Exception as error:  # noqa: BLE001 - the course knows what to make of it
                step = partial(course.throw, error)
            else:
                step = partial(course.send, answer)

    async def _adrive(self, course: Course[Result]) -> Result:
        """Follow a course without holding up the event loop: its own steps wait for the ledger."""
        step: Callable[[], Ask] = partial(next, course)
        while True:
            ask = await asyncio.to_thread(_taken, step)
            if not isinstance(ask, Ask):
                result: Result = ask[0]
                return result
            try:
                answer = getattr(self._carrier, f"a{ask.method}")(*ask.args, **ask.options)
                answer = [found async for found in answer] if ask.method == "list" else await answer
            except Exception as error:  # noqa: BLE001 - the course knows what to make of it
                step = partial(course.throw, error)
            else:
                step = partial(course.send, answer)


def _taken(step: Callable[[], Ask]) -> Ask | tuple[Any]:
    """Take a step; the end of a course cannot cross threads as the exception that it is."""
    try:
        return step()
    except StopIteration as stop:
        return (stop.value,)


def _saved(opened: Opened | None) -> CheckpointTuple | None:
    return opened.saved if opened else None
