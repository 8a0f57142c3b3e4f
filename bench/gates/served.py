"""The product's server in this process, on a nats-server of its own, with connections that need no socket.

    round: requests -> every connection's protocol, at once -> ... the loop runs ... -> every answer is whole

Clients act in step, so what a request costs does not depend on how fast anybody is: the same bytes arrive together,
take the same way, and leave together. Everything between the bytes that a client sent and those it gets is the
product's; only sockets to clients are not there. The nats-server is real, and syncs every write.
"""

from __future__ import annotations

import asyncio
import gc
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import uvicorn

from bench.gates.meters import Meter
from bench.noop import app as noop_app
from examples.local_server import free_port
from hanzo_queues.server import nats_connection
from hanzo_queues.server.app import App
from hanzo_queues.server.auth import ApiKeys
from hanzo_queues.server.data_directory import DataDirectory
from hanzo_queues.server.journal import marked
from hanzo_queues.server.journal.jetstream import JetStreamJournal
from hanzo_queues.server.nats_binary import find_nats_server
from hanzo_queues.server.nats_connection import NatsEndpoint
from hanzo_queues.server.nats_process import NatsProcess
from hanzo_queues.server.serve import GC_THRESHOLDS, HttpServer
from hanzo_queues.server.settings import Settings

KEY = "gates"
VISIBILITY_TIMEOUT_MS = 12 * 3600 * 1000  # no lease ends while a measured process crawls
IDLE_S = 3600  # nor a connection
STORE_BYTES_MAX = 1 << 30
START_TIMEOUT_S = 60
TURNS_TO_WAIT = 16  # of the loop, more than a receive needs until it waits
LENGTH = b"content-length: "


class Connection(asyncio.Transport):
    """Both ends of one HTTP connection: the server's transport, and what the client has read."""

    def __init__(self, http: uvicorn.Config, server: uvicorn.Server) -> None:
        super().__init__({"sockname": ("127.0.0.1", 8080), "peername": ("127.0.0.1", 50000)})
        self.writes = 0
        self._parts: list[bytes] = []
        self._answered: asyncio.Future[None] | None = None
        make: Any = http.http_protocol_class
        self._protocol: Any = make(config=http, server_state=server.server_state, app_state={})
        self._protocol.connection_made(self)

    def ask(self, request: bytes) -> asyncio.Future[None]:
        """The server gets `request`; done when its answer is whole."""
        self._parts.clear()
        self._answered = asyncio.get_running_loop().create_future()
        self._protocol.data_received(request)
        return self._answered

    def body(self) -> bytes:
        """Of the answer. Raises AssertionError when that is no success."""
        head, _, body = b"".join(self._parts).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 2"), head + body
        return body

    # -- what the protocol calls

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes += 1
        self._parts.append(bytes(data))
        if self._is_whole() and self._answered is not None and not self._answered.done():
            self._answered.set_result(None)

    def writelines(self, parts: Any) -> None:
        self.write(b"".join(parts))

    def _is_whole(self) -> bool:
        answer = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        head_end = answer.find(b"\r\n\r\n")
        if head_end < 0:
            return False
        at = answer.index(LENGTH, 0, head_end) + len(LENGTH)
        return len(answer) == head_end + 4 + int(answer[at : answer.index(b"\r\n", at)])

    def is_closing(self) -> bool:
        return False

    def is_reading(self) -> bool:
        return True

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def get_write_buffer_size(self) -> int:
        return 0

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol  # type: ignore[no-any-return]

    def close(self) -> None:
        raise AssertionError("the server closed a connection: " + b"".join(self._parts).decode())

    abort = close


class Crowd:
    """Connections to one ASGI application behind the product's HTTP stack."""

    def __init__(self, config: uvicorn.Config, server: uvicorn.Server, count: int) -> None:
        config.load()
        self.connections = [Connection(config, server) for _ in range(count)]

    @property
    def writes(self) -> int:
        """Writes to all connections so far."""
        return sum(connection.writes for connection in self.connections)

    async def round(self, meter: Meter, requests: Sequence[bytes], waiting: Sequence[bytes] = ()) -> list[bytes]:
        """Each of `waiting` is sent by a connection; when they all wait, each of `requests` is sent by another one.
        Returns the bodies of the answers, in this order."""
        waits = self.connections[: len(waiting)]
        asks = self.connections[len(waiting) :][: len(requests)]
        meter.resume()
        answers = [connection.ask(request) for connection, request in zip(waits, waiting, strict=True)]
        for _ in range(TURNS_TO_WAIT if waiting else 0):
            await asyncio.sleep(0)
        answers += [connection.ask(request) for connection, request in zip(asks, requests, strict=True)]
        for answered in answers:
            await answered
        meter.pause()
        return [connection.body() for connection in (*waits, *asks)]


class Served:
    """A server that serves, and its crowds: one of its own, one at the route that does nothing."""

    def __init__(self, app: App, nats: NatsProcess, connections: int) -> None:
        http = HttpServer(app)
        http.config.timeout_keep_alive = IDLE_S
        self.app = app
        assert nats.process_id is not None
        self.nats_process_id = nats.process_id
        self.crowd = Crowd(http.config, http, connections)
        noop = uvicorn.Config(
            noop_app, http="httptools", ws="none", lifespan="off", log_config=None, access_log=False,
            timeout_keep_alive=IDLE_S,
        )  # fmt: skip
        self.noop = Crowd(noop, uvicorn.Server(noop), connections)

    @property
    def batches(self) -> int:
        """Batches that became durable."""
        writer = self.app.partition._writer
        return 0 if writer is None else writer.batches


def silence_timers() -> None:
    """What the clock does between requests would be counted at random."""
    nats_connection.OPTIONS["ping_interval"] = IDLE_S
    marked.WRITTEN_EVERY_S = IDLE_S


@asynccontextmanager
async def serving(directory: Path, connections: int) -> AsyncIterator[Served]:
    """A server on a journal in `directory`, for the length of a block."""
    silence_timers()
    async with AsyncExitStack() as stack:
        data = stack.enter_context(DataDirectory(directory))
        nats = NatsProcess(data, find_nats_server())
        port, token = free_port(), secrets.token_hex(16)
        nats.configure(server_name="gates", port=port, token=token, store_bytes_max=STORE_BYTES_MAX)
        await nats.start()
        stack.push_async_callback(nats.stop)
        endpoint = NatsEndpoint((f"nats://127.0.0.1:{port}",), token)
        journal = marked.MarkedJournal(JetStreamJournal(endpoint, partition=0, replicas=1), directory / "mark")
        serves = asyncio.Event()
        settings = Settings(visibility_timeout_ms=VISIBILITY_TIMEOUT_MS)
        app = App(settings, journal, ApiKeys([KEY]), on_serving=serves.set)
        app.start()
        stack.push_async_callback(app.close)
        async with asyncio.timeout(START_TIMEOUT_S):
            await serves.wait()
        served = Served(app, nats, connections)
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        yield served


def request(method: str, target: str, body: bytes = b"") -> bytes:
    """A request as the SDKs send it."""
    head = (
        f"{method} {target} HTTP/1.1\r\nhost: 127.0.0.1:8080\r\nauthorization: Bearer {KEY}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body

