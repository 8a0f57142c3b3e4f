"""The append: one request at a time on a subscription that lives as long as the connection.

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
from hanzo_queues.server.nats_connection import subscribe_directly, write_at_once

HEADER = b"NATS/1.0\r\nNats-Expected-Last-Sequence: %d\r\n\r\n"
HEADER_BYTES_MAX = 128  # the header with the largest sequence, rounded up: counts towards max_payload
NO_RESPONDERS_STATUS = "503"


class Appender:
    """Appends to one subject, one batch in flight."""

    def __init__(self, client: Client, stream: str, subject: str) -> None:
        self._client = client
        self._stream = stream
        self._subject = subject.encode()
        self._inbox = client.new_inbox()
        self._sent = 0
        self._reply_subject = ""
        self._acknowledged: asyncio.Future[Msg] | None = None

    async def start(self) -> None:
        """Subscribes to the acknowledgements. Raises nats.errors.Error."""
        await subscribe_directly(self._client, f"{self._inbox}.*", self._receive)
        await self._client.flush()  # an append is written at once, and must not overtake its subscription

    async def append(self, batch: bytes, expected_last_sequence: int, timeout_s: float) -> None:
        """See `Journal.append`."""
        if self._acknowledged is not None:
            raise RuntimeError("a journal has one append in flight")
        self._refuse_what_cannot_be_sent(batch)
        loop = asyncio.get_running_loop()
        self._acknowledged = loop.create_future()
        deadline = loop.call_later(timeout_s, self.give_up, f"no acknowledgement within {timeout_s:g} s")
        try:
            self._send(batch, expected_last_sequence)
            message = await self._acknowledged
        finally:
            deadline.cancel()
            self._acknowledged = None
        self._read(message, expected_last_sequence)

    def give_up(self, reason: str) -> None:
        """The append under way, if any, raises AppendUnknown."""
        if self._acknowledged is not None and not self._acknowledged.done():
            self._acknowledged.set_exception(AppendUnknown(reason))

    def _refuse_what_cannot_be_sent(self, batch: bytes) -> None:
        if not self._client.is_connected:
            raise AppendRefused("not sent: there is no connection to nats-server")
        room = self._client.max_payload - HEADER_BYTES_MAX
        if len(batch) > room:
            raise AppendRefused(
                f"not sent: a batch of {len(batch)} bytes is larger than the {room} that this nats-server's "
                "max_payload leaves; give every nats-server of the cluster the same max_payload"
            )

    def _send(self, batch: bytes, expected_last_sequence: int) -> None:
        self._sent += 1
        self._reply_subject = f"{self._inbox}.{self._sent}"
        header = HEADER % expected_last_sequence
        sizes = b"%d %d" % (len(header), len(header) + len(batch))
        line = b"HPUB %b %b %b\r\n" % (self._subject, self._reply_subject.encode(), sizes)
        try:
            write_at_once(self._client, (line + header, batch, b"\r\n"))
        except Exception as error:  # whatever the transport raises: a part may have left
            raise AppendUnknown(f"the append could not be written: {error}") from error

    def _receive(self, message: Msg) -> None:
        waiting = self._acknowledged
        if waiting is not None and not waiting.done() and message.subject == self._reply_subject:
            waiting.set_result(message)

    def _read(self, message: Msg, expected_last_sequence: int) -> None:
        if message.headers and message.headers.get("Status") == NO_RESPONDERS_STATUS:
            raise AppendUnknown(f"nobody answers for stream {self._stream}")
        try:
            answer = orjson.loads(message.data)
            error = answer.get("error")
            stored = (answer.get("stream"), answer.get("seq"))
        except (orjson.JSONDecodeError, AttributeError):
            raise AppendUnknown(f"the acknowledgement can't be read: {message.data[:200]!r}") from None
        if error:
            raise _failure(error)
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
