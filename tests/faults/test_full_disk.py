"""A disk that is full, and then is not: nothing that was acknowledged is lost, and nobody has to restart anything.

The disk is a small one in memory, so these tests need to be root, on Linux.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from examples.local_server import LocalServer
from hanzo_queues._core import Command, Parser
from hanzo_queues.server.data_directory import DataDirectory
from hanzo_queues.server.disk_room import LOOK_EVERY_S
from hanzo_queues.server.embedded_nats import EmbeddedNats
from hanzo_queues.server.faults import Fault, JournalUnavailable
from hanzo_queues.server.journal.base import AppendRefused, AppendUnknown, JournalError, JournalFull
from hanzo_queues.server.journal.jetstream import JetStreamJournal
from hanzo_queues.server.limits_table import LIMITS
from hanzo_queues.server.nats_connection import NatsEndpoint
from hanzo_queues.server.nats_disk import reserve_bytes, store_bytes_max
from hanzo_queues.server.partition import Partition
from hanzo_queues.server.settings import Settings
from hanzo_queues.server.storage import StartRefused, open_storage

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root can mount a disk small enough to be filled"
)

PATIENCE_S = 15.0
DISK_MB = 48
BATCH = bytes(100_000)
PARSER = Parser(dict(LIMITS), visibility_timeout_ms=30_000, max_retries=3)


def enqueue() -> Command:
    return PARSER.enqueue("q", json.dumps({"payload": "x" * 100_000}).encode())


class Disk:
    """A small disk, and a file of somebody else's on it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ballast = path / "ballast"

    @property
    def free_bytes(self) -> int:
        disk = os.statvfs(self.path)
        return disk.f_bavail * disk.f_frsize

    def fill(self, leave_bytes: int = 0) -> None:
        with self._ballast.open("ab") as file:
            os.posix_fallocate(file.fileno(), 0, self._ballast.stat().st_size + self.free_bytes - leave_bytes)

    def shrink(self, by_bytes: int) -> None:
        os.truncate(self._ballast, self._ballast.stat().st_size - by_bytes)

    def clear(self) -> None:
        self._ballast.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    path = tmp_path / "disk"
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", path], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")
    try:
        yield Disk(path)
    finally:
        subprocess.run(["umount", path], check=True)


@asynccontextmanager
async def embedded(
    disk: Disk, append_timeout_s: float = PATIENCE_S
) -> AsyncIterator[tuple[EmbeddedNats, JetStreamJournal]]:
    """`append_timeout_s`: brief where a nats-server is to be mute."""
    with DataDirectory(disk.path / "data") as directory:
        nats = EmbeddedNats(directory, probe_every_s=0.1, disk_every_s=0.1)
        try:
            await nats.start()
            endpoint = NatsEndpoint((nats.url,), nats.token)
            journal = JetStreamJournal(
                endpoint, partition=0, replicas=1, append_timeout_s=append_timeout_s, call_timeout_s=5
            )
            await journal.open()
            yield nats, journal
            await journal.close()
        finally:
            await nats.stop()


async def append_until_refused(journal: JetStreamJournal) -> tuple[int, JournalError]:
    """How many batches lie in the journal, and why no more."""
    count = await journal.last_sequence()
    while True:
        try:
            await journal.append(BATCH, count)
            count += 1
        except JournalError as error:
            return count, error


async def why_not_appended(journal: JetStreamJournal) -> JournalError:
    """Why one batch more is not stored."""
    try:
        await journal.append(BATCH, await journal.last_sequence())
    except JournalError as error:
        await asyncio.sleep(0.02)  # a connection comes again, with no event of its own
        return error
    raise AssertionError("there was room")


