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
from typing import Any

import pytest

from examples.local_server import LocalServer
from hanzo_queues import Queues
from hanzo_queues.server import embedded_nats, nats_binary
from hanzo_queues.server.data_directory import DataDirectory, DataDirectoryTaken
from hanzo_queues.server.embedded_nats import EmbeddedNats
from hanzo_queues.server.journal.base import AppendUnknown, JournalError
from hanzo_queues.server.journal.jetstream import JetStreamJournal
from hanzo_queues.server.nats_binary import NoNatsServer
from hanzo_queues.server.nats_connection import NatsEndpoint
from hanzo_queues.server.nats_probe import Heard, probe_jetstream

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


def journal_on(nats: EmbeddedNats, token: str | None = None, call_timeout_s: float = 10) -> JetStreamJournal:
    endpoint = NatsEndpoint((nats.url,), token or nats.token)
    return JetStreamJournal(endpoint, partition=0, replicas=1, append_timeout_s=10, call_timeout_s=call_timeout_s)


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
    stranger = journal_on(nats, token="a-guess", call_timeout_s=2)  # for which it tries to connect
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


def test_kill_9_of_the_server_lets_its_nats_server_leave_an_index_of_what_it_stored() -> None:
    """Without one the next start reads and verifies every byte, and says so."""
    with LocalServer() as server:
        log = server.directory / "data" / "nats-server.log"
        with Queues(server.api_key, url=server.url) as queues:
            queues.create("q")
            server.kill()
            server.start()
            assert queues.get("q").name == "q"
        assert "Server Exiting" in log.read_text()
        assert "rebuild" not in log.read_text()


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
    with pytest.raises(NoNatsServer, match=r"2\.12\.7 or newer, and .*nats-server has 2\.11\.9"):
        nats_binary.find_nats_server()


class SlowProgram:
    """A nats-server that does `before` for as long as the file it makes is there, as one that reads a large store."""

    def __init__(self, directory: Path, before: str) -> None:
        self.path = directory / "slow-nats-server"
        self.started, self._go_on = directory / "started", directory / "go-on"
        real = nats_binary.find_nats_server()
        self.path.write_text(
            f'#!/bin/sh\n: > {self.started}\nwhile [ ! -e {self._go_on} ]; do {before}; done\nexec {real} "$@"\n'
        )
        self.path.chmod(0o755)

    def go_on(self) -> None:
        self._go_on.touch()


@pytest.fixture
def impatience(monkeypatch: pytest.MonkeyPatch) -> float:
    """The minute that a start may be still, as this many seconds."""
    monkeypatch.setattr(embedded_nats, "START_STILL_S_MAX", 2.0)
    monkeypatch.setattr(embedded_nats, "START_TOLD_EVERY_S", 0.1)
    return 2.0


async def test_a_start_that_works_is_waited_for_and_told(
    directory: DataDirectory,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    impatience: float,
    caplog: pytest.LogCaptureFixture,
) -> None:
    program = SlowProgram(tmp_path, "true")
    monkeypatch.setattr(embedded_nats, "find_nats_server", lambda: program.path)
    caplog.set_level("INFO")
    nats = EmbeddedNats(directory)
    starting = asyncio.create_task(nats.start())
    done, _ = await asyncio.wait([starting], timeout=1.5 * impatience)
    assert not done
    assert "starting for" in caplog.text
    program.go_on()
    await asyncio.wait_for(starting, PATIENCE_S)
    await nats.stop()


async def test_a_start_that_is_still_is_given_up(
    directory: DataDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, impatience: float
) -> None:
    program = SlowProgram(tmp_path, "sleep 1000")
    monkeypatch.setattr(embedded_nats, "find_nats_server", lambda: program.path)
    with pytest.raises(NoNatsServer, match="did not start"):
        await asyncio.wait_for(EmbeddedNats(directory).start(), PATIENCE_S)


async def test_a_start_can_be_stopped(
    directory: DataDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = SlowProgram(tmp_path, "true")
    monkeypatch.setattr(embedded_nats, "find_nats_server", lambda: program.path)
    nats = EmbeddedNats(directory)
    starting = asyncio.create_task(nats.start())
    await until(program.started.exists)
    starting.cancel()
    await asyncio.wait([starting])
    await asyncio.wait_for(nats.stop(), PATIENCE_S)
    assert nats.process_id is None


async def test_a_restart_does_not_kill_what_is_starting(nats: EmbeddedNats, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = True

    async def probe(*arguments: Any, **options: Any) -> Heard:
        return Heard.NOTHING if silent else await probe_jetstream(*arguments, **options)

    first = nats.process_id
    monkeypatch.setattr(embedded_nats, "probe_jetstream", probe)
    await until(lambda: nats.process_id not in (first, None))
    second = nats.process_id
    restarting = asyncio.create_task(nats.restart())
    done, _ = await asyncio.wait([restarting], timeout=0.3)
    assert not done
    silent = False
    await asyncio.wait_for(restarting, PATIENCE_S)
    assert nats.process_id == second


async def test_the_watch_outlives_what_nobody_foresaw(nats: EmbeddedNats, monkeypatch: pytest.MonkeyPatch) -> None:
    met = asyncio.Event()

    async def probe(*arguments: Any, **options: Any) -> Heard:
        if not met.is_set():
            met.set()
            raise AttributeError("nobody foresaw it")
        return await probe_jetstream(*arguments, **options)

    monkeypatch.setattr(embedded_nats, "probe_jetstream", probe)
    await asyncio.wait_for(met.wait(), PATIENCE_S)
    first = nats.process_id
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await until(lambda: nats.process_id not in (first, None))


async def test_a_stop_in_the_moment_its_process_ends_is_heeded(
    nats: EmbeddedNats, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a supervisor ends all processes of a service at once."""
    ending, asked = asyncio.Event(), asyncio.Event()

    async def ended() -> int:
        asked.set()
        await ending.wait()
        return 0

    monkeypatch.setattr(nats._process, "ended", ended)
    await asyncio.wait_for(asked.wait(), PATIENCE_S)
    ending.set()
    await asyncio.wait_for(nats.stop(), PATIENCE_S)
    assert nats.process_id is None


@pytest.mark.parametrize(
    "greeting", [b"INFO []\r\n", b"INFO {\r\n", b"INFO null\r\n", b"\xff\r\n", b"INFO {}\r\n", b""]
)
async def test_whoever_else_listens_is_not_our_server(greeting: bytes) -> None:
    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as stranger:
        port = stranger.sockets[0].getsockname()[1]
        assert await probe_jetstream(port, server_name="ours", token="t", timeout_s=5) is Heard.NOTHING
    assert await probe_jetstream(port, server_name="ours", token="t", timeout_s=5) is Heard.CLOSED_PORT


def is_running(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
