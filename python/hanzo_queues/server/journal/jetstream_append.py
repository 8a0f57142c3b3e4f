"""The append: a few requests in flight on a subscription that lives as long as the connection.

Cheaper than `Client.request`: no id, no queue, no task and no copy of the batch for each append. An acknowledgement is
read strictly: whatever does not say "stored there, at that sequence" is no success.
"""

from __future__ import annotations

import asyncio

import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg

from hanzo_queues.server.journal.base import AppendRefused, AppendUnknown, JournalError, JournalFull, WrongLastSequence
from hanzo_queues.server.journal.jetstream_api import (
    INSUFFICIENT_RESOURCES,
    REFUSED_BEFORE_STORED,
    WRONG_LAST_SEQUENCE,
)
from hanzo_queues.server.nats_connection import write_at_once
from hanzo_queues.server.nats_reading import subscribe_directly
from hanzo_queues.server.progress import TURN_S

HEADER = b"NATS/1.0\r\nNats-Expected-Last-Sequence: %d\r\n\r\n"
HEADER_BYTES_MAX = 128  # the header with the largest sequence, rounded up: counts towards max_payload
STORED_BYTES_MAX = 31 * 1024 * 1024  # JetStream stores no record above 32 MiB, and replicas' logs share some
NO_RESPONDERS_STATUS = "503"


def batch_bytes_max(client: Client) -> int:
    """The largest batch that can be sent by this connection and is stored then."""
    return min(client.max_payload, STORED_BYTES_MAX) - HEADER_BYTES_MAX


_Append = tuple[asyncio.Future[None], int, asyncio.TimerHandle]
"""One in flight: its end, the sequence it expects, and its deadline."""


class Appender:
    """Appends to one subject. Of one writer's batches in flight, each is stored behind the one before or not at all;
    behind a stranger's fence a second one can still land, which the epoch it bears makes void."""

    def __init__(self, client: Client, stream: str, subject: str) -> None:
        self._client = client
        self._stream = stream
        self._subject = subject.encode()
        self._inbox = client.new_inbox()
        self._sent = 0
        self._waiting: dict[str, _Append] = {}

    async def start(self) -> None:
        """Subscribes to the acknowledgements. Raises nats.errors.Error."""
        await subscribe_directly(self._client, f"{self._inbox}.*", self._receive)
        await self._client.flush()  # an append is written at once, and must not overtake its subscription

    def append(
        self, batch: bytes, expected_last_sequence: int, timeout_s: float, subject: str | None = None
    ) -> asyncio.Future[None]:
        """See `Journal.append`. `subject`: another one of the stream's."""
        loop = asyncio.get_running_loop()
        stored: asyncio.Future[None] = loop.create_future()
        self._sent += 1
        reply_subject = f"{self._inbox}.{self._sent}"
        try:
            self._refuse_what_cannot_be_sent(batch)
            self._send(batch, expected_last_sequence, reply_subject, subject.encode() if subject else self._subject)
        except JournalError as error:
            stored.set_exception(error)
            return stored
        late = f"no acknowledgement within {timeout_s:g} s"
        deadline = loop.call_later(timeout_s, self._late, reply_subject, late)
        self._waiting[reply_subject] = stored, expected_last_sequence, deadline
        return stored

    def give_up(self, reason: str) -> None:
        """The appends under way, if any, raise AppendUnknown."""
        for reply_subject in tuple(self._waiting):
            self._overdue(reply_subject, reason)

    def _refuse_what_cannot_be_sent(self, batch: bytes) -> None:
        if not self._client.is_connected:
            raise AppendRefused("not sent: there is no connection to nats-server")
        room = batch_bytes_max(self._client)
        if len(batch) > room:
            raise AppendRefused(
                f"not sent: a batch of {len(batch)} bytes is larger than the {room} that this nats-server's "
                "max_payload, or JetStream's store, leaves; give every nats-server of the cluster the same max_payload"
            )

    def _send(self, batch: bytes, expected_last_sequence: int, reply_subject: str, subject: bytes) -> None:
        header = HEADER % expected_last_sequence
        sizes = b"%d %d" % (len(header), len(header) + len(batch))
        line = b"HPUB %b %b %b\r\n" % (subject, reply_subject.encode(), sizes)
        try:
            write_at_once(self._client, (line + header, batch, b"\r\n"))
        except Exception as error:  # whatever the transport raises: a part may have left
            raise AppendUnknown(f"the append could not be written: {error}") from error

    def _receive(self, message: Msg) -> None:
        waiting = self._waiting.pop(message.subject, None)
        if waiting is None:
            return
        stored, expected_last_sequence, deadline = waiting
        deadline.cancel()
        if stored.done():  # nobody waits for it any more
            return
        try:
            self._read(message, expected_last_sequence)
        except JournalError as error:
            stored.set_exception(error)
        except Exception:  # whatever is no acknowledgement says nothing of the append
            unread = AppendUnknown(f"the acknowledgement can't be read: {message.data[:200]!r}")
            stored.set_exception(unread)
        else:
            stored.set_result(None)

    def _late(self, reply_subject: str, reason: str) -> None:
        """What had come by now is read first."""
        stored, expected_last_sequence, _ = self._waiting[reply_subject]
        deadline = asyncio.get_running_loop().call_later(TURN_S, self._overdue, reply_subject, reason)
        self._waiting[reply_subject] = stored, expected_last_sequence, deadline

    def _overdue(self, reply_subject: str, reason: str) -> None:
        stored, _, deadline = self._waiting.pop(reply_subject)
        deadline.cancel()
        if not stored.done():
            stored.set_exception(AppendUnknown(reason))

    def _read(self, message: Msg, expected_last_sequence: int) -> None:
        if message.headers and message.headers.get("Status") == NO_RESPONDERS_STATUS:
            raise AppendUnknown(f"nobody answers for stream {self._stream}")
        answer = orjson.loads(message.data)
        if error := answer.get("error"):
            raise _failure(error)
        stored = (answer.get("stream"), answer.get("seq"))
        if stored != (self._stream, expected_last_sequence + 1) or answer.get("duplicate"):
            raise AppendUnknown(f"the acknowledgement is not of this append: {message.data[:200]!r}")


def _failure(error: dict[str, object]) -> JournalError:
    code = error.get("err_code")
    text = f"JetStream: {error.get('description')} ({code})"
    if code in WRONG_LAST_SEQUENCE:
        return WrongLastSequence(text)
    if code == INSUFFICIENT_RESOURCES:
        return JournalFull(f"nats-server has no room left: {text}")
    if code in REFUSED_BEFORE_STORED:
        return AppendRefused(text)
    return AppendUnknown(text)
