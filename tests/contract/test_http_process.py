"""The server as a process: what it prints, what it keeps, how it stops."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from hanzo_queues.server.serve import DRAIN_S

PATIENCE_S = 60
SERVING = re.compile(r"serving at (http://\S+), .*, engine (\S+), started in (\d+) ms")
HANZO = [sys.executable, "-m", "hanzo_queues.server"]


class Process:
    """A running `hanzo-queues serve`. `lines` is what it wrote to stderr so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []
        self.url = ""

    async def started(self) -> None:
        """Reads until the server serves."""
        while not self.url:
            line = await self._line()
            assert line, self.lines
            if found := SERVING.search(line):
                self.url = found[1]

    async def ended(self) -> int:
        """Reads to the end; the exit status."""
        while await self._line():
            pass
        return await asyncio.wait_for(self.process.wait(), PATIENCE_S)

    async def _line(self) -> str:
        assert self.process.stderr is not None
        line = (await asyncio.wait_for(self.process.stderr.readline(), PATIENCE_S)).decode()
        self.lines.append(line.rstrip())
        return line


def environment(**variables: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("HANZO_", "NATS_"))}
    return {**clean, "PORT": "0", **variables}


def shown_key(data_dir: Path) -> str:
    environ = environment(HANZO_DATA_DIR=str(data_dir))
    return subprocess.run([*HANZO, "key"], env=environ, capture_output=True, text=True).stdout.strip()


@asynccontextmanager
async def serving(data_dir: Path, **variables: str) -> AsyncIterator[Process]:
    environ = environment(**{"HANZO_DATA_DIR": str(data_dir), **variables})
    started = await asyncio.create_subprocess_exec(*HANZO, "serve", env=environ, stderr=subprocess.PIPE)
    process = Process(started)
    try:
        await process.started()
        yield process
    finally:
        if started.returncode is None:
            started.kill()
            await started.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_answers_its_polls_and_stops_with_0(tmp_path: Path, number: signal.Signals) -> None:
    sent = asyncio.Semaphore(0)
    traced = aiohttp.TraceConfig()

    async def note_sent(*_: object) -> None:
        sent.release()

    traced.on_request_headers_sent.append(note_sent)
    async with (
        serving(tmp_path, HANZO_API_KEYS="test-api-key") as process,
        aiohttp.ClientSession(trace_configs=[traced]) as session,
    ):
        headers = {"Authorization": "Bearer test-api-key"}
        async with session.post(f"{process.url}/v1/queues", json={"name": "q"}, headers=headers) as created:
            assert created.status == 201

        async def poll() -> object:
            url = f"{process.url}/v1/queues/q/messages?waitTime=30"
            async with session.get(url, headers=headers) as response:
                return await response.json()

        polls = [asyncio.create_task(poll()) for _ in range(5)]
        for _ in range(6):  # the queue's creation, and they
            await sent.acquire()
        async with session.get(f"{process.url}/v1/queues/q", headers=headers) as after_the_polls:
            assert after_the_polls.status == 200
        process.process.send_signal(number)
        assert await asyncio.wait_for(asyncio.gather(*polls), PATIENCE_S) == [{"messages": []}] * 5
        assert await process.ended() == 0
        assert not any("Traceback" in line or " error " in line for line in process.lines), process.lines


async def test_a_second_interrupt_waits_for_nothing(tmp_path: Path) -> None:
    """A request whose body never comes would hold the server for as long as it may."""
    async with serving(tmp_path, HANZO_API_KEYS="test-api-key") as process:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(process.url.rpartition(":")[2]))
        head = (
            "POST /v1/queues HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer test-api-key\r\n"
            "Content-Type: application/json\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n"
        )
        writer.write(head.encode())
        assert (await reader.readline()).startswith(b"HTTP/1.1 100 ")
        began = time.monotonic()
        process.process.send_signal(signal.SIGINT)
        while not any("SIGINT: stopping" in line for line in process.lines):
            await process._line()
        process.process.send_signal(signal.SIGINT)
        assert await process.ended() == 0
        assert time.monotonic() - began < DRAIN_S
        writer.close()


async def test_a_start_that_is_cut_short_leaves_nothing(tmp_path: Path) -> None:
    """A second server would not start on the directory while anything of the first is left."""
    environ = environment(HANZO_DATA_DIR=str(tmp_path), HANZO_API_KEYS="test-api-key")
    cut = await asyncio.create_subprocess_exec(*HANZO, "serve", env=environ, stderr=subprocess.PIPE)
    while not (tmp_path / "server.pid").exists():  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    cut.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(cut.wait(), PATIENCE_S) == 0
    async with serving(tmp_path, HANZO_API_KEYS="test-api-key"):
        pass


async def test_two_servers_on_one_directory_are_refused(tmp_path: Path) -> None:
    async with serving(tmp_path, HANZO_API_KEYS="test-api-key"):
        environ = environment(HANZO_DATA_DIR=str(tmp_path), HANZO_API_KEYS="test-api-key")
        second = Process(await asyncio.create_subprocess_exec(*HANZO, "serve", env=environ, stderr=subprocess.PIPE))
        assert await second.ended() == 1
        assert any(str(tmp_path) in line for line in second.lines)
        assert not any("Traceback" in line for line in second.lines)


