"""Messages: enqueued, looked at, changed, cancelled, by whoever holds no lease of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from hanzo_queues.client.calls import Calls
from hanzo_queues.client.explanation import Explanation
from hanzo_queues.client.models import (
    DoneMessage,
    EnqueueResult,
    EntryResult,
    MessageView,
    Peeked,
    batch_results,
)
from hanzo_queues.client.spec import DeathReason, DedupUntil, State
from hanzo_queues.client.wire import (
    Seconds,
    encode,
    encode_message,
    encode_some,
    message_target,
    queue_target,
    with_query,
)
from hanzo_queues.errors import BatchAborted, BatchTooLarge, MessageNotFound, QueuesError

FIELDS = (
    "priority", "delay", "dedup_id", "dedup_until", "ordering_key", "fairness_key", "metadata", "ttl", "max_retries",
    "backoff", "traceparent",
)  # fmt: skip


class MessageCalls(Calls):
    """The part of a client that puts messages in, and looks after those that wait."""

    async def enqueue(
        self,
        queue: str,
        payload: Any,
        *,
        priority: int | None = None,
        delay: Seconds | None = None,
        dedup_id: str | None = None,
        dedup_until: DedupUntil | None = None,
        ordering_key: str | None = None,
        fairness_key: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        ttl: Seconds | None = None,
        max_retries: int | None = None,
        backoff: Mapping[str, Any] | None = None,
        traceparent: str | None = None,
    ) -> EnqueueResult:
        """Stores one message; when this returns, it is durable. Concurrent calls share requests.

        payload       any JSON value; not bytes. A float that is no number becomes null
        priority      0 to 255, higher is sooner; default 1
        delay         seconds before it may be delivered; default the queue's
        dedup_id      one message per id and dedup window; also makes the call safe to repeat. A duplicate gets the
                      first one's id, its state, and its result, if one is kept
        dedup_until   how long the id is held: "window", from acceptance for the queue's `dedup_window`, or "done",
                      until that message is done, however long that takes; default "window"
        ordering_key  messages of one key are delivered in order, one at a time
        fairness_key  keys of one priority take turns
        metadata      a JSON object kept beside the payload
        ttl           seconds after which it is a dead letter; default the queue's
        max_retries   deliveries that may follow a failed first one; default the queue's
        backoff       the delay after a failed attempt: initial, multiplier, max and jitter, as in a queue's config;
                      what is left out is as in a new queue. Default: the queue's
        traceparent   the W3C trace context this is part of; the handler finds it in the message. Default: what the
                      client's `traceparent` says

        Raises QueueNotFound, QueuePaused, QueueFull, DedupMemoryFull, DedupConflict (the id was used with another
        payload), PayloadTooLarge, RequestInvalid, OutcomeUnknown (no dedup_id, and the answer was lost).
        """
        if (  # as most are; to compare tuples would take twice as long
            priority is None and delay is None and dedup_id is None and dedup_until is None and ordering_key is None
            and fairness_key is None and metadata is None and ttl is None and max_retries is None and backoff is None
            and traceparent is None and self._traceparent is None
        ):  # fmt: skip
            body = encode({"payload": payload})
        else:
            fields = (
                priority, delay, dedup_id, dedup_until, ordering_key, fairness_key, metadata, ttl, max_retries, backoff,
                traceparent,
            )  # fmt: skip
            body = encode_message(self._traced({"payload": payload, **dict(zip(FIELDS, fields, strict=True))}))
        return await self._enqueued(queue, body, dedup_id is not None)

    async def enqueue_batch(
        self, queue: str, messages: Iterable[Mapping[str, Any]], *, atomic: bool = False
    ) -> list[EntryResult]:
        """Stores several messages, each with its own result, in order: one request for each `batch_entries_max` of the
        client (default 100), one after the other; of fewer, once the server has refused so many.

        messages  dicts with the arguments of `enqueue`; when atomic, up to the server's MAX_BATCH_SIZE (default 100)
        atomic    all or nothing, in one request: raises BatchAborted (its `results` say why) when one is refused

        Raises what `enqueue` raises, for a request as a whole; an entry that is refused has an `error` instead. The
        `results` of what is raised are those of the requests before: nothing behind them was stored but what the
        error tells of, and nothing was sent after it. So has the CancelledError of one that is cancelled.
        """
        given = [self._traced(one) for one in messages]
        entries = [encode_message(one) for one in given]  # what can't be encoded is seen before anything is sent
        safe = [one.get("dedup_id") is not None for one in given]
        if atomic:
            return list(await self._enqueued_at_once(queue, entries, safe, b'],"atomic":true}'))
        results: list[EntryResult] = []
        first = 0
        try:
            while True:
                part = slice(first, first + self.batch_entries_max)
                count = len(entries[part])
                try:
                    results += await self._enqueued_at_once(queue, entries[part], safe[part])
                except BatchTooLarge:
                    if count <= 1:
                        raise
                    self._batch_limit.refused(count)
                    continue
                first += count
                if first >= len(entries):
                    return results
        except (QueuesError, asyncio.CancelledError) as error:
            vars(error)["results"] = tuple(results)
            raise

    async def _enqueued_at_once(
        self, queue: str, entries: list[bytes], safe: list[bool], after: bytes = b"]}"
    ) -> tuple[EntryResult, ...]:
        target = queue_target(queue, "/messages/batch")
        body = b'{"messages":[' + b",".join(entries) + after
        try:
            answer = await self._transport.call("POST", target, body, safe=all(safe), messages=len(entries))
        except BatchAborted as error:
            error.results = batch_results(error.body)
            raise
        return batch_results(answer)

    async def get_message(self, message_id: str) -> MessageView | DoneMessage:
        """A message by id, leased to nobody by looking; a `DoneMessage` (its `state` is "done") when it was acked with
        a result that is kept. Raises MessageNotFound: also for one that is done and left no result."""
        answer = await self._transport.call("GET", message_target(message_id), safe=True)
        return DoneMessage.of(answer) if answer["state"] == "done" else MessageView.of(answer)

    async def peek(
        self,
        queue: str,
        *,
        state: State | None = None,
        ordering_key: str | None = None,
        fairness_key: str | None = None,
        reason: DeathReason | None = None,
        limit: int | None = None,
        after: str | None = None,
    ) -> Peeked:
        """Looks at a queue's messages in one state; leases nothing.

        state         default "ready"
        ordering_key  only those of this key; not with state "dead"
        fairness_key  only those of this key
        reason        only those that died of this, here or where a dead letter came from
        limit         at most so many, 1 to 1000; default 10
        after         begin after this id: the `next` of the page before

        The list's `next` is None when it was the last page. Where filters let few through, a page can be short or
        empty and not the last. Raises QueueNotFound, RequestInvalid.
        """
        target = queue_target(
            queue,
            "/peek",
            state=state,
            orderingKey=ordering_key,
            fairnessKey=fairness_key,
            reason=reason,
            limit=limit,
            after=after,
        )
        answer = await self._transport.call("GET", target, safe=True)
        peeked = Peeked(map(MessageView.of, answer["messages"]))
        peeked.next = answer.get("next")
        return peeked

    async def explain(
        self, message_id: str, *, consumer_group: str | None = None, consumer_id: str | None = None
    ) -> Explanation:
        """Says why a message is not being delivered now: all that stands in its way. One that is done says so ("done")
        while its result is kept, or another group holds it still.

        consumer_group  the group it is asked for; default the first that holds the message, "default" before others
        consumer_id     the consumer it is asked for; default whoever asks, or the member its ordering key sticks to

        Raises MessageNotFound, GroupNotFound.
        """
        query = {"consumerGroup": consumer_group, "consumerId": consumer_id}
        target = with_query(message_target(message_id, "/explain"), query)
        return Explanation.of(await self._transport.call("GET", target, safe=True))

    async def update_message(
        self, message_id: str, *, delay: Seconds | None = None, priority: int | None = None
    ) -> MessageView:
        """Changes a message that nobody holds, and returns it as it is now.

        delay     seconds from now until it may be delivered, 0: now; default: as it was
        priority  0 to 255; default: as it was

        Messages of one ordering key stay in order. Raises MessageNotFound, MessageLeased (a consumer holds it: wait
        for the lease to end), MessageDead (redrive it instead), RequestInvalid (nothing to change). Safe to repeat,
        though a delay counts from the last time.
        """
        body = encode_some(delay=delay, priority=priority)
        return MessageView.of(await self._transport.call("PATCH", message_target(message_id), body, safe=True))

    async def run_now(self, message_id: str) -> MessageView:
        """A delayed message may be delivered at once; see `update_message`."""
        return await self.update_message(message_id, delay=0)

    async def cancel_message(self, message_id: str) -> None:
        """Deletes a message that nobody holds, whatever its state; its dedup id stays taken as long as its window.
        Raises MessageNotFound, MessageLeased. Safe to repeat: the client does, when an answer was lost."""
        try:
            await self._transport.call("DELETE", message_target(message_id), safe=True)
        except MessageNotFound as error:
            if error.outcome == "none":  # else an earlier try, whose answer was lost, has done it
                raise
