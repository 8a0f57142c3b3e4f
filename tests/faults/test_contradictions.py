"""A real nats-server that contradicts itself, after a page of its store was lost: the server that runs it comes out of
that by itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from hanzo_queues._core import Parser
from hanzo_queues.server import checkpoint_outage, checkpointer
from hanzo_queues.server.journal.base import JournalError
from hanzo_queues.server.journal_commands import open_both
from hanzo_queues.server.limits_table import LIMITS
from hanzo_queues.server.partition import Partition
from hanzo_queues.server.settings import Settings
from hanzo_queues.server.storage import Storage, open_storage
from tests.faults.damage import CHECKPOINTS, PAGE_BYTES, Store, blocks

PARSER = Parser(dict(LIMITS), visibility_timeout_ms=600_000, max_retries=3)
PATIENCE_S = 30.0
KEYS = 200


@asynccontextmanager
async def serving(directory: Path) -> AsyncIterator[tuple[Partition, Storage]]:
    """With a checkpoint every few messages."""
    async with open_storage(Settings(data_dir=directory)) as storage:
        partition = Partition(
            0, storage.journal, payload_memory_bytes=1 << 20, requests_max=1000, polls_max=10,
            checkpoints=storage.checkpoints, checkpoint_bytes=1 << 14,
            on_stuck=storage.on_stuck, restart=storage.restart,
        )  # fmt: skip
        try:
            await open_both(storage)
            partition.start()
            yield partition, storage
        finally:
            await partition.close()
            await storage.journal.close()
            await storage.checkpoints.close()


async def enqueue(partition: Partition, number: int) -> None:
    body = {"payload": "x" * 1000, "dedupId": str(number), "orderingKey": f"key {number % KEYS}"}
    answer = await partition.submit(PARSER.enqueue("mail", json.dumps(body).encode()))
    assert answer.rejection is None


async def until_taken(partition: Partition, storage: Storage, first: int) -> int:
    """Enqueues, and no enqueue fails, until there is another checkpoint than before; the next number."""
    before = await storage.checkpoints.newest_manifest()
    async with asyncio.timeout(PATIENCE_S):
        while True:
            for number in range(first, first + 20):
                await enqueue(partition, number)
            first += 20
            with suppress(JournalError):  # its nats-server may be started anew just now
                if partition.state == "serving" and await storage.checkpoints.newest_manifest() != before:
                    return first


def zero_a_page(directory: Path) -> None:
    """Near the beginning of the checkpoints' last block."""
    block = blocks(Store(directory, directory).stream(CHECKPOINTS))[-1]
    assert block.stat().st_size > 4 * PAGE_BYTES
    with block.open("r+b") as file:
        file.seek(PAGE_BYTES)
        file.write(bytes(PAGE_BYTES))


async def test_checkpoints_are_taken_again_behind_a_page_that_was_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """They were refused for ever: the journal was not trimmed any more."""
    monkeypatch.setattr(checkpoint_outage, "DELAYS_S", (0.1,))
    monkeypatch.setattr(checkpointer, "JOURNAL_BYTES_PER_BYTE", 0)
    async with serving(tmp_path) as (partition, storage):
        await partition.submit(PARSER.create_queue(b'{"name": "mail"}'))
        number = 0
        for _ in range(5):
            number = await until_taken(partition, storage, number)
    zero_a_page(tmp_path)
    async with serving(tmp_path) as (partition, storage):
        number = await until_taken(partition, storage, number)
        await until_taken(partition, storage, number)
        assert partition.checkpoint_outage.warning == ""
    assert "it has met damage in its store" in caplog.text
    assert caplog.text.count("embedded nats-server: restarting") == 1
