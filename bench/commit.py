"""What a commit takes without the product: `python -m bench.commit`.

A write and its fsync alone, and appends to a nats-server that syncs each or none, one at a time over a blocking socket:
no event loop, and nobody else at work. So it is the least that a batch waits for on this machine, and tells how much of
it is the disk's and how much nats-server's.
"""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import nats

from bench.processes import nats_server

RATES = (500, 1000)
"""Commits a second; 2,000 messages a second make about a thousand."""
SECONDS = 4
BATCH = bytes(600)
"""As large as they are then."""


class Appends:
    """Appends to stream `commits`, one at a time."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._socket = socket.create_connection((address.hostname or "", address.port or 0))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._read = self._socket.makefile("rb")
        self._socket.sendall(b'CONNECT {"verbose":false,"headers":true}\r\nSUB acks 1\r\nPING\r\n')
        while self._read.readline() != b"PONG\r\n":
            pass
        self._last = 0

    def append(self) -> None:
        """Returns when it is stored."""
        header = b"NATS/1.0\r\nNats-Expected-Last-Sequence: %d\r\n\r\n" % self._last
        line = b"HPUB commits acks %d %d\r\n" % (len(header), len(header) + len(BATCH))
        self._socket.sendall(b"".join((line, header, BATCH, b"\r\n")))
        self._last += 1
        while not (head := self._read.readline()).startswith(b"MSG"):
            if head == b"PING\r\n":
                self._socket.sendall(b"PONG\r\n")
        answer = self._read.read(int(head.split()[-1]) + 2)
        assert b'"seq":%d' % self._last in answer, answer

    def close(self) -> None:
        self._read.close()
        self._socket.close()


def write_and_sync(file: int) -> None:
    os.write(file, BATCH)
    os.fsync(file)


def timed(name: str, commit: Callable[[], None]) -> None:
    """Prints how long it takes, at each rate: from when it began, so a slow one costs no other."""
    for rate in RATES:
        took: list[float] = []
        began = time.monotonic()
        for number in range(rate * SECONDS):
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
            since = time.monotonic()
            commit()
            took.append(1000 * (time.monotonic() - since))
        took.sort()
        shares = ", ".join(f"p{percent} {took[len(took) * percent // 100]:.2f}" for percent in (50, 90, 99))
        print(f"{name}, {rate} a second: {shares} ms", flush=True)


async def main() -> None:
    with tempfile.TemporaryFile() as file:
        await asyncio.to_thread(timed, "write and fsync", lambda: write_and_sync(file.fileno()))
    for fsync in (False, True):
        async with nats_server(fsync=fsync) as url:
            client = await nats.connect(url)
            await client.jetstream().add_stream(name="commits", subjects=["commits"])
            await client.close()
            appends = Appends(url)
            await asyncio.to_thread(timed, f"append, {'with fsync' if fsync else 'page cache'}", appends.append)
            appends.close()


if __name__ == "__main__":
    asyncio.run(main())
