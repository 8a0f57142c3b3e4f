"""The disk of a served journal comes back, on a nats-server that is killed meanwhile. `make trim`: at full scale."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from functools import partial
from pathlib import Path

import pytest

from hanzo_queues._core import Command, Engine, Parser
from hanzo_queues.server import checkpoint_outage, trimming
from hanzo_queues.server.answer import Answer
from hanzo_queues.server.checkpoints.jetstream import JetStreamCheckpoints
from hanzo_queues.server.data_directory import DataDirectory
from hanzo_queues.server.embedded_nats import EmbeddedNats
from hanzo_queues.server.faults import Fault
from hanzo_queues.server.journal.jetstream import JetStreamJournal
from hanzo_queues.server.limits_table import LIMITS
from hanzo_queues.server.nats_connection import NatsEndpoint
from hanzo_queues.server.partition import Partition

pytestmark = pytest.mark.skipif("TRIM_SEGMENT_MB" not in os.environ, reason="takes long: `make trim` runs it")

PARSER = Parser(dict(LIMITS), visibility_timeout_ms=600_000, max_retries=3)
SEGMENT_MB = float(os.environ.get("TRIM_SEGMENT_MB", "64"))
SEGMENTS = 6
PAYLOAD_BYTES = 1000
ROUND = 100
KEPT_EVERY = 1000
PATIENCE_S = 60.0


async def done(partition: Partition, command: Command) -> Answer:
    """Until it is; what is asked here may be asked twice."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                return await partition.submit(command)
            except Fault:
                await asyncio.sleep(0.02)  # the nats-server comes again, with no event of its own


def enqueue(queue: str, text: str) -> Command:
    message = {"payload": text.rjust(PAYLOAD_BYTES), "dedupId": f"{queue}-{text}"}
    return PARSER.enqueue(queue, json.dumps(message).encode())


async def waiting(partition: Partition) -> int:
    counts: dict[str, int] = json.loads((await done(partition, PARSER.get_queue("steady"))).body)["counts"]
    return sum(counts.values())


async def traffic(partition: Partition, start: int) -> None:
    texts = [str(number) for number in range(start, start + ROUND)]
    await asyncio.gather(*(done(partition, enqueue("steady", text)) for text in texts))
    left = ROUND
    while left > 0:
        asked = PARSER.receive("steady", group=None, consumer=None, messages_max=100, visibility_timeout_ms=500)
        held = json.loads((await done(partition, asked)).body)["messages"]
        acks = [{"id": one["id"], "receipt": one["receipt"]} for one in held]
        if acks:
            await done(partition, PARSER.settle("steady", json.dumps({"acks": acks}).encode()))
        left = await waiting(partition)


async def test_one_in_a_thousand_stays_and_the_disk_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint_outage, "DELAYS_S", (0.1,))
    monkeypatch.setattr(trimming, "RETRY_S", 0.1)
    segment_bytes = int(SEGMENT_MB * (1 << 20))
    engine = partial(Engine, 0, segment_bytes=segment_bytes)
    with DataDirectory(tmp_path / "data") as directory:
        nats = EmbeddedNats(directory, probe_every_s=0.1)
        await nats.start()
        endpoint = NatsEndpoint((nats.url,), nats.token)
        journal = JetStreamJournal(endpoint, partition=0, replicas=1)
        checkpoints = JetStreamCheckpoints(endpoint, partition=0, replicas=1)
        await journal.open()
        await checkpoints.open()
        served = Partition(
            0, journal, payload_memory_bytes=1 << 20, requests_max=1000, polls_max=10, new_engine=engine,
            checkpoints=checkpoints, checkpoint_bytes=segment_bytes // 4, on_stuck=nats.restart,
        )  # fmt: skip
        served.start()
        try:
            for queue in ("steady", "kept"):
                await done(served, PARSER.create_queue(json.dumps({"name": queue}).encode()))
            kept, kills, number = 0, 0, 0
            while number * PAYLOAD_BYTES < SEGMENTS * segment_bytes:
                if number % KEPT_EVERY == 0:
                    await done(served, enqueue("kept", str(kept)))
                    kept += 1
                if number * PAYLOAD_BYTES > (kills + 0.9) * segment_bytes and nats.process_id is not None:
                    os.kill(nats.process_id, signal.SIGKILL)
                    kills += 1
                await traffic(served, number)
                number += ROUND
            async with asyncio.timeout(PATIENCE_S):
                await served.trimmer.trimmed()
            left, live = (await journal.extent()).byte_count, kept * PAYLOAD_BYTES
            first, last = await journal.first_sequence(), await journal.last_sequence()
            print(
                f"{number} messages: journal {left / 1e6:.2f} MB, kept {live / 1e6:.3f} MB, batches {first} to {last}"
            )
            assert left <= 2 * live + segment_bytes
            asked = PARSER.peek("kept", state=None, after=None, limit=100)
            shown = json.loads((await done(served, asked)).body)["messages"]
            assert [one["payload"].strip() for one in shown] == [str(n) for n in range(min(kept, 100))]
        finally:
            await served.close()
            await checkpoints.close()
            await journal.close()
            await nats.stop()
