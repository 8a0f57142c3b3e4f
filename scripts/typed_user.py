"""A program of a user who checks types strictly: `scripts/check_wheel.py` runs mypy --strict on it against an installed
wheel, then runs it. What the wheel's types say of the SDK and of the in-memory broker holds here."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from hanzo import AsyncQueues, Called, Handled, Limited, Message, Queues, Reject, Retry, errors
from hanzo_queues.testing import Broker

outcomes: list[str] = []
operations: list[str] = []


def note(handled: Handled) -> None:
    outcomes.append(handled.outcome)


def ignore(error: BaseException, message: Message | None) -> None: ...


def count(called: Called) -> None:
    operations.append(called.operation)


def blocking(broker: Broker) -> None:
    queues: Queues = broker.queues(on_call=count)
    info = queues.create("mails", {"max_retries": 2, "rate_limit": {"requests": 100, "per": "second"}})
    retries: int = info.config.max_retries
    assert retries == 2

    @queues.consumer("mails", concurrency=(1, 4), on_handled=note, on_error=ignore)
    async def send(message: Message) -> None:
        if message.payload == "busy" and message.deliveries == 1:
            raise Limited(1)
        if message.payload == "again" and message.attempts == 0:
            raise Retry(timedelta(seconds=2))
        if message.payload == "never":
            raise Reject("no address")

    @queues.batch_consumer("rows", batch_size=10)
    def insert(messages: list[Message]) -> list[BaseException | None]:
        return [None for _ in messages]

    queues.create("rows")
    sent = queues.enqueue("mails", "ok", delay=timedelta(seconds=1), dedup_id="ok", metadata={"tenant": "acme"})
    identity: str = sent.id
    for result in queues.enqueue_batch("mails", [{"payload": "busy"}, {"payload": "again"}, {"payload": "never"}]):
        assert result.error is None
    broker.run_until_idle(queues, skip_time=True)
    try:
        queues.get_message(identity)
    except errors.MessageNotFound as error:
        code: str = error.code
        assert code == "message_not_found"
    reasons = [dead.dead_letter.reason for dead in broker.dead_letters("mails") if dead.dead_letter is not None]
    assert reasons == ["rejected"]


async def coroutines(broker: Broker) -> None:
    async with broker.async_queues() as queues:
        typed: AsyncQueues = queues
        await typed.create("thumbnails")
        await asyncio.gather(*(typed.enqueue("thumbnails", number) for number in range(3)))
        received = await typed.receive("thumbnails", max_messages=3, wait_time=1)
        payloads: list[object] = [message.payload for message in received]
        assert sorted(map(str, payloads)) == ["0", "1", "2"]
        until: datetime = await typed.extend(received[0], timedelta(minutes=2))
        assert until > broker.now


with Broker(now=datetime(2026, 1, 2, tzinfo=UTC)) as made:
    blocking(made)
    asyncio.run(coroutines(made))
assert sorted(outcomes) == ["acked", "acked", "acked", "rejected", "released", "retried"], outcomes
assert "settle" in operations
print("checked strictly, and run in memory")
