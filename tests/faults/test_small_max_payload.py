"""Three nats-servers that take a megabyte at a time, as they do by default: batches of requests, pages of what trimming
moves and blocks of checkpoints keep to it, and nobody is poisoned by one that doesn't."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hanzo_queues._core import Command, Engine, Parser, step_batch_bytes_min
from hanzo_queues.server.checkpoints.jetstream import JetStreamCheckpoints
from hanzo_queues.server.journal.jetstream import JetStreamJournal
from hanzo_queues.server.limits_table import LIMITS, within_batch
from hanzo_queues.server.partition import Partition
from hanzo_queues.server.recovery import recover
from tests.contract.test_journal import opened
from tests.nats_servers import NatsServers, running_nats_servers

MAX_PAYLOAD = 1 << 20
SEGMENT_BYTES = 1 << 21
WEIGHTS = {f"{number:0>128}": 2 for number in range(LIMITS["fairness_weights_max"])}
WEIGHED_QUEUES = 10  # a block of queues: more than a megabyte of weights
STAY = 2000
STAY_BYTES = 1500  # a thousand are more than a megabyte
PASS = 60
PASS_BYTES = 300_000


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[NatsServers]:
    with running_nats_servers(tmp_path, 3, max_payload_bytes=MAX_PAYLOAD) as servers:
        yield servers


class Served:
    """A partition on the cluster, and what it is asked."""

    def __init__(self, endpoint: Any) -> None:
        self.journal = JetStreamJournal(endpoint, partition=0, replicas=3)
        self.checkpoints = JetStreamCheckpoints(endpoint, partition=0, replicas=3)
        self.new_engine = partial(Engine, 0, segment_bytes=SEGMENT_BYTES)

    async def open(self) -> None:
        await opened(self.journal)
        await opened(self.checkpoints)
        self.limits = within_batch(LIMITS, self.journal.batch_bytes_max - step_batch_bytes_min())
        self.parser = Parser(self.limits, visibility_timeout_ms=600_000, max_retries=3)
        self.partition = Partition(
            0, self.journal, payload_memory_bytes=1 << 20, requests_max=1000, polls_max=10,
            new_engine=self.new_engine, checkpoints=self.checkpoints, checkpoint_bytes=1 << 18,
        )  # fmt: skip
        self.partition.start()

    async def close(self) -> None:
        await self.partition.close()
        await self.journal.close()
        await self.checkpoints.close()

    async def ask(self, command: Command) -> Any:
        answer = await self.partition.submit(command)
        assert answer.rejection is None, answer.rejection
        return json.loads(answer.body)

    async def create(self, name: str, **config: Any) -> None:
        await self.ask(self.parser.create_queue(json.dumps({"name": name, "config": config}).encode()))

    async def enqueue(self, queue: str, payloads: list[str]) -> None:
        body = {"messages": [{"payload": payload} for payload in payloads]}
        answer = await self.ask(self.parser.enqueue_batch(queue, json.dumps(body).encode()))
        assert answer["failed"] == 0

    async def take(self, queue: str) -> list[str]:
        """Payloads of messages that are acked."""
        asked = self.parser.receive(
            queue, group=None, consumer=None, messages_max=100, visibility_timeout_ms=None
        )
        held = (await self.ask(asked))["messages"]
        acks = [{"id": one["id"], "receipt": one["receipt"]} for one in held]
        if acks:
            assert (await self.ask(self.parser.settle(queue, json.dumps({"acks": acks}).encode())))["failed"] == 0
        return [one["payload"] for one in held]


@asynccontextmanager
async def served(cluster: NatsServers) -> AsyncIterator[Served]:
    server = Served(cluster.endpoint)
    await server.open()
    try:
        yield server
    finally:
        await server.close()


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What went wrong."""
    return [record.message for record in caplog.records if record.levelno >= logging.WARNING]


def stays(number: int) -> str:
    return f"{number}".rjust(STAY_BYTES)


@pytest.mark.timeout(120)
async def test_what_is_written_fits_whatever_it_is(cluster: NatsServers, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "hanzo_queues")
    async with served(cluster) as server:
        for number in range(WEIGHED_QUEUES):
            await server.create(f"weighed-{number}", fairness={"weights": WEIGHTS})
        for name in ("stays", "passes"):
            await server.create(name)
        largest = "x" * (server.limits["payload_bytes_max"] - 2)
        await server.enqueue("stays", [largest])
        numbers = range(STAY)
        await asyncio.gather(
            *(server.enqueue("stays", [stays(one) for one in numbers[at : at + 100]]) for at in numbers[::100])
        )
        stay_lsn = await server.journal.last_sequence()
        taken = 0
        for _ in range(0, PASS, 6):
            await asyncio.gather(*(server.enqueue("passes", ["x" * PASS_BYTES]) for _ in range(6)))
            while came := await server.take("passes"):
                taken += len(came)
        assert taken == PASS
        async with asyncio.timeout(60):
            while await server.journal.first_sequence() <= stay_lsn:
                await server.enqueue("passes", ["x" * PASS_BYTES])
                await server.take("passes")
        assert (server.partition._epoch, said(caplog)) == (1, [])
    async with served(cluster) as server:
        start = (
            await recover(server.new_engine, server.journal, lambda lsn, batch: None, server.checkpoints)
        ).start
        assert start is not None
        assert max(block.extent[1] for block in start.blocks) > 1, "a block has several parts"
        found: list[str] = []
        while came := await server.take("stays"):
            found += came
        assert found == [largest, *map(stays, numbers)]
        assert server.partition._epoch == 2