async def test_a_generated_key_is_kept_and_printed_once(tmp_path: Path) -> None:
    keys = []
    for _ in range(2):
        async with serving(tmp_path) as process:
            printed = [line for line in process.lines if "made an API key" in line]
            key = shown_key(tmp_path)
            keys.append((key, len(printed)))
            told = [f"find it when HANZO_DATA_DIR={tmp_path} is set for them" in line for line in process.lines]
            assert sum(told) == len(printed)
            assert sum(key in line for line in process.lines) == len(printed)
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"{process.url}/v1/queues", headers={"Authorization": f"Bearer {key}"}) as listed,
            ):
                assert listed.status == 200
            process.process.send_signal(signal.SIGTERM)
            assert await process.ended() == 0
    (first, printed_first), (second, printed_second) = keys
    assert first == second
    assert (printed_first, printed_second) == (1, 0)
    assert stat.S_IMODE((tmp_path / "api-key").stat().st_mode) == 0o600


async def test_a_key_in_the_usual_place_is_found_there(tmp_path: Path) -> None:
    async with serving(tmp_path / "hanzo-queues", HANZO_DATA_DIR="", XDG_DATA_HOME=str(tmp_path)) as process:
        assert any(line.endswith("SDK and CLI on this machine find it there") for line in process.lines)
        assert shown_key(tmp_path / "hanzo-queues") in "".join(process.lines)
    asked = await asyncio.create_subprocess_exec(
        *HANZO, "key", "--data-dir", str(tmp_path), env=environment(), stderr=subprocess.PIPE
    )
    _, told = await asked.communicate()
    assert asked.returncode == 1
    assert b"Is it in another data directory?" in told


async def test_an_empty_key_file_counts_as_none(tmp_path: Path) -> None:
    """A server that took the empty key would admit nobody."""
    (tmp_path / "api-key").touch(mode=0o600)
    async with serving(tmp_path) as process, aiohttp.ClientSession() as session:
        key = shown_key(tmp_path)
        assert key.startswith("hq_")
        async with session.get(f"{process.url}/v1/queues", headers={"Authorization": f"Bearer {key}"}) as listed:
            assert listed.status == 200


async def test_every_line_is_an_event(tmp_path: Path) -> None:
    async with serving(tmp_path, HANZO_API_KEYS="test-api-key") as process:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(process.url.rpartition(":")[2]))
        writer.write(b"no HTTP\r\n\r\n")
        assert await reader.read()
        writer.close()
        process.process.send_signal(signal.SIGTERM)
        await process.ended()
    assert not any("HTTP request" in line for line in process.lines), "anybody could fill the log"
    for line in filter(None, process.lines):
        assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (debug|info|warning|error|critical) \w+: ", line), line


def test_a_port_in_use_is_told(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        environ = environment(HANZO_DATA_DIR=str(tmp_path))
        ran = subprocess.run(
            [*HANZO, "serve", "--port", port], env=environ, capture_output=True, text=True, timeout=PATIENCE_S
        )
    assert ran.returncode == 1
    assert f"port {port}" in ran.stderr
    assert "Traceback" not in ran.stderr


async def test_a_port_that_is_taken_during_the_start_is_told(tmp_path: Path) -> None:
    """Another server that is starting has bound it too, and listens first."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", 0))
        port = str(other.getsockname()[1])
        environ = environment(HANZO_DATA_DIR=str(tmp_path), HANZO_API_KEYS="test-api-key", PORT=port)
        process = Process(await asyncio.create_subprocess_exec(*HANZO, "serve", env=environ, stderr=subprocess.PIPE))
        while not (tmp_path / "server.pid").exists():  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        other.listen()
        assert await process.ended() == 1
    assert any(f"port {port}" in line for line in process.lines)
    assert not any("Traceback" in line for line in process.lines), process.lines


@pytest.mark.parametrize("command", ["serve", "key"])
def test_a_home_that_is_not_known_is_told(command: str) -> None:
    ran = subprocess.run(
        [*HANZO, command], env=environment(HANZO_DATA_DIR="~nobody-here/queues"), capture_output=True, text=True
    )
    assert ran.returncode == 2
    assert ran.stderr.startswith("hanzo-queues: HANZO_DATA_DIR: the home directory of ~nobody-here/queues is not known")
    assert len(ran.stderr.splitlines()) == 1


def test_a_missing_key_is_told(tmp_path: Path) -> None:
    ran = subprocess.run(
        [*HANZO, "key", "--data-dir", str(tmp_path)], env=environment(), capture_output=True, text=True
    )
    assert (ran.returncode, ran.stdout) == (1, "")
    assert str(tmp_path / "api-key") in ran.stderr


def test_the_version_is_the_engines() -> None:
    ran = subprocess.run([*HANZO, "--version"], env=environment(), capture_output=True, text=True)
    assert re.fullmatch(r"hanzo-queues \d+\.\d+\.\d+\n", ran.stdout)
