"""A backlog costs no memory for its payloads, not while it is filled and not while it is received: in order, whole."""

from __future__ import annotations

import asyncio
import sys

import pytest

from bench.memory import peak_bytes
from examples.local_server import LocalServer
from hanzo_queues import AsyncQueues

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what is resident is read from /proc")

PAYLOAD_BYTES = 250_000
BATCH = 4
BATCHES = 80
BUDGET_BYTES = 16 * 1024 * 1024
BESIDE_BYTES = 40 * 1024 * 1024  # requests and answers on their way, and what the allocator keeps of them


def payload(number: int) -> str:
    return f"{number}:".ljust(PAYLOAD_BYTES, "x")


async def test_what_waits_beyond_the_budget_is_not_in_memory_and_is_received_in_order() -> None:
    environment = {"HANZO_PAYLOAD_MEMORY": "16MiB"}
    with LocalServer(environment=environment) as server:
        assert server.process is not None
        async with AsyncQueues(server.api_key, url=server.url) as queues:
            await queues.create("q")
            before = peak_bytes(server.process.pid)
            for first in range(0, BATCH * BATCHES, BATCH):
                messages = [{"payload": payload(number)} for number in range(first, first + BATCH)]
                await queues.enqueue_batch("q", messages)
            expected = 0
            while held := await queues.receive("q", max_messages=BATCH):
                assert [message.payload for message in held] == [payload(expected + n) for n in range(len(held))]
                expected += len(held)
                await asyncio.gather(*(queues.ack(message) for message in held))
        grown = peak_bytes(server.process.pid) - before
    assert expected == BATCH * BATCHES
    assert grown < BUDGET_BYTES + BESIDE_BYTES < BATCH * BATCHES * PAYLOAD_BYTES, grown
