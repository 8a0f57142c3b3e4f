"""What the server is put to, request by request, the same each time.

Payloads of 1 KB, in one queue; those with features in another, whose rate limit is never reached: each has one of ten
priorities and a dedup id of its own. Every load does its rounds; in a round each of its connections sends one request.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from typing import Any

from bench.gates.meters import Meter, Nothing
from bench.gates.served import Served, request

CONNECTIONS = 64
POLLERS = 32
BATCHERS = 8
BATCH = 100
QUEUE = "orders"
FEATURED = "urgent-orders"
QUEUES: tuple[dict[str, object], ...] = (
    {"name": QUEUE},
    {"name": FEATURED, "config": {"rateLimit": {"requests": 1_000_000, "per": "second"}}},
)
PAYLOAD = "x" * 1022  # a string of 1 KB, its quotes included


def enqueue_batch(queue: str, messages: Sequence[bytes]) -> bytes:
    """The request that enqueues many."""
    return request("POST", f"/v1/queues/{queue}/messages/batch", b'{"messages": [%b]}' % b", ".join(messages))


MESSAGES = f"/v1/queues/{QUEUE}/messages"
SINGLE = json.dumps({"payload": PAYLOAD}).encode()
ENQUEUE = request("POST", MESSAGES, SINGLE)
ENQUEUE_BATCH = enqueue_batch(QUEUE, [SINGLE] * BATCH)
NOOP = request("POST", "/noop", SINGLE)

Messages = list[dict[str, Any]]


class Loads:
    """Runs every load once. `rounds` scales them all; `messages` tells what each load did, by name."""

    _ids = count(1)  # no dedup id comes twice, whoever runs loads

    def __init__(self, served: Served, meter: Meter, rounds: int) -> None:
        self._served = served
        self._meter = meter
        self._rounds = rounds
        self.messages: dict[str, int] = {}

    async def run(self) -> None:
        """In the order in which one leaves the other what it needs."""
        await self._load("no-op route, 64 connections", CONNECTIONS * self._rounds, self._noop)
        await self._load("enqueue, 64 connections", CONNECTIONS * self._rounds, self._enqueue)
        received: Messages = []
        await self._load("receive, 64 connections", CONNECTIONS * self._rounds, self._receive, received)
        await self._load("ack, 64 connections", CONNECTIONS * self._rounds, self._ack, received)
        await self._load("enqueue, alone", 8 * self._rounds, self._enqueue_alone)
        await self._take_away(8 * self._rounds)
        await self._run_batches("8 connections", QUEUE, lambda: ENQUEUE_BATCH)
        await self._run_batches("with features", FEATURED, self._featured_batch)
        woken: Messages = []
        await self._load("enqueue for waiting receives, 32 of each", POLLERS * self._rounds, self._wake, woken)
        await self._settle_unmeasured(woken)

    async def _run_batches(self, name: str, queue: str, batch: Callable[[], bytes]) -> None:
        batches = BATCHERS * max(1, self._rounds // 4)
        requests = [batch() for _ in range(batches)]
        await self._load(f"enqueue 100 at once, {name}", BATCH * batches, self._enqueue_batches, requests)
        held: list[Messages] = []
        await self._load(f"receive 100 at once, {name}", BATCH * batches, self._receive_batches, batches, queue, held)
        await self._load(f"settle 100 at once, {name}", BATCH * batches, self._settle, queue, held)

    def _featured_batch(self) -> bytes:
        return enqueue_batch(FEATURED, [featured(place, next(self._ids)) for place in range(BATCH)])

    async def _load(self, name: str, messages: int, work: Callable[..., Awaitable[None]], *arguments: Any) -> None:
        await work(*arguments)
        self._meter.end(name)
        self.messages[name] = messages

    async def _ask(self, requests: Sequence[bytes], waiting: Sequence[bytes] = ()) -> list[Any]:
        return [json.loads(body) for body in await self._served.crowd.round(self._meter, requests, waiting)]

    async def _noop(self) -> None:
        for _ in range(self._rounds):
            await self._served.noop.round(self._meter, [NOOP] * CONNECTIONS)

    async def _enqueue(self) -> None:
        for _ in range(self._rounds):
            await self._ask([ENQUEUE] * CONNECTIONS)

    async def _enqueue_alone(self) -> None:
        for _ in range(8 * self._rounds):
            await self._ask([ENQUEUE])

    async def _receive(self, received: Messages) -> None:
        for _ in range(self._rounds):
            answers = await self._ask([request("GET", f"{MESSAGES}?maxMessages=1")] * CONNECTIONS)
            received += [message for answer in answers for message in answer["messages"]]
        assert len(received) == CONNECTIONS * self._rounds, "every message is received"

    async def _ack(self, received: Messages) -> None:
        for first in range(0, len(received), CONNECTIONS):
            await self._ask([acked(message) for message in received[first : first + CONNECTIONS]])

    async def _enqueue_batches(self, requests: list[bytes]) -> None:
        for first in range(0, len(requests), BATCHERS):
            await self._ask(requests[first : first + BATCHERS])

    async def _receive_batches(self, batches: int, queue: str, held: list[Messages]) -> None:
        for _ in range(batches // BATCHERS):
            asked = [request("GET", f"/v1/queues/{queue}/messages?maxMessages={BATCH}")] * BATCHERS
            held += [answer["messages"] for answer in await self._ask(asked)]
        assert [len(messages) for messages in held] == [BATCH] * batches, "every message is received"

    async def _settle(self, queue: str, held: list[Messages]) -> None:
        for first in range(0, len(held), BATCHERS):
            await self._ask([settled(queue, messages) for messages in held[first : first + BATCHERS]])

    async def _wake(self, woken: Messages) -> None:
        """Receives wait on some connections; enqueues on others wake each of them."""
        poll = request("GET", f"{MESSAGES}?maxMessages=1&waitTime=20")
        for _ in range(self._rounds):
            answers = await self._ask([ENQUEUE] * POLLERS, [poll] * POLLERS)
            woken += [message for answer in answers[:POLLERS] for message in answer["messages"]]
        assert len(woken) == POLLERS * self._rounds, "every waiting receive gets a message"

    async def _take_away(self, messages: int) -> None:
        crowd, nothing = self._served.crowd, Nothing()
        while messages > 0:
            (body,) = await crowd.round(nothing, [request("GET", f"{MESSAGES}?maxMessages={min(messages, BATCH)}")])
            received = json.loads(body)["messages"]
            messages -= len(received)
            await self._settle_unmeasured(received)

    async def _settle_unmeasured(self, received: Messages) -> None:
        for first in range(0, len(received), BATCH):
            await self._served.crowd.round(Nothing(), [settled(QUEUE, received[first : first + BATCH])])


async def create_queues(served: Served) -> None:
    """The queues of all loads."""
    for queue in QUEUES:
        await served.crowd.round(Nothing(), [request("POST", "/v1/queues", json.dumps(queue).encode())])


def featured(place: int, number: int) -> bytes:
    """The message at that place of a batch, with the dedup id of that number."""
    return json.dumps({"payload": PAYLOAD, "priority": place % 10, "dedupId": f"{number:020}"}).encode()


def acked(message: dict[str, Any]) -> bytes:
    """The request that acks a received message."""
    body = json.dumps({"receipt": message["receipt"]}).encode()
    return request("POST", f"/v1/messages/{message['id']}/ack", body)


def settled(queue: str, messages: Messages) -> bytes:
    """The request that acks many."""
    acks = [{"id": message["id"], "receipt": message["receipt"]} for message in messages]
    return request("POST", f"/v1/queues/{queue}/settle", json.dumps({"acks": acks}).encode())
