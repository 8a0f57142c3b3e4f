"""Reading a stream back, in order and whole: a push consumer with flow control, checked sequence by sequence.

Consumers are thrown away at the first doubt and made again where reading stopped. Whether a sequence is truly missing
is asked of the stream's leader before anything is called corrupt.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from hanzo_queues.server.journal.base import JournalCorrupt, JournalError
from hanzo_queues.server.journal.jetstream_api import JetStreamApi
from hanzo_queues.server.nats_reading import subscribe_directly

HEARTBEAT_S = 0.25
SILENCE_S_MAX = 2.0
STALLS_MAX = 20
NANOSECONDS = 1_000_000_000


async def read_stream(
    client: Client, api: JetStreamApi, stream: str, first: int, last: int
) -> AsyncIterator[tuple[int, bytes]]:
    """Messages `first` to `last` (both included). Raises JournalCorrupt on a gap, JournalError when it can't go on."""
    expected = first
    stalls = 0
    while expected <= last:
        start = expected
        async with _consumer(client, api, stream, start) as deliveries:
            while expected <= last:
                message = await deliveries.next()
                if message is None or _sequence(message) != expected:
                    break
                yield expected, message.data
                expected += 1
        if expected <= last:
            stalls = stalls + 1 if expected == start else 0
            await _assert_there(api, stream, expected, last)
            if stalls >= STALLS_MAX:
                raise JournalError(f"stream {stream}: message {expected} is there, but does not arrive")


async def _assert_there(api: JetStreamApi, stream: str, sequence: int, last: int) -> None:
    if await api.message(sequence) is None:
        raise JournalCorrupt(
            f"stream {stream} has no message {sequence}, though its last one should be {last}: it was purged, or lost "
            "data. Restore the stream from a backup; nothing was changed."
        )


def _sequence(message: Msg) -> int:
    """The stream sequence in a delivery's reply subject: `$JS.ACK.stream.consumer.delivered.SEQUENCE...`, and two
    tokens further right where domains and accounts are named."""
    tokens = message.reply.split(".")
    return int(tokens[5] if len(tokens) == 9 else tokens[7])


class _Deliveries:
    """What a consumer sent and nobody took yet. Answers flow control when everything before it was taken, so that
    nats-server sends no faster than we read."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._arrived: deque[Msg] = deque()
        self._waiter: asyncio.Future[None] | None = None

    def receive(self, message: Msg) -> None:
        self._arrived.append(message)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def next(self) -> Msg | None:
        """The next message; None when the consumer has none to send, or fell silent."""
        while True:
            while self._arrived:
                message = self._arrived.popleft()
                if message.headers is None or "Status" not in message.headers:
                    return message
                if not await self._answer_control(message, message.headers):
                    return None
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(SILENCE_S_MAX):
                    await self._waiter
            except TimeoutError:
                return None

    async def _answer_control(self, message: Msg, headers: dict[str, str]) -> bool:
        """False for a heartbeat of an idle consumer: what we wait for does not come."""
        subject = message.reply or headers.get("Nats-Consumer-Stalled")
        if not subject:
            return False
        try:
            await self._client.publish(subject)
        except nats.errors.Error as error:
            raise JournalError(f"reading was interrupted: {error}") from error
        return True


@asynccontextmanager
async def _consumer(client: Client, api: JetStreamApi, stream: str, first: int) -> AsyncIterator[_Deliveries]:
    deliveries = _Deliveries(client)
    inbox = client.new_inbox()
    try:
        subscription = await subscribe_directly(client, inbox, deliveries.receive)
    except nats.errors.Error as error:
        raise JournalError(f"stream {stream} can't be read: {error}") from error
    try:
        created = await api.call("CONSUMER.CREATE", {"stream_name": stream, "config": _config(inbox, first)})
        yield deliveries
        with suppress(JournalError):  # all was read; a consumer without a subscriber goes by itself
            await api.call("CONSUMER.DELETE", suffix=f".{created['name']}")
    finally:
        if not client.is_closed:
            await subscription.unsubscribe()


def _config(inbox: str, first: int) -> dict[str, object]:
    return {
        "deliver_subject": inbox,
        "deliver_policy": "by_start_sequence",
        "opt_start_seq": first,
        "ack_policy": "none",
        "max_deliver": 1,
        "replay_policy": "instant",
        "flow_control": True,
        "idle_heartbeat": int(HEARTBEAT_S * NANOSECONDS),
        "mem_storage": True,
        "num_replicas": 1,
    }
