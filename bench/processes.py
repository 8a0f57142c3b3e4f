"""Processes that a benchmark starts and stops: a route that does nothing, a bare nats-server, and what peers need.

Each runs on a free port, with its data in a temporary directory, in a process group of its own that is ended by its
number: nothing of it outlives the `async with`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from examples.local_server import LocalServer, free_port

START_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 10.0


@asynccontextmanager
async def noop_server() -> AsyncIterator[str]:
    """The address of a server with the route /noop, on the same HTTP stack as the product."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "bench.noop:app", "--port", str(port), "--host", "127.0.0.1"]
    options = ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
    async with running([*command, *options], port):
        yield f"127.0.0.1:{port}"


@asynccontextmanager
async def nats_server(*, fsync: bool = True) -> AsyncIterator[str]:
    """The URL of a nats-server: one that syncs every write, as the embedded one does, or one that leaves it to the
    page cache and syncs every two minutes, which is its default."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="hanzo-bench-nats-") as name:
        config = Path(name) / "nats.conf"
        store = f'jetstream {{ store_dir: "{name}"{", sync_interval: always" if fsync else ""} }}'
        config.write_text(f"host: 127.0.0.1\nport: {port}\nmax_payload: 8MB\n{store}\n")
        binary = Path(sys.executable).with_name("nats-server")
        async with running([str(binary), "-c", str(config), "-l", str(Path(name) / "log")], port):
            yield f"nats://127.0.0.1:{port}"


@asynccontextmanager
async def hanzo_server(*, fsync: bool = True) -> AsyncIterator[LocalServer]:
    """The product on a nats-server of its own. `fsync=False` relaxes what the product never does by itself."""
    async with nats_server(fsync=fsync) as url:
        with LocalServer(environment={"NATS_URL": url, "NATS_REPLICAS": "1"}) as server:
            yield server


@asynccontextmanager
async def running(
    command: list[str], port: int, environment: Mapping[str, str] | None = None, user: str | int | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process, from when it accepts connections at `port`. What it prints is shown when it does not start."""
    with tempfile.TemporaryFile() as log:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=log, stderr=subprocess.STDOUT, env=environment, user=user, start_new_session=True
        )
        try:
            if not await _accepts(process, port):
                log.seek(0)
                said = log.read()[-4000:].decode(errors="replace")
                raise RuntimeError(f"{command[0]} did not start; it said:\n{said}")
            yield process
        finally:
            await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Asks the whole group to end, then makes it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(TimeoutError):
        await asyncio.wait_for(process.wait(), STOP_SECONDS_MAX)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


async def _accepts(process: asyncio.subprocess.Process, port: int) -> bool:
    deadline = asyncio.get_running_loop().time() + START_SECONDS_MAX
    while asyncio.get_running_loop().time() < deadline and process.returncode is None:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.01)
        else:
            writer.close()
            return True
    return False
