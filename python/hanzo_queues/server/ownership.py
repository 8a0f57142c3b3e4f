"""Who tries to own a partition: a lease in a JetStream key-value bucket, taken by one node, renewed, given up.

    acquire -> owned -(renewed every third of its time)-> owned -(release)-> free
                     -(not renewed in time, or replaced)--> lost

The lease only decides who tries. What makes a deposed owner harmless is the journal's fence, so a lease that is wrong
for a moment costs a refused append and never a message. What needs no append is answered while the lease is held. A
node takes its own earlier lease at once, as after a kill -9: who loses one to its own name so learns that its data
directory was copied, and is a stranger to that name from then on.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

import nats.errors
import nats.js.errors
import orjson
from nats.aio.client import Client
from nats.js.client import JetStreamContext
from nats.js.kv import KeyValue

from hanzo_queues.server.clock import monotonic_ms
from hanzo_queues.server.ending import end
from hanzo_queues.server.journal.base import JournalRefused
from hanzo_queues.server.journal.jetstream_api import STREAM_NAME_IN_USE
from hanzo_queues.server.nats_connection import LastingConnection, NatsEndpoint, NatsUnreachable
from hanzo_queues.server.outage import Outage

logger = logging.getLogger(__name__)

BUCKET = "HANZO_OWNERS"
CONNECT_TIMEOUT_S = 5.0
FAILURES = (nats.errors.Error, nats.js.errors.Error, NatsUnreachable, OSError, TimeoutError)


class OwnershipLost(Exception):
    """Another node may own the partition now."""


class Ownership(Protocol):
    """The lease that decides which node tries to write."""

    async def acquire(self) -> None:
        """Returns when this node may try, however long that takes."""

    def lasts(self) -> bool:
        """Whether nobody else can have it yet; right also when this process, or the machine, just woke up."""

    async def release(self) -> None:
        """Gives it up. Does nothing when it is not held."""


class OwnershipLease:
    """One node's claim to one partition, over a connection of its own. `ttl_s`: seconds after which a lease that was
    not renewed is anybody's; the same for all nodes, fixed when the bucket is made. `on_lost` is called once for each
    lease that is lost. `close` ends the connection."""

    def __init__(
        self,
        endpoint: NatsEndpoint,
        *,
        partition: int,
        node_id: str,
        replicas: int,
        ttl_s: float = 9.0,
        on_lost: Callable[[], None] = lambda: None,
        monotonic: Callable[[], float] = monotonic_ms,
    ) -> None:
        self._key = f"p{partition}"
        self._connection = LastingConnection(
            endpoint, f"hanzo-queues ownership of {self._key}", timeout_s=CONNECT_TIMEOUT_S
        )
        self._node_id = node_id
        self._replicas = replicas
        self._ttl_s = ttl_s
        self.on_lost = on_lost
        self._monotonic = monotonic
        self._value = orjson.dumps({"node": node_id, "claim": secrets.token_hex(8)})
        self._revision = 0
        self._ends_ms = 0.0
        self._client: Client | None = None
        self._bucket: KeyValue | None = None
        self._has_double = False
        self._renewing: asyncio.Task[None] | None = None

    async def acquire(self) -> None:
        """Returns when the lease is ours, however long that takes, and however often the connection is lost for good.
        A node's own earlier lease is taken back at once. Raises JournalRefused when the bucket is set up otherwise."""
        outage = Outage(f"ownership of {self._key}", logger)
        while True:
            try:
                if await self._try_to_take():
                    break
                await self._until_worth_trying(outage)
            except FAILURES as error:
                await asyncio.sleep(outage.failed(error))
        outage.over()
        self._renewing = asyncio.create_task(self._renew(), name=f"ownership-{self._key}")

    def lasts(self) -> bool:
        """Whether nobody else can have it yet; right also when this process, or the machine, just woke up."""
        return self._renewing is not None and self._left_s() > 0

    async def release(self) -> None:
        """Gives the lease up, so that a standby takes it at once. Never raises for an unreachable cluster."""
        renewing, self._renewing = self._renewing, None
        if renewing is None:
            return
        await end(renewing)
        with suppress(*FAILURES):
            await (await self._opened()).delete(self._key, last=self._revision)

    async def close(self) -> None:
        """Ends the connection. A lease that is still held runs out."""
        await self._connection.close()

    def _end_of_one_begun_now(self) -> float:
        return self._monotonic() + self._ttl_s * 1000

    def _left_s(self) -> float:
        return (self._ends_ms - self._monotonic()) / 1000

    async def _opened(self) -> KeyValue:
        client = await self._connection.client()
        if self._bucket is None or client is not self._client:
            self._bucket = await self._made_or_asserted(client.jetstream())
            self._client = client
        return self._bucket

    async def _made_or_asserted(self, jetstream: JetStreamContext) -> KeyValue:
        """Another version may have made it with other settings than those that count."""
        try:
            return await jetstream.create_key_value(
                bucket=BUCKET, history=1, ttl=self._ttl_s, replicas=self._replicas
            )
        except nats.js.errors.APIError as error:
            if error.err_code != STREAM_NAME_IN_USE:
                raise
        config = (await jetstream.stream_info(f"KV_{BUCKET}")).config
        wanted = {"max_age": self._ttl_s, "num_replicas": self._replicas, "max_msgs_per_subject": 1}
        differences = [
            f"{name} is {getattr(config, name)}, not {value}"
            for name, value in wanted.items()
            if getattr(config, name) != value
        ]
        if differences:
            raise JournalRefused(
                f"stream KV_{BUCKET}, the lease of who may write the journal, can't be used: {'; '.join(differences)}. "
                f"Put it right with `nats stream edit KV_{BUCKET}`."
            )
        return await jetstream.key_value(BUCKET)

    async def _try_to_take(self) -> bool:
        bucket = await self._opened()
        ends_ms = self._end_of_one_begun_now()
        entry = await self._entry()
        try:
            if entry is None:
                self._revision = await bucket.create(self._key, self._value)
            elif self._is_ours(entry):
                self._revision = await bucket.update(self._key, self._value, last=entry.revision)
            else:
                return False
        except nats.js.errors.KeyWrongLastSequenceError:
            return False
        self._ends_ms = ends_ms
        return True

    def _is_ours(self, entry: KeyValue.Entry) -> bool:
        return entry.value == self._value or (not self._has_double and self._is_of_our_name(entry))

    def _is_of_our_name(self, entry: KeyValue.Entry) -> bool:
        try:
            return bool(orjson.loads(entry.value or b"{}").get("node") == self._node_id)
        except (orjson.JSONDecodeError, AttributeError):  # not one of ours wrote it
            return False

    async def _entry(self) -> KeyValue.Entry | None:
        with suppress(nats.js.errors.KeyNotFoundError):
            return await (await self._opened()).get(self._key)
        return None

    async def _until_worth_trying(self, outage: Outage) -> None:
        """Returns when the owner gives up, or was silent for as long as its lease lives: expiry itself is not told."""
        watcher = await (await self._opened()).watch(self._key)
        try:
            while True:
                entry = await watcher.updates(timeout=self._ttl_s)  # type: ignore[no-untyped-call]
                outage.over()
                if entry is not None and entry.operation in ("DEL", "PURGE"):
                    return
        except nats.errors.TimeoutError:
            return
        finally:
            await watcher.stop()  # type: ignore[no-untyped-call]

    async def _renew(self) -> None:
        """Whatever fails, it is tried again as long as the lease lasts, and told when that is over."""
        wait_s = self._ttl_s / 3
        while True:
            await asyncio.sleep(wait_s)
            ends_ms = self._end_of_one_begun_now()
            try:
                async with asyncio.timeout(max(0.0, min(self._left_s(), self._ttl_s / 3))):
                    held = await self._renew_once()
            except Exception as error:
                logger.warning("ownership of %s: can't be renewed: %s", self._key, str(error) or type(error).__name__)
                held, wait_s = self.lasts(), self._ttl_s / 10
            else:
                self._ends_ms, wait_s = ends_ms, self._ttl_s / 3
            if not held:
                logger.warning("ownership of %s: lost", self._key)
                self._renewing = None
                self.on_lost()
                return

    async def _renew_once(self) -> bool:
        bucket = await self._opened()
        while True:
            try:
                self._revision = await bucket.update(self._key, self._value, last=self._revision)
                return True
            except nats.js.errors.KeyWrongLastSequenceError:
                entry = await self._entry()
                if entry is None or entry.value != self._value or entry.revision is None:
                    self._look_for_a_double(entry)
                    return False
                self._revision = entry.revision  # of a renewal whose answer was lost: as old as that

    def _look_for_a_double(self, entry: KeyValue.Entry | None) -> None:
        if entry is None or not self._is_of_our_name(entry):
            return
        self._has_double = True
        logger.error(
            "ownership of %s: taken by another server with this node's id, %s: the data directory was copied. "
            "Delete the file node-id in one of the two and restart that server.",
            self._key, self._node_id,
        )  # fmt: skip