async def append_again(journal: JetStreamJournal) -> int:
    """Goes on until a batch is stored. Returns its sequence."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                last = await journal.last_sequence()
                await journal.append(BATCH, last)
                return last + 1
            except JournalError:
                await asyncio.sleep(0.05)  # what happens meanwhile happens on the disk


async def assert_whole(journal: JetStreamJournal, count: int) -> None:
    assert [batch async for _, batch in journal.read(1, await journal.last_sequence())] == [BATCH] * count


async def test_a_full_disk_refuses_cleanly_and_takes_again_what_becomes_free(disk: Disk) -> None:
    disk.fill(leave_bytes=10_000_000)
    async with embedded(disk) as (nats, journal):
        process = nats.process_id
        count, error = await append_until_refused(journal)
        assert isinstance(error, JournalFull)
        assert isinstance(error, AppendRefused)
        assert disk.free_bytes < 2 * reserve_bytes(disk.path), "the disk is the limit, no guess"
        disk.clear()
        assert await append_again(journal) == count + 1
        assert nats.process_id == process, "no restart was needed"
        await assert_whole(journal, count + 1)


async def test_what_others_free_is_the_store_s_also_when_it_is_less_than_what_is_kept_for_consumers(disk: Disk) -> None:
    disk.fill(leave_bytes=10_000_000)
    async with embedded(disk) as (nats, journal):
        process = nats.process_id
        count, _ = await append_until_refused(journal)
        disk.shrink(reserve_bytes(disk.path) // 8)
        assert await append_again(journal) == count + 1
        assert nats.process_id == process


async def test_a_store_of_most_of_the_disk_goes_on_after_a_restart(disk: Disk) -> None:
    async with embedded(disk) as (_, journal):
        for number in range(420):
            await journal.append(BATCH, number)
    assert disk.free_bytes < DISK_MB * 1024 * 1024 / 4
    async with embedded(disk) as (_, journal):
        await journal.append(BATCH, 420)


async def test_a_stream_made_mute_by_a_failed_write_is_whole_after_a_restart_and_full_until_there_is_room(
    disk: Disk,
) -> None:
    async with embedded(disk, 1) as (nats, journal):
        await journal.append(BATCH, 0)
        disk.fill()
        count, error = await append_until_refused(journal)
        assert isinstance(error, AppendUnknown), "nats-server does not even answer"
        await nats.restart()
        async with asyncio.timeout(PATIENCE_S):
            while not isinstance(error, JournalFull):
                error = await why_not_appended(journal)
        disk.clear()
        last = await append_again(journal)
        assert last in (count + 1, count + 2)  # the append that was not answered may have been stored
        await assert_whole(journal, last)


async def test_a_partition_serves_again_by_itself_when_a_full_disk_has_room(disk: Disk) -> None:
    async with embedded(disk, 1) as (nats, journal):
        partition = Partition(
            0, journal, payload_memory_bytes=1 << 20, requests_max=100, polls_max=10, on_stuck=nats.restart
        )
        partition.start()
        await ask_until_done(partition, PARSER.create_queue(b'{"name": "q"}'))
        done = 0
        await partition.submit(enqueue())
        disk.fill()
        with pytest.raises(JournalUnavailable):  # noqa: PT012  some may still find room in what is written already
            while True:
                done += 1
                await partition.submit(enqueue())
        disk.clear()
        await ask_until_done(partition, enqueue())
        counts = json.loads((await partition.submit(PARSER.get_queue("q"))).body)["counts"]
        assert counts["ready"] in (done + 1, done + 2)  # as above
        await partition.close()


async def ask_until_done(partition: Partition, command: Command) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                assert (await partition.submit(command)).rejection is None
                return
            except Fault:
                await asyncio.sleep(0.05)  # a client would wait longer


def test_the_limit_counts_what_is_stored_and_what_is_free(disk: Disk) -> None:
    store = disk.path / "store"
    empty = store_bytes_max(store)
    (store / "block").write_bytes(bytes(5_000_000))
    assert abs(store_bytes_max(store) - empty) < 100_000
    disk.fill()
    assert store_bytes_max(store) < 5_000_000


async def test_a_server_starts_on_a_full_disk_with_what_it_has(disk: Disk) -> None:
    settings = Settings(data_dir=disk.path / "data")
    async with open_storage(settings) as storage:
        await storage.journal.open()
        await storage.journal.append(BATCH, 0)
        await storage.journal.close()
    disk.fill()
    async with open_storage(settings) as storage:
        await storage.journal.open()
        assert await storage.journal.fetch(1) == BATCH
        await storage.journal.close()


async def test_a_new_server_on_a_full_disk_says_so(disk: Disk) -> None:
    settings = Settings(data_dir=disk.path / "data")
    settings.data_dir.mkdir()
    disk.fill()
    with pytest.raises(StartRefused, match=r"(?i)no space left"):
        async with open_storage(settings):
            pass


class Served:
    """A server whose data is on the disk, and one queue."""

    def __init__(self, disk: Disk, session: aiohttp.ClientSession) -> None:
        environment = {"HANZO_DATA_DIR": str(disk.path / "data"), "HANZO_CHECKPOINT_EVERY": "1MiB"}
        self.server = LocalServer(environment=environment)
        self._session = session

    async def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.server.api_key}"}
        async with self._session.request(method, f"{self.server.url}/v1{path}", json=body, headers=headers) as answer:
            return answer.status, await answer.json()

    async def enqueue(self) -> tuple[int, Any]:
        return await self.ask("POST", "/queues/q/messages", {"payload": "x" * 100_000})

    async def enqueue_until_refused(self) -> list[str]:
        """The ids of what was accepted."""
        ids: list[str] = []
        while True:
            status, answer = await self.enqueue()
            if status != 201:
                assert (answer["code"], answer["outcome"]) == ("journal_unavailable", "none"), answer
                assert "full" in answer["detail"]
                return ids
            ids.append(answer["id"])

    async def drain(self) -> list[str]:
        """Receives and acks all there is, without a fault; the ids."""
        ids: list[str] = []
        while True:
            status, answer = await self.ask("GET", "/queues/q/messages?maxMessages=10")
            assert status == 200, answer
            acks = [{"id": one["id"], "receipt": one["receipt"]} for one in answer["messages"]]
            if not acks:
                return ids
            status, settled = await self.ask("POST", "/queues/q/settle", {"acks": acks})
            assert (status, settled["failed"]) == (200, 0), settled
            ids += [ack["id"] for ack in acks]

    async def enqueue_again(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while (await self.enqueue())[0] != 201:  # noqa: ASYNC110  what happens meanwhile happens on the disk
                await asyncio.sleep(0.05)

    def assert_undisturbed(self) -> None:
        assert self.server.log().count("serving, epoch") == 1
        assert "poisoned" not in self.server.log()


@asynccontextmanager
async def served(disk: Disk, *, one_request_each: bool = True) -> AsyncIterator[Served]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=one_request_each)) as session:
        served = Served(disk, session)
        with served.server:
            assert (await served.ask("POST", "/queues", {"name": "q"}))[0] == 201
            yield served


@pytest.mark.parametrize("one_request_each", [True, False], ids=["asgi", "whole"])
async def test_a_server_that_filled_its_disk_is_emptied_by_its_consumers_and_goes_on(
    disk: Disk, one_request_each: bool
) -> None:
    async with served(disk, one_request_each=one_request_each) as server:
        accepted = await server.enqueue_until_refused()
        assert len(accepted) > 300
        assert disk.free_bytes < 2 * reserve_bytes(disk.path), "the disk is the limit, no guess"
        assert await server.drain() == accepted
        await server.enqueue_again()
        server.assert_undisturbed()


async def test_a_disk_that_others_fill_still_delivers_what_is_queued(disk: Disk) -> None:
    async with served(disk) as server:
        accepted = [(await server.enqueue())[1]["id"] for _ in range(20)]
        disk.fill(leave_bytes=reserve_bytes(disk.path) // 2)
        await asyncio.sleep(LOOK_EVERY_S)  # till then it may go by what it saw before, and write until the disk refuses
        accepted += await server.enqueue_until_refused()
        assert await server.drain() == accepted
        disk.clear()
        await server.enqueue_again()
        server.assert_undisturbed()


async def test_a_server_that_is_killed_on_a_disk_it_filled_starts_and_delivers(disk: Disk) -> None:
    async with served(disk) as server:
        accepted = await server.enqueue_until_refused()
        server.server.kill()
        server.server.start()
        assert (await server.enqueue())[0] == 503
        assert await server.drain() == accepted
        await server.enqueue_again()
