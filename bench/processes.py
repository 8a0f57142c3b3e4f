"""The references' processes: a server with a route that does nothing, and a bare nats-server."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from examples.local_server import free_port


@asynccontextmanager
async def noop_server() -> AsyncIterator[str]:
    """The address of a server with the route /noop, on the same HTTP stack as the product."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "bench.noop:app", "--port", str(port), "--host", "127.0.0.1"]
    options = ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
    async with _running([*command, *options], port):
        yield f"127.0.0.1:{port}"


@asynccontextmanager
async def nats_server() -> AsyncIterator[str]:
    """The URL of a nats-server that syncs every write, as the embedded one does."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="hanzo-bench-nats-") as name:
        config = Path(name) / "nats.conf"
        store = f'jetstream {{ store_dir: "{name}", sync_interval: always }}'
        config.write_text(f"host: 127.0.0.1\nport: {port}\nmax_payload: 8MB\n{store}\n")
        binary = Path(sys.executable).with_name("nats-server")
        async with _running([str(binary), "-c", str(config), "-l", str(Path(name) / "log")], port):
            yield f"nats://127.0.0.1:{port}"


@asynccontextmanager
async def _running(command: list[str], port: int) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.DEVNULL)
    try:
        await _wait_for_port(process, port)
        yield
    finally:
        process.terminate()
        await process.wait()


async def _wait_for_port(process: asyncio.subprocess.Process, port: int) -> None:
    for _ in range(1000):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            if process.returncode is not None:
                break
            await asyncio.sleep(0.01)
        else:
            writer.close()
            return
    raise RuntimeError(f"a reference server did not start: exit code {process.returncode}")
