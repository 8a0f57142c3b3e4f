"""A partition on a disk in memory, for the length of a server's life, and the next one's, in one event loop.

A server that is gone does nothing more: each of its tasks ends where it waits, and nothing it may still do reaches the
disk or a client.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Coroutine
from functools import partial
from typing import Any

from hanzo_queues._core import Command, Engine
from hanzo_queues.server.answer import Answer
from hanzo_queues.server.clock import Clock
from hanzo_queues.server.partition import Partition
from tests.faults.crash_disk import Disk
from tests.faults.mixed_load import Unanswered

START_S = 1_767_322_984
POLL_S = 20.0
SEGMENT_BYTES = 4_000
CHECKPOINT_BYTES = 1_500
OF_THE_SERVER: contextvars.ContextVar[bool] = contextvars.ContextVar("of_the_server", default=False)


class MortalServer:
    """Serves from `live` on until the disk says that it crashed, and again."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self.partition: Partition | None = None
        self.lives = 0
        self._tasks: set[asyncio.Task[Any]] = set()
        self._there = asyncio.Event()
        self._context = contextvars.copy_context()
        self._context.run(OF_THE_SERVER.set, True)
        asyncio.get_running_loop().set_task_factory(self._new_task)  # type: ignore[arg-type]

    def now_s(self) -> float:
        """What a clock of the wall says."""
        return START_S + asyncio.get_running_loop().time()

    async def live_until(self, done: asyncio.Future[None]) -> None:
        """One life after the other, until `done`; then its end in order. Raises what a partition failed with."""
        failed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        while not done.done():
            self._begin(failed)
            crashed = asyncio.ensure_future(self.disk.crashed.wait())
            ends: set[asyncio.Future[Any]] = {done, crashed, failed}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            crashed.cancel()
            if failed.done():
                raise AssertionError(failed.result())
            if self.disk.crashed.is_set():
                await self._die()
        if self.partition is not None:
            await self.partition.close()

    async def ask(self, command: Command, queue: str) -> Answer:
        """See `mixed_load.Ask`."""
        await self._there.wait()
        partition, crashed = self.partition, self.disk.crashed
        assert partition is not None
        asked = partition.receive(queue, command, POLL_S) if queue else partition.submit(command)
        answering = asyncio.get_running_loop().create_task(asked, context=self._context)
        ended = asyncio.ensure_future(crashed.wait())
        try:
            await asyncio.wait({answering, ended}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended.cancel()
            if not answering.done():
                answering.cancel()
        was_answered = answering.done() and not answering.cancelled() and answering.exception() is None
        if crashed.is_set() and not was_answered:
            raise Unanswered
        return answering.result()

    def _begin(self, failed: asyncio.Future[str]) -> None:
        def fail(why: str) -> None:
            if not failed.done():
                failed.set_result(why)

        journal, checkpoints = self.disk.mount()
        self.partition = Partition(
            0, journal, payload_memory_bytes=1, requests_max=1000, polls_max=1000,
            new_engine=partial(Engine, 0, segment_bytes=SEGMENT_BYTES), checkpoints=checkpoints,
            checkpoint_bytes=CHECKPOINT_BYTES, on_failed=fail,
            clock=Clock(wall=lambda: self.now_s() * 1000, monotonic=lambda: self.now_s() * 1000),
        )  # fmt: skip
        self._context.run(self.partition.start)
        self.lives += 1
        self._there.set()

    async def _die(self) -> None:
        self._there.clear()
        assert self.partition is not None
        self.partition.state = "closed"  # so that it says nothing of its end
        tasks, self._tasks = self._tasks, set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _new_task(
        self,
        loop: asyncio.AbstractEventLoop,
        coroutine: Coroutine[Any, Any, Any],
        context: contextvars.Context | None = None,
    ) -> asyncio.Task[Any]:
        task = asyncio.Task(coroutine, loop=loop, context=context)
        if (context or contextvars.copy_context()).get(OF_THE_SERVER):
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return task
