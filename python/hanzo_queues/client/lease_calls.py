"""Leases: received, then acked, nacked, released or extended by whoever holds them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import uuid4

from hanzo_queues.client.calls import Calls
from hanzo_queues.client.models import AckResult, Message, NackResult, Received, ReleaseResult, batch_results
from hanzo_queues.client.retry import RetryPolicy
from hanzo_queues.client.several import Several
from hanzo_queues.client.wire import (
    NOT_GIVEN,
    Seconds,
    encode,
    encode_message,
    encode_some,
    join,
    message_target,
    milliseconds_kept,
    queue_target,
    seconds,
)
from hanzo_queues.errors import BatchAborted, ClientClosed, QueuesError


class LeaseCalls(Calls):
    """The part of a client that takes messages out, and tells how that went."""

    async def receive(
        self,
        queue: str,
        *,
        max_messages: int = 1,
        wait_time: Seconds = 0,
        visibility_timeout: Seconds | None = None,
        consumer_group: str | None = None,
        consumer_id: str | None = None,
    ) -> Received:
        """Leases up to `max_messages` messages; the list says why when a limit kept it empty.

        max_messages        1 to the server's MAX_BATCH_SIZE; default 1
        wait_time           seconds to wait for a first message, 0 to 30; default 0
        visibility_timeout  seconds each is yours; default the queue's
        consumer_group      default "default"
        consumer_id         names this consumer, where members matter

        Raises QueueNotFound, GroupNotFound, RequestInvalid. Should the answer be lost, the client asks again and gets
        the same leases.
        """
        return await self._receive(
            queue,
            max_messages=max_messages,
            wait_time=wait_time,
            visibility_timeout=visibility_timeout,
            consumer_group=consumer_group,
            consumer_id=consumer_id,
        )

    async def _receive(
        self,
        queue: str,
        *,
        max_messages: int,
        wait_time: Seconds,
        visibility_timeout: Seconds | None,
        consumer_group: str | None,
        consumer_id: str | None,
        policy: RetryPolicy | None = None,
        attempt_id: str | None = None,
    ) -> Received:
        """`attempt_id`: repeated, the server gives the same leases; default: one for this call and its retries."""
        wait = seconds(wait_time)
        target = queue_target(
            queue,
            "/messages",
            maxMessages=max_messages,
            waitTime=milliseconds_kept(wait) or None,
            visibilityTimeout=None if visibility_timeout is None else milliseconds_kept(visibility_timeout),
            consumerGroup=consumer_group,
            consumerId=consumer_id,
            attemptId=attempt_id or uuid4().hex,
        )
        answer = await self._transport.call("GET", target, safe=True, wait=wait, policy=policy)
        received = Received(map(Message.of, answer["messages"]))
        received.limited_by = answer.get("limitedBy")
        received.retry_after = answer.get("retryAfter")
        self._leases.remember(received)
        return received

    async def ack(
        self, message: Message | str, *, result: Any = NOT_GIVEN, enqueue: Iterable[Mapping[str, Any]] = ()
    ) -> AckResult:
        """The message is done and gone. Takes a received message, or the id of one this client received.

        result   any JSON value, kept for the queue's `result_retention`: `get_message` and an enqueue with the same
                 dedup id return it; default: none
        enqueue  messages to enqueue in the same step, dicts with `queue` and the arguments of `enqueue`: either they
                 are all stored and the message is acked, or nothing changes

        Repeating it is harmless: `already` says so, and nothing is enqueued again. Raises LeaseLost,
        ReceiptUnknown, BatchAborted (a message to enqueue was refused: `results` say why, and the message is still
        yours), PayloadTooLarge.
        """
        queue, message_id, receipt = self._leases.find(message)
        follow_ups = [encode_message(self._traced(one), follow_up=True) for one in enqueue]
        if result is NOT_GIVEN and not follow_ups:
            body = encode({"id": message_id, "receipt": receipt})
            acked: AckResult = await self._settled(queue, "acks", body, (message_id, receipt))
            return acked
        acked = await self._ack_alone(message_id, receipt, result, follow_ups)
        self._leases.forget(message_id, receipt)
        return acked

    async def ack_all(self, messages: Iterable[Message | str]) -> list[QueuesError | None]:
        """Acks several messages, in requests they share. Takes what `ack` takes; returns the error of each, in order:
        None when it is done. What an `ack` raises is in that list; the others are acked all the same."""
        given, size = list(messages), self.batch_entries_max
        if self._closed:
            return [ClientClosed() for _ in given]
        acks = Several(len(given), self._enter().create_future(), self._leases)
        found: dict[str, tuple[list[int], list[tuple[str, str]]]] = {}
        for index, message in enumerate(given):
            try:
                queue, message_id, receipt = self._leases.find(message)
            except QueuesError as error:
                acks.errors[index] = error
            else:
                indexes, pairs = found.setdefault(queue, ([], []))
                indexes.append(index)
                pairs.append((message_id, receipt))
        parts = {
            queue: [
                acks.part(indexes[first : first + size], pairs[first : first + size])
                for first in range(0, len(indexes), size)
            ]
            for queue, (indexes, pairs) in found.items()
        }
        for queue, together in parts.items():
            self._settled_by(queue, together)
        if parts:
            await acks.ended
        return acks.errors

    async def _ack_alone(self, message_id: str, receipt: str, result: Any, follow_ups: list[bytes]) -> AckResult:
        fields = [encode({"receipt": receipt})[1:-1]]
        if result is not NOT_GIVEN:
            fields.append(b'"result":' + encode(result))
        if follow_ups:
            fields.append(b'"enqueue":' + join(follow_ups))
        body = b"{" + b",".join(fields) + b"}"
        target = message_target(message_id, "/ack")
        try:
            return AckResult.of(await self._transport.call("POST", target, body, safe=True, messages=1))
        except BatchAborted as error:
            error.results = batch_results(error.body)
            raise

    async def nack(
        self,
        message: Message | str,
        *,
        delay: Seconds | None = None,
        priority: int | None = None,
        error: str | None = None,
        reject: bool = False,
    ) -> NackResult:
        """This delivery failed: the message is delivered again, or is a dead letter after its last retry.

        delay     seconds before the next delivery; default the queue's backoff
        priority  0 to 255; default the same
        error     why, kept with a dead letter; up to 8192 bytes
        reject    it can never succeed: a dead letter at once

        Repeating it is harmless. Raises LeaseLost, ReceiptUnknown.
        """
        queue, message_id, receipt = self._leases.find(message)
        body = encode_some(
            id=message_id,
            receipt=receipt,
            delay=delay,
            priority=priority,
            error=error,
            reject=reject or None,
        )
        result: NackResult = await self._settled(queue, "nacks", body, (message_id, receipt))
        return result

    async def release(self, message: Message | str, *, delay: Seconds | None = None) -> ReleaseResult:
        """Gives the message back: it is delivered again after `delay` seconds (default 0), to anybody, and no failed
        attempt is counted. For what is not the message's fault: a limit elsewhere, a program that stops.
        Repeating it is harmless. Raises LeaseLost, ReceiptUnknown."""
        queue, message_id, receipt = self._leases.find(message)
        body = encode_some(id=message_id, receipt=receipt, delay=delay)
        result: ReleaseResult = await self._settled(queue, "releases", body, (message_id, receipt))
        return result

    async def extend(self, message: Message | str, visibility_timeout: Seconds | None = None) -> datetime:
        """The lease lasts `visibility_timeout` seconds (default the queue's) from now; returns its new end.
        Raises LeaseLost, ReceiptUnknown."""
        queue, message_id, receipt = self._leases.find(message)
        body = encode_some(id=message_id, receipt=receipt, visibilityTimeout=visibility_timeout)
        until: datetime = await self._settled(queue, "extends", body)
        return until
