"""What one request costs the server, from the bytes of its socket to those of its answer: `python -m bench.hot_path`.

No socket, no disk: transports that only count, and a journal in memory. So it is CPU time alone, and steady enough to
compare the two ways a request can go, in turn in one run: whole (`server/whole_request.py`), and through ASGI.
`python -m bench.hot_path count single whole 1000` handles so many requests and ends, for callgrind.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
import time
from statistics import median
from typing import Any

import uvloop

from hanzo_queues.server.app import App
from hanzo_queues.server.auth import ApiKeys
from hanzo_queues.server.journal.memory import MemoryJournal
from hanzo_queues.server.serve import GC_THRESHOLDS, HttpServer
from hanzo_queues.server.settings import Settings
from hanzo_queues.server.whole_request import WholeRequests

KEY = "bench"
CONNECTIONS = {"single": 64, "batch of 100": 8, "receive": 64, "receive of 100": 8}
REQUESTS = {"single": 5_000, "batch of 100": 200, "receive": 5_000, "receive of 100": 200}
RECEIVED = {"receive": 1, "receive of 100": 100}
ROUNDS = 5
WAYS = ("whole", "asgi")
ADDRESS = ("127.0.0.1", 1)


class Wire(asyncio.Transport):
    """A transport whose client sends its next request when the last one was answered."""

    def __init__(self, load: Load) -> None:
        super().__init__()
        self._load = load
        self.protocol: Any = None

    def get_extra_info(self, name: str, default: object = None) -> object:
        return ADDRESS if name in ("peername", "sockname") else default

    def get_protocol(self) -> Any:
        return self.protocol

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not bytes(data[:11]).startswith(b"HTTP/1.1 20"):
            raise RuntimeError(f"not as hoped for: {bytes(data)!r}")
        self._load.answered(self)


class Load:
    """A closed loop of requests over all wires."""

    def __init__(self, http: HttpServer, connections: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._request = b""
        self._unsent = self._unanswered = 0
        self._over = self._loop.create_future()
        self._wires = [Wire(self) for _ in range(connections)]
        for wire in self._wires:
            make: Any = http.config.http_protocol_class
            wire.protocol = make(config=http.config, server_state=http.server_state, app_state={}, _loop=self._loop)
            wire.protocol.connection_made(wire)

    async def run(self, request: bytes, count: int) -> None:
        """Sends `request` so often; returns when all are answered."""
        self._request = request
        self._unsent = self._unanswered = count
        self._over = self._loop.create_future()
        for wire in self._wires[:count]:
            self._send(wire)
        await self._over

    def answered(self, wire: Wire) -> None:
        """The request of `wire`."""
        self._unanswered -= 1
        if self._unanswered == 0:
            self._over.set_result(None)
        elif self._unsent:
            self._loop.call_soon(self._send, wire)

    def _send(self, wire: Wire) -> None:
        if self._unsent:
            self._unsent -= 1
            wire.protocol.data_received(self._request)


def request(target: str, body: bytes = b"") -> bytes:
    """As a plain client sends it."""
    verb = "POST" if body else "GET"
    head = f"{verb} {target} HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nAuthorization: Bearer {KEY}\r\n"
    return head.encode() + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body


MESSAGE = b'{"payload":"' + b"x" * 1022 + b'"}'
MESSAGES = "/v1/queues/q/messages"
BATCH = request(f"{MESSAGES}/batch", b'{"messages":[' + b",".join([MESSAGE] * 100) + b"]}")
SENT = {
    "single": request(MESSAGES, MESSAGE),
    "batch of 100": BATCH,
    **{what: request(f"{MESSAGES}?maxMessages={count}") for what, count in RECEIVED.items()},
}


async def prepared(what: str) -> Load:
    """A server that has the queue, knows the key and has answered some."""
    app = App(Settings(), MemoryJournal(batch_bytes_max=8 << 20), ApiKeys([KEY]))
    http = HttpServer(app)
    http.config.load()
    app.start()
    load = Load(http, CONNECTIONS[what])
    while app.partition.state != "serving":  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await load.run(request("/v1/queues", b'{"name":"q"}'), 1)
    await run(load, what, CONNECTIONS[what])
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    return load


async def run(load: Load, what: str, count: int) -> float:
    """CPU seconds of so many requests, which find what they receive."""
    if what in RECEIVED:
        await load.run(BATCH, -(-count * RECEIVED[what] // 100))
    before = time.process_time()
    await load.run(SENT[what], count)
    return time.process_time() - before


async def measure(what: str) -> None:
    """Prints the CPU time of a request, each way."""
    load = await prepared(what)
    take = WholeRequests.take
    taken: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(ROUNDS):
        for way in WAYS:
            go(way, take)
            taken[way].append(await run(load, what, REQUESTS[what]) / REQUESTS[what] * 1e6)
    whole, asgi = (median(taken[way]) for way in WAYS)
    go("whole", take)
    print(f"{what}: whole {whole:.1f} us, ASGI {asgi:.1f} us of CPU a request: {asgi / whole:.2f} times as much")


def go(way: str, take: Any) -> None:
    """From now on requests go that way."""
    WholeRequests.take = take if way == "whole" else lambda *_: None  # type: ignore[method-assign]


async def count(what: str, way: str, requests: int) -> None:
    """Handles so many and no more."""
    load = await prepared(what)
    go(way, WholeRequests.take)
    if requests:
        await run(load, what, requests)


async def main() -> None:
    """All kinds of requests, both ways."""
    logging.disable(logging.CRITICAL)
    if sys.argv[1:2] == ["count"]:
        what, way, requests = sys.argv[2:]
        await count(what, way, int(requests))
    else:
        for what in CONNECTIONS:
            await measure(what)
    sys.stdout.flush()
    os._exit(0)  # a server that is not told to stop has nothing to say


if __name__ == "__main__":
    uvloop.run(main())
