"""The embedded nats-server when it is killed, frozen, crowded out or orphaned, and the directory it lives in."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from hanzo_queues.server import nats_binary
from hanzo_queues.server.data_directory import DataDirectory, DataDirectoryTaken
from hanzo_queues.server.embedded_nats import EmbeddedNats
from hanzo_queues.server.journal.base import AppendUnknown, JournalError
from hanzo_queues.server.journal.jetstream import JetStreamJournal
from hanzo_queues.server.nats_binary import NoNatsServer
from hanzo_queues.server.nats_connection import NatsEndpoint

PATIENCE_S = 20.0
SERVER = """
import asyncio, sys
from pathlib import Path
import uvloop
from hanzo_queues.server.data_directory import DataDirectory
from hanzo_queues.server.embedded_nats import EmbeddedNats

async def main():
    with DataDirectory(Path(sys.argv[1])) as directory:
        nats = EmbeddedNats(directory)
        await nats.start()
        print(nats.process_id, flush=True)
        await asyncio.Event().wait()

uvloop.run(main())
"""


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[DataDirectory]:
    with DataDirectory(tmp_path / "data") as claimed:
        yield claimed


@pytest.fixture
async def nats(directory: DataDirectory) -> AsyncIterator[EmbeddedNats]:
    embedded = EmbeddedNats(directory, probe_every_s=0.1, probe_timeout_s=0.3)
    await embedded.start()
    yield embedded
    await embedded.stop()


def journal_on(nats: EmbeddedNats, token: str | None = None) -> JetStreamJournal:
    endpoint = NatsEndpoint((nats.url,), token or nats.token)
    return JetStreamJournal(endpoint, partition=0, replicas=1, append_timeout_s=1, call_timeout_s=1)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # a process's end is no event of this loop's


async def read_back(journal: JetStreamJournal) -> list[bytes]:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                return [batch async for _, batch in journal.read(1, await journal.last_sequence())]
            except JournalError:
                await asyncio.sleep(0.02)


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM])
async def test_a_killed_or_frozen_server_comes_back_with_its_data(nats: EmbeddedNats, blow: signal.Signals) -> None:
    journal = journal_on(nats)
    await journal.open()
    await journal.append(b"kept", 0)
    first = nats.process_id
    assert first is not None
    os.kill(first, blow)
    await until(lambda: nats.process_id not in (first, None))
    assert await read_back(journal) == [b"kept"]
    await journal.append(b"and on", 1)
    await journal.close()


async def test_restart_returns_when_it_answers(nats: EmbeddedNats) -> None:
    first = nats.process_id
    await nats.restart()
    assert nats.process_id not in (first, None)
    journal = journal_on(nats)
    await journal.open()
    await journal.close()


async def test_a_kill_ends_the_append_under_way(nats: EmbeddedNats) -> None:
    journal = journal_on(nats)
    await journal.open()
    assert nats.process_id is not None
    os.kill(nats.process_id, signal.SIGSTOP)
    appending = asyncio.ensure_future(journal.append(b"x", 0))
    await asyncio.sleep(0)
    os.kill(nats.process_id, signal.SIGKILL)
    with pytest.raises(AppendUnknown, match="connection"):
        await appending
    await journal.close()


async def test_the_port_is_kept_and_given_up_only_when_taken(directory: DataDirectory) -> None:
    nats = EmbeddedNats(directory)
    await nats.start()
    await nats.stop()
    again = EmbeddedNats(directory)
    await again.start()
    await again.stop()
    assert again.url == nats.url
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", int(nats.url.rpartition(":")[2])))
        other.listen()
        elsewhere = EmbeddedNats(directory)
        await elsewhere.start()
        await elsewhere.stop()
    assert elsewhere.url != nats.url


async def test_only_who_reads_the_data_directory_gets_in(nats: EmbeddedNats, directory: DataDirectory) -> None:
    stranger = journal_on(nats, token="a-guess")
    with pytest.raises(JournalError, match="could be reached"):
        await stranger.open()
    assert directory.path.stat().st_mode & 0o777 == 0o700
    holders = [path for path in directory.path.iterdir() if path.is_file() and nats.token in path.read_text()]
    assert len(holders) == 2
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in holders)


async def test_nobody_outside_this_machine_can_connect(nats: EmbeddedNats) -> None:
    port = int(nats.url.rpartition(":")[2])
    with socket.socket() as other:
        other.bind(("127.0.0.2", port))  # free: it listens on one address


def test_a_second_server_on_the_directory_is_refused(directory: DataDirectory) -> None:
    with pytest.raises(DataDirectoryTaken, match=rf"process id {os.getpid()}\b"):
        DataDirectory(directory.path)


def test_a_released_directory_keeps_its_node(directory: DataDirectory) -> None:
    node = directory.node_id
    directory.release()
    with DataDirectory(directory.path) as again:
        assert again.node_id == node


async def test_kill_9_of_the_server_leaves_no_nats_server(tmp_path: Path) -> None:
    server = await asyncio.create_subprocess_exec(sys.executable, "-c", SERVER, str(tmp_path), stdout=subprocess.PIPE)
    assert server.stdout is not None
    child = int(await asyncio.wait_for(server.stdout.readline(), PATIENCE_S))
    assert is_running(child)
    server.kill()
    await server.wait()
    await until(lambda: not is_running(child))
    with DataDirectory(tmp_path):
        pass


async def test_a_leftover_is_recognised_and_ended(directory: DataDirectory) -> None:
    """As on a platform whose kernel does not end the child with its parent."""
    nats = EmbeddedNats(directory)
    await nats.start()
    left = nats.process_id
    assert left is not None
    assert nats._watching is not None
    nats._watching.cancel()
    again = EmbeddedNats(directory)
    await again.start()
    assert not is_running(left)
    assert again.url == nats.url
    await again.stop()
    await nats.stop()


def test_an_old_nats_server_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "nats-server"
    old.write_text("#!/bin/sh\necho nats-server: v2.11.9\n")
    old.chmod(0o755)
    monkeypatch.setattr(nats_binary, "_places", lambda: iter([old]))
    with pytest.raises(NoNatsServer, match=r"2\.12 or newer, and .*nats-server has 2\.11\.9"):
        nats_binary.find_nats_server()


def is_running(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
