"""JetStream alone, as a reference: a publish per message with 64 in flight, and its atomic batches with 8 in flight."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable

import nats
from nats.aio.client import Client

PUBLISHES_IN_FLIGHT = 64
BATCHES_IN_FLIGHT = 8


async def single_publishes(url: str, seconds: float, payload_bytes: int) -> float:
    """Messages a second, each acknowledged after its fsync."""

    async def publish(client: Client, _: int) -> int:
        _check(await client.request("reference.single", b"x" * payload_bytes, timeout=30))
        return 1

    return await _rate(url, seconds, PUBLISHES_IN_FLIGHT, publish)


async def atomic_batches(url: str, seconds: float, payload_bytes: int, batch: int) -> float:
    """Messages a second, a batch at a time: its last message is answered once all of it is stored."""

    async def publish(client: Client, number: int) -> int:
        headers = {"Nats-Batch-Id": f"{time.monotonic_ns()}-{number}"}
        for sequence in range(1, batch):
            numbered = {**headers, "Nats-Batch-Sequence": str(sequence)}
            await client.publish("reference.batch", b"x" * payload_bytes, headers=numbered)
        last = {**headers, "Nats-Batch-Sequence": str(batch), "Nats-Batch-Commit": "1"}
        _check(await client.request("reference.batch", b"x" * payload_bytes, timeout=30, headers=last))
        return batch

    return await _rate(url, seconds, BATCHES_IN_FLIGHT, publish)


async def _rate(url: str, seconds: float, in_flight: int, publish: Callable[[Client, int], Awaitable[int]]) -> float:
    client = await nats.connect(url)
    await _make_stream(client)
    started = time.monotonic()
    until = started + seconds

    async def worker(number: int) -> int:
        messages = 0
        while time.monotonic() < until:
            messages += await publish(client, number)
        return messages

    messages = sum(await asyncio.gather(*map(worker, range(in_flight))))
    taken = time.monotonic() - started
    await client.close()
    return messages / taken


async def _make_stream(client: Client) -> None:
    config = {"name": "reference", "subjects": ["reference.*"], "storage": "file", "num_replicas": 1}
    request = json.dumps({**config, "allow_atomic": True}).encode()
    _check(await client.request("$JS.API.STREAM.CREATE.reference", request, timeout=30))


def _check(answer: object) -> None:
    found = json.loads(getattr(answer, "data", b"{}") or b"{}")
    if "error" in found:
        raise RuntimeError(f"JetStream refused: {found['error']}")
