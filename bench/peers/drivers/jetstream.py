"""JetStream itself: a publish a message, atomic batches, a pull consumer. Acks are not waited for, as its client does
it; what is acknowledged stays in the stream, which is what costs JetStream least."""

from __future__ import annotations

import json
from itertools import count as counting
from uuid import uuid4

import nats
from nats.js.api import ConsumerConfig
from nats.js.client import JetStreamContext

STREAM = "bench"
SUBJECT = "bench"
CONSUMER = "bench"
ANSWER_SECONDS = 60


class DRIVER:
    async def open(self, address: str, tasks: int) -> None:
        self._client = await nats.connect(address)
        self._jetstream = self._client.jetstream()
        self._run = uuid4().hex[:12]
        self._numbers = counting()
        self._pulls: dict[int, JetStreamContext.PullSubscription] = {}

    async def prepare(self) -> None:
        stream = {"name": STREAM, "subjects": [SUBJECT], "storage": "file", "num_replicas": 1, "allow_atomic": True}
        await self._ask(f"$JS.API.STREAM.CREATE.{STREAM}", json.dumps(stream).encode())
        settings = ConsumerConfig(durable_name=CONSUMER, max_ack_pending=-1, ack_wait=300)
        await self._jetstream.add_consumer(STREAM, settings)

    async def send(self, number: int, payload: str) -> str:
        return str((await self._ask(SUBJECT, payload.encode()))["seq"])

    async def send_batch(self, number: int, payloads: list[str]) -> list[str]:
        headers = {"Nats-Batch-Id": f"{self._run}-{next(self._numbers)}"}
        for sequence, payload in enumerate(payloads[:-1], 1):
            numbered = {**headers, "Nats-Batch-Sequence": str(sequence)}
            await self._client.publish(SUBJECT, payload.encode(), headers=numbered)
        last = {**headers, "Nats-Batch-Sequence": str(len(payloads)), "Nats-Batch-Commit": "1"}
        end = int((await self._ask(SUBJECT, payloads[-1].encode(), last))["seq"])
        return [str(sequence) for sequence in range(end - len(payloads) + 1, end + 1)]

    async def _ask(self, subject: str, body: bytes, headers: dict[str, str] | None = None) -> dict[str, int]:
        """A request whose answer is no error."""
        found = json.loads((await self._client.request(subject, body, timeout=ANSWER_SECONDS, headers=headers)).data)
        if "error" in found:
            raise RuntimeError(f"JetStream refused: {found['error']}")
        return found  # type: ignore[no-any-return]

    async def take(self, number: int, count: int) -> list[str]:
        if number not in self._pulls:
            self._pulls[number] = await self._jetstream.pull_subscribe_bind(CONSUMER, STREAM)
        try:
            messages = await self._pulls[number].fetch(count, timeout=0.5)
        except TimeoutError:  # nothing was there
            return []
        for message in messages:
            await message.ack()
        return [str(message.metadata.sequence.stream) for message in messages]

    async def close(self) -> None:
        await self._client.flush(ANSWER_SECONDS)  # the acks
        await self._client.close()
