"""What one message costs the Python SDK, from the call to its result: `python -m bench.sdk_path`.

No socket and no server: a transport that answers at once with what a server says. So it is CPU time alone, of the
client's side only. `python -m bench.sdk_path count enqueue 1000` handles so many messages and ends, for callgrind.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import lru_cache
from statistics import median
from typing import Any

import orjson
import uvloop

from hanzo_queues import AsyncQueues, Message
from hanzo_queues.client.connection import Connection
from hanzo_queues.client.http_stream import HttpStream

CALLERS = 64
BATCH = 100
MESSAGES = 20_000
ROUNDS = 5
PAYLOAD = "x" * 1022
ID = "0NXWRYF3SW7NV4Q0C2"
RECEIPT = "AQAAAAAAAAAAAAAAAQAAAAAAAAABAAAAAQAAAAAAAAABxxxxxxxxxxxxxxxxxxxxxx"
HEAD = (
    b"HTTP/1.1 200 OK\r\ndate: Sat, 28 Nov 2026 05:00:00 GMT\r\n"
    b"content-type: application/json\r\nx-request-id: 1-1\r\n"
)
ASKED = re.compile(rb"/messages.*maxMessages=(\d+)")
RECEIVED = {
    "id": ID, "receipt": RECEIPT, "queue": "q", "payload": PAYLOAD, "metadata": {}, "priority": 1, "deliveries": 1,
    "attempts": 0, "enqueuedAt": "2026-11-28T05:00:00.000Z", "leasedUntil": "2026-11-28T05:00:30.000Z",
}  # fmt: skip


def answered(value: Any) -> bytes:
    """An answer with that JSON."""
    body = orjson.dumps(value)
    return HEAD + b"content-length: %d\r\n\r\n" % len(body) + body


def numbered(first: int, count: int) -> list[dict[str, Any]]:
    """Messages as a server hands them out."""
    numbers = range(first, first + count)
    return [{**RECEIVED, "id": f"{ID}{number:04}", "receipt": f"{RECEIPT}{number:04}"} for number in numbers]


@lru_cache
def receives(count: int) -> Iterator[bytes]:
    """Answers with so many messages. Of leases that are held at the same time no two are the same."""
    firsts = range(0, 10 * BATCH, count)
    return itertools.cycle([answered({"messages": numbered(10 * BATCH * count + first, count)}) for first in firsts])


QUEUE = answered(
    {
        "name": "q", "createdAt": "2026-11-28T05:00:00.000Z",
        "config": {"visibilityTimeout": 30, "sessionTimeout": 30},
    }
)  # fmt: skip


class Answering(asyncio.Transport):
    """A server at the other end of one connection."""

    def __init__(self, stream: HttpStream) -> None:
        super().__init__()
        self._stream = stream
        self._answers: dict[tuple[bytes, int], bytes] = {}
        """By verb and length of what is asked: to count its messages each time would cost what a client's call does."""

    def writelines(self, parts: Iterable[bytes | bytearray | memoryview]) -> None:
        head, *rest = (bytes(part) for part in parts)
        asyncio.get_running_loop().call_soon(self._stream.data_received, self._answer(head, b"".join(rest)))

    def abort(self) -> None:
        pass

    def _answer(self, head: bytes, body: bytes) -> bytes:
        if head.startswith(b"GET"):
            asked = ASKED.search(head)
            return QUEUE if asked is None else next(receives(int(asked[1])))
        if head.startswith(b"DELETE"):
            return answered({"released": 0})
        verb = head.split(b" ", 2)[1].rpartition(b"/")[2]
        kind = verb, len(body)
        if kind not in self._answers:
            self._answers[kind] = answered(_said(verb, body.count(b'"receipt"') or body.count(b'"payload"')))
        return self._answers[kind]


def _said(verb: bytes, count: int) -> Any:
    stored, settled = {"id": ID, "state": "ready", "duplicate": False}, {"state": "acked", "already": False}
    if verb == b"messages":
        return stored
    return {"results": [stored] * count} if verb == b"batch" else {"acks": [settled] * count, "failed": 0}


class Served(Connection):
    """Connections to such servers."""

    async def _connected(self) -> HttpStream:
        stream = HttpStream(self._forget)
        stream.connection_made(Answering(stream))
        self._open.add(stream)
        return stream


async def enqueue(queues: AsyncQueues, messages: int) -> None:
    """Single calls from many callers at once."""

    async def caller() -> None:
        for _ in range(messages // CALLERS):
            await queues.enqueue("q", PAYLOAD)

    await asyncio.gather(*(caller() for _ in range(CALLERS)))


async def enqueue_batch(queues: AsyncQueues, messages: int) -> None:
    """Batches."""
    for _ in range(messages // BATCH):
        await queues.enqueue_batch("q", [{"payload": PAYLOAD}] * BATCH)


async def receive(queues: AsyncQueues, messages: int) -> None:
    """Taken a hundred at a time."""
    for _ in range(messages // BATCH):
        await queues.receive("q", max_messages=BATCH)


async def receive_ack(queues: AsyncQueues, messages: int) -> None:
    """The same, and each acked by a call of its own, at the same time."""
    for _ in range(messages // BATCH):
        received: list[Message] = await queues.receive("q", max_messages=BATCH)
        await asyncio.gather(*map(queues.ack, received))


async def receive_ack_all(queues: AsyncQueues, messages: int) -> None:
    """The same, and all acked by one call."""
    for _ in range(messages // BATCH):
        failed = await queues.ack_all(await queues.receive("q", max_messages=BATCH))
        assert not any(failed)


async def consume(queues: AsyncQueues, messages: int) -> None:
    """A consumer whose handler does nothing."""
    handled = 0
    consuming = client()

    @consuming.consumer("q", concurrency=BATCH)
    async def note(message: Message) -> None:
        nonlocal handled
        handled += 1
        if handled == messages:
            consuming.stop()

    await consuming.run(signals=False)


CALLS: dict[str, Callable[[AsyncQueues, int], Awaitable[None]]] = {
    "enqueue": enqueue,
    "enqueue_batch of 100": enqueue_batch,
    "receive of 100": receive,
    "receive of 100, ack of each": receive_ack,
    "receive of 100, ack_all": receive_ack_all,
    "consumer": consume,
}


def client() -> AsyncQueues:
    """One that asks such servers."""
    queues = AsyncQueues("key", url="http://127.0.0.1:1")
    queues._connection.__class__ = Served
    return queues


async def main() -> None:
    """All of them."""
    queues = client()
    if sys.argv[1:2] == ["count"]:
        await CALLS[sys.argv[2]](queues, int(sys.argv[3]))
    else:
        for name, call in CALLS.items():
            await call(queues, MESSAGES // 10)
            taken = []
            for _ in range(ROUNDS):
                before = time.process_time()
                await call(queues, MESSAGES)
                taken.append((time.process_time() - before) / MESSAGES * 1e6)
            print(f"{name}: {median(taken):.2f} us of CPU a message")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    uvloop.run(main())
