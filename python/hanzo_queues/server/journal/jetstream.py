"""The journal on a JetStream stream: one stream a partition, one subject, one connection at a time.

Owns the connection and the stream's name. The fence is `Nats-Expected-Last-Sequence` on every append; nothing here
retries an append, and no answer but a strict acknowledgement counts as durable. Must not know what a batch holds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any, cast

import nats.errors
from nats.aio.client import Client

from hanzo_queues.server.journal.base import AppendRefused, Extent, JournalCorrupt, JournalError, JournalRefused
from hanzo_queues.server.journal.jetstream_api import (
    STREAM_NAME_IN_USE,
    STREAM_NOT_FOUND,
    JetStreamApi,
    JetStreamRefusal,
)
from hanzo_queues.server.journal.jetstream_append import Appender, batch_bytes_max
from hanzo_queues.server.journal.jetstream_read import read_stream
from hanzo_queues.server.journal.jetstream_settings import assert_stream_settings, stream_settings
from hanzo_queues.server.nats_connection import LastingConnection, NatsEndpoint, NatsUnreachable

logger = logging.getLogger(__name__)

NATS_VERSION_MIN = (2, 12)


class JetStreamJournal:
    """See `hanzo_queues.server.journal.base.Journal`.

    `partition`: its number, part of the stream's name. `replicas`: 1, 3 or 5; asserted when the stream exists.
    `append_timeout_s`: seconds until an append without an answer raises AppendUnknown. `call_timeout_s`: seconds for
    connecting and for each other request. `stream` and `subjects`: of another log that is kept like a journal; `append`
    is to the first one. `subjects_before`: those of an earlier server, which goes on with them until this one writes.
    `subjects_later`: what others may begin with, of a later server.
    """

    def __init__(
        self,
        endpoint: NatsEndpoint,
        *,
        partition: int,
        replicas: int,
        append_timeout_s: float = 5.0,
        call_timeout_s: float = 5.0,
        stream: str | None = None,
        subjects: tuple[str, ...] = (),
        subjects_before: tuple[str, ...] = (),
        subjects_later: str | None = None,
    ) -> None:
        self.stream = stream or f"HANZO_P{partition}"
        self._subjects = subjects or (f"hanzo.p{partition}.journal",)
        self._subjects_before = subjects_before
        self._subjects_later = subjects_later
        self._is_earlier = False  # it has still those of an earlier server
        self.subject = self._subjects[0]
        self._replicas = replicas
        self._append_timeout_s = append_timeout_s
        self._call_timeout_s = call_timeout_s
        self._batch_bytes_max = 0
        self._connection = LastingConnection(
            endpoint, f"hanzo-queues {self.stream}", timeout_s=call_timeout_s, on_down=self._on_down
        )
        self._client: Client | None = None
        self._appender: Appender | None = None
        self._asking: JetStreamApi | None = None

    @property
    def batch_bytes_max(self) -> int:
        """The largest batch `append` accepts, in bytes: what nats-server's max_payload leaves, or what JetStream
        stores. 0 before `open`."""
        return self._batch_bytes_max

    async def open(self) -> None:
        """Connects; makes the stream or asserts its settings. Raises JournalError, JournalRefused."""
        client = await self._connected()
        _assert_version(client)
        await self._make_or_assert()
        self._batch_bytes_max = batch_bytes_max(client)

    async def look(self) -> None:
        """Connects, and asserts the stream's settings: those of an earlier server too. Raises JournalError,
        JournalCorrupt, JournalRefused."""
        _assert_version(await self._connected())
        self._assert_settings(await self._info())

    async def last_sequence(self) -> int:
        """The sequence of the last batch, 0 when empty, as the stream's leader knows it."""
        return int((await self._state())["last_seq"])

    async def first_sequence(self) -> int:
        """The sequence of the first batch that was not purged, as the stream's leader knows it."""
        return max(1, int((await self._state())["first_seq"]))

    async def extent(self) -> Extent:
        """What the stream's leader says; nats-server's own bytes included."""
        state = await self._state()
        return Extent(max(1, int(state["first_seq"])), int(state["last_seq"]), int(state["bytes"]))

    def append(self, batch: bytes, expected_last_sequence: int) -> asyncio.Future[None]:
        """Appends one batch, which is durable when that is done. Raises WrongLastSequence, AppendRefused, AppendUnknown
        there."""
        return self._append(batch, expected_last_sequence, self.subject)

    def _append(self, data: bytes, expected_last_sequence: int, subject: str) -> asyncio.Future[None]:
        if self._appender is not None:
            return self._appender.append(data, expected_last_sequence, self._append_timeout_s, subject)
        refused: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        refused.set_exception(AppendRefused(f"not sent: stream {self.stream} is not open"))
        return refused

    async def read(self, first_sequence: int, last_sequence: int) -> AsyncIterator[tuple[int, bytes]]:
        """Batches in order. Raises JournalCorrupt on a gap, JournalError when reading is interrupted."""
        client = await self._connected()
        async for batch in read_stream(client, self._api(), self.stream, first_sequence, last_sequence):
            yield batch

    async def fetch(self, sequence: int) -> bytes:
        """One batch from any replica; the leader is asked when that replica lags. Raises JournalError."""
        await self._connected()
        api = self._api()
        batch = await api.direct_message(sequence)
        if batch is None:
            batch = await api.message(sequence)
        if batch is None:
            raise JournalCorrupt(
                f"stream {self.stream} has no message {sequence}: it was purged, or lost data. Nothing was changed. "
                "Restore the stream from a backup or another replica."
            )
        return batch

    async def fetch_run(self, first_sequence: int, last_sequence: int, bytes_max: int) -> list[tuple[int, bytes]]:
        """Batches in order, from any replica, at one request. Raises JournalError."""
        await self._connected()
        return await self._api().direct_messages(first_sequence, last_sequence, bytes_max)

    async def purge(self, before_sequence: int) -> None:
        """Takes away every batch before `before_sequence`. Raises JournalError."""
        state = await self._state()
        last = int(state["last_seq"])
        if before_sequence > last:
            raise JournalError(f"stream {self.stream} ends with {last}: not purged up to {before_sequence}")
        if int(state["first_seq"]) < before_sequence:
            await self._api().call("STREAM.PURGE", {"seq": before_sequence})

    async def close(self) -> None:
        """Ends the connection. An append under way raises AppendUnknown."""
        self._on_down("the journal was closed")
        self._appender = self._client = None
        await self._connection.close()

    async def _state(self) -> dict[str, Any]:
        return cast("dict[str, Any]", (await self._info())["state"])

    async def _info(self) -> dict[str, Any]:
        """What the stream's leader says of it. Raises JournalCorrupt when it is gone."""
        await self._connected()
        try:
            return await self._api().call("STREAM.INFO")
        except JetStreamRefusal as refusal:
            if refusal.code == STREAM_NOT_FOUND:
                raise JournalCorrupt(
                    f"stream {self.stream} is gone from nats-server, or never was there: is NATS_URL right? Restore it "
                    "from a backup and start again."
                ) from refusal
            raise

    def _api(self) -> JetStreamApi:
        assert self._client is not None
        if self._asking is None or self._asking.client is not self._client:
            self._asking = JetStreamApi(self._client, self.stream, self._call_timeout_s)
        return self._asking

    def _on_down(self, reason: str) -> None:
        if self._appender is not None:
            self._appender.give_up(reason)
        if self._asking is not None:
            self._asking.give_up()

    async def _connected(self) -> Client:
        """The client, with an appender of its own. Raises JournalError."""
        try:
            client = await self._connection.client()
        except NatsUnreachable as error:
            raise JournalError(str(error)) from error
        if client is not self._client:
            appender = Appender(client, self.stream, self.subject)
            try:
                await appender.start()
            except (nats.errors.Error, OSError) as error:
                raise JournalError(f"the connection was lost at once: {error}") from error
            if client is not self._client:  # else somebody who read at the same time was first
                self._client, self._appender = client, appender
        return client

    async def _make_or_assert(self) -> None:
        api = self._api()
        try:
            info = await api.call("STREAM.INFO")
        except JetStreamRefusal as refusal:
            if refusal.code != STREAM_NOT_FOUND:
                raise
            info = await self._make(api)
        self._assert_settings(info)

    def _assert_settings(self, info: Mapping[str, Any]) -> None:
        config = info["config"]
        self._is_earlier = bool(self._subjects_before) and _subjects_of(config) == self._subjects_before
        subjects = self._subjects_before if self._is_earlier else self._subjects
        assert_stream_settings(config, subjects, self._replicas, self._subjects_later)

    async def _renew_subjects(self) -> None:
        """From here on an earlier server refuses to start: so not before something is written that needs them."""
        if self._is_earlier:
            config = (await self._info())["config"]
            if _subjects_of(config) == self._subjects_before:  # else a later server was here meanwhile
                await self._api().call("STREAM.UPDATE", config | {"subjects": self._subjects})
            self._is_earlier = False
            logger.info("stream %s has the subjects of this version from here on", self.stream)

    async def _make(self, api: JetStreamApi) -> dict[str, object]:
        try:
            created = await api.call("STREAM.CREATE", stream_settings(self.stream, self._subjects, self._replicas))
        except JetStreamRefusal as refusal:
            if refusal.code != STREAM_NAME_IN_USE:  # another server was first: its settings are asserted
                raise
            return await api.call("STREAM.INFO")
        logger.info("stream %s was made, with %d replicas", self.stream, self._replicas)
        return created


def _assert_version(client: Client) -> None:
    version = client.connected_server_version
    if (version.major, version.minor) < NATS_VERSION_MIN:
        raise JournalRefused(
            f"nats-server {version.major}.{version.minor} is too old for the journal: every server of the cluster "
            "needs 2.12 or newer."
        )


def _subjects_of(config: Mapping[str, Any]) -> tuple[str, ...]:
    """A stream's; a mirror has none."""
    return tuple(config.get("subjects") or ())
