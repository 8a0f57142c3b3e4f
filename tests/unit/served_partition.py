"""A partition on the memory journal, and what tests ask of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from hanzo_queues._core import Command, Parser
from hanzo_queues.server.answer import Answer
from hanzo_queues.server.faults import PartitionRecovering
from hanzo_queues.server.journal.memory import MemoryJournal
from hanzo_queues.server.limits_table import LIMITS
from hanzo_queues.server.partition import Partition

PARSER = Parser(dict(LIMITS), visibility_timeout_ms=30_000, max_retries=3)


class GatedJournal(MemoryJournal):
    """A memory journal whose appends wait for the test, or fail as it says."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()
        self.held_from = 0
        self.under_way = 0
        self.waiting = asyncio.Event()
        self.appends: list[int] = []
        self.fail_next: list[tuple[Exception, bool]] = []

    async def append(self, batch: bytes, expected_last_sequence: int) -> None:
        if expected_last_sequence >= self.held_from:
            self.waiting.set()
            self.under_way += 1
            await self.gate.wait()
            self.under_way -= 1
            self.waiting.clear()
        error, committed = self.fail_next.pop(0) if self.fail_next else (None, True)
        if committed:
            await super().append(batch, expected_last_sequence)
            self.appends.append(expected_last_sequence + 1)
        if error is not None:
            raise error


@asynccontextmanager
async def serving(journal: MemoryJournal, **options: Any) -> AsyncIterator[Partition]:
    await journal.open()
    partition = Partition(
        0, journal, **{"payload_memory_bytes": 1 << 20, "requests_max": 1000, "polls_max": 1000, **options}
    )
    partition.start()
    await created(partition)
    try:
        yield partition
    finally:
        await partition.close()


async def created(partition: Partition, name: str = "mail", **config: Any) -> None:
    body = json.dumps({"name": name, "config": config}).encode()
    answer = await partition.submit(PARSER.create_queue(body))
    assert answer.rejection is None


def enqueue(payload: Any, queue: str = "mail", **fields: Any) -> Command:
    return PARSER.enqueue(queue, json.dumps({"payload": payload, **fields}).encode())


def receive(count: int = 1, queue: str = "mail") -> Command:
    return PARSER.receive(queue, group=None, consumer=None, messages_max=count, visibility_timeout_ms=None)


def payloads(answer: Answer) -> list[Any]:
    return [message["payload"] for message in json.loads(answer.body)["messages"]]


async def ready(partition: Partition) -> int:
    await asyncio.sleep(0)  # what tasks are to ask that were begun before is asked before
    return int(json.loads((await partition.submit(PARSER.get_queue("mail"))).body)["counts"]["ready"])


async def until_served(partition: Partition) -> int:
    """Asks again while the partition recovers, as a client would."""
    while True:
        try:
            return await ready(partition)
        except PartitionRecovering:
            await asyncio.sleep(0.01)


async def until_warned(partition: Partition) -> str:
    """Goes on writing until checkpoints have failed for so long that readiness warns of it: the warning."""
    async with asyncio.timeout(10):
        while not (warning := partition.checkpoint_outage.warning):
            await partition.submit(enqueue("one more"))
            await asyncio.sleep(0.001)
    return warning


class Turns:
    """An ownership that the test grants."""

    def __init__(self) -> None:
        self.granted = asyncio.Event()
        self.granted.set()
        self.asked = asyncio.Event()
        self.released = False
        self.held = True

    async def acquire(self) -> None:
        self.asked.set()
        await self.granted.wait()
        self.held = True

    def lasts(self) -> bool:
        return self.held

    async def release(self) -> None:
        self.released = True
