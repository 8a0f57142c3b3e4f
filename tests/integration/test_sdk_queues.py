"""The SDK's calls against a real server: every method, every field, every error a caller can meet."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from examples.local_server import LocalServer
from hanzo_queues import AsyncQueues, Queues, errors
from hanzo_queues.client.config import Backoff, RateLimit, Scheduling

NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with LocalServer(environment={"MAX_BATCH_SIZE": "50"}) as running:
        yield running


@pytest.fixture
async def name(queues: AsyncQueues) -> str:
    return (await queues.create(f"q{next(NUMBERS)}", {"backoff": {"initial": 0}})).name


# Queues


async def test_a_queue_from_beginning_to_end(queues: AsyncQueues) -> None:
    config = {
        "max_retries": 5,
        "visibility_timeout": 12.5,
        "dead_letter_queue": "life-dead",
        "rate_limit": {"requests": 100, "per": "second", "burst": 7},
        "scheduling": {"mode": "strict"},
        "backoff": {"initial": 2, "multiplier": 3, "max": 60, "jitter": 0.5},
        "dedup_window": 60,
        "delay": 0.25,
        "ttl": 3600,
    }
    made = await queues.create("life", config)
    assert made.config.rate_limit == RateLimit(100, "second", 7)
    assert made.config.scheduling.mode == "strict"
    assert made.config.backoff == Backoff(2, 3, 60, 0.5)
    assert (made.config.visibility_timeout, made.config.delay, made.config.ttl) == (12.5, 0.25, 3600)
    assert await queues.create("life", config) == made
    with pytest.raises(errors.QueueConflict):
        await queues.create("life", {"max_retries": 1})
    changed = await queues.update("life", {"max_retries": 1, "rate_limit": None})
    assert (changed.config.max_retries, changed.config.rate_limit, changed.config.ttl) == (1, None, 3600)
    await queues.enqueue("life", 1)
    assert (await queues.get("life")).counts.delayed == 1
    assert "life" in [queue.name for queue in await queues.list()]
    assert await queues.delete("life") == 1
    with pytest.raises(errors.QueueNotFound):
        await queues.get("life")


async def test_a_queue_with_nothing_said_has_the_documented_defaults(queues: AsyncQueues, name: str) -> None:
    plain = await queues.create("plain")
    assert plain.config.scheduling == Scheduling()
    assert plain.config.backoff == Backoff()
    assert plain.config.max_retries == 3
    assert plain.config.visibility_timeout == 30


async def test_what_the_server_refuses(queues: AsyncQueues, server: LocalServer) -> None:
    with pytest.raises(errors.QueueNameInvalid):
        await queues.create("no spaces")
    with pytest.raises(errors.DeadLetterQueueInvalid):
        await queues.create("ouroboros", {"dead_letter_queue": "ouroboros"})
    with pytest.raises(errors.RequestInvalid) as caught:
        await queues.create("q", {"max_retries": -1})
    assert caught.value.errors[0]["pointer"] == "/config/maxRetries"
    assert caught.value.request_id
    with pytest.raises(errors.MessageIdInvalid):
        await queues.get_message("nonsense")
    async with AsyncQueues("wrong", url=server.url) as stranger:
        with pytest.raises(errors.Unauthorized):
            await stranger.list()


# Messages


async def test_every_field_arrives(queues: AsyncQueues, name: str) -> None:
    payload = {"text": "é\u2028", "number": 1.5, "none": None, "list": [True, {}]}
    before = datetime.now(UTC) - timedelta(seconds=1)
    sent = await queues.enqueue(
        name,
        payload,
        priority=7,
        dedup_id="d",
        ordering_key="o",
        fairness_key="f",
        metadata={"tenant": "acme", "n": 1},
        ttl=timedelta(hours=1),
    )
    assert (sent.duplicate, sent.state) == (False, "ready")
    seen = await queues.get_message(sent.id)
    assert seen.state != "done"
    assert (seen.state, seen.payload, seen.queue) == ("ready", payload, name)
    [got] = await queues.receive(name, visibility_timeout=60)
    assert (got.id, got.queue, got.payload, got.priority) == (sent.id, name, payload, 7)
    assert (got.metadata, got.dedup_id, got.ordering_key, got.fairness_key) == (
        {"tenant": "acme", "n": 1},
        "d",
        "o",
        "f",
    )
    assert (got.deliveries, got.attempts) == (1, 0)
    assert before <= got.enqueued_at <= datetime.now(UTC) + timedelta(seconds=1)
    assert got.expires_at is not None
    assert got.expires_at - got.enqueued_at == timedelta(hours=1)
    assert (await queues.peek(name, state="leased"))[0].id == sent.id
    await queues.ack(got)
    with pytest.raises(errors.MessageNotFound):
        await queues.get_message(sent.id)


async def test_many_are_acked_at_once(queues: AsyncQueues, name: str) -> None:
    await queues.enqueue_batch(name, [{"payload": number} for number in range(50)])
    received = await queues.receive(name, max_messages=50)
    await queues.release(received[7])
    failed = await queues.ack_all(received)
    assert [type(error) for error in failed] == [
        errors.LeaseLost if number == 7 else type(None) for number in range(50)
    ]
    assert (await queues.get(name)).counts.ready == 1


async def test_a_duplicate_gets_the_first_ones_id(queues: AsyncQueues, name: str) -> None:
    first = await queues.enqueue(name, 1, dedup_id="d")
    second = await queues.enqueue(name, 1, dedup_id="d")
    assert (second.id, second.duplicate, second.state) == (first.id, True, "ready")
    with pytest.raises(errors.DedupConflict):
        await queues.enqueue(name, 2, dedup_id="d")


async def test_an_id_held_until_done_outlives_the_window_and_is_free_after(queues: AsyncQueues) -> None:
    await queues.create("until", {"dedup_window": 0.05})
    first = await queues.enqueue("until", 1, dedup_id="d", dedup_until="done")
    await asyncio.sleep(0.2)  # longer than the window: time is what this is about
    again = await queues.enqueue("until", 1, dedup_id="d", dedup_until="done")
    assert (again.id, again.duplicate, again.state) == (first.id, True, "ready")
    [held] = await queues.receive("until")
    [entry] = await queues.enqueue_batch("until", [{"payload": 1, "dedup_id": "d", "dedup_until": "done"}])
    assert (entry.id, entry.state) == (first.id, "leased")
    await queues.ack(held)
    assert not (await queues.enqueue("until", 1, dedup_id="d", dedup_until="done")).duplicate


async def test_concurrent_calls_with_a_bad_one_among_them(queues: AsyncQueues, name: str) -> None:
    """More than the server's batch size, one refused by the rules and one by the parser."""
    await queues.enqueue(name, "taken", dedup_id="taken")
    odd: dict[int, Any] = {20: {"dedup_id": "taken"}, 90: {"priority": 999}}
    calls = [queues.enqueue(name, number, **odd.get(number, {})) for number in range(150)]
    unsent = set(odd)
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(results[20], errors.DedupConflict)
    assert isinstance(results[90], errors.RequestInvalid)
    assert {number for number, result in enumerate(results) if isinstance(result, BaseException)} == unsent
    received: list[Any] = []
    while found := await queues.receive(name, max_messages=50):
        received += [message.payload for message in found]
        await asyncio.gather(*(queues.ack(message.id) for message in found))
    assert received == ["taken", *(number for number in range(150) if number not in unsent)]
    assert (await queues.get(name)).counts.leased == 0


async def test_a_batch_has_a_result_for_each(queues: AsyncQueues, name: str) -> None:
    await queues.enqueue(name, "taken", dedup_id="taken")
    good, duplicate, bad = await queues.enqueue_batch(
        name,
        [{"payload": 1}, {"payload": "taken", "dedup_id": "taken"}, {"payload": "other", "dedup_id": "taken"}],
    )
    assert good.id is not None
    assert duplicate.duplicate
    assert isinstance(bad.error, errors.DedupConflict)
    with pytest.raises(errors.BatchAborted) as caught:
        await queues.enqueue_batch(name, [{"payload": 1}, {"payload": 2, "dedup_id": "taken"}], atomic=True)
    assert [type(result.error).__name__ for result in caught.value.results] == ["BatchAborted", "DedupConflict"]
    assert (await queues.get(name)).counts.ready == 2
    with pytest.raises(errors.BatchTooLarge):
        await queues.enqueue_batch(name, [{"payload": 1}] * 51, atomic=True)
    assert (await queues.get(name)).counts.ready == 2
    stored = await queues.enqueue_batch(name, [{"payload": 1}] * 51)
    assert len({result.id for result in stored}) == 51, "in requests of fewer"
    assert (await queues.get(name)).counts.ready == 53


async def test_too_large_a_payload(queues: AsyncQueues, name: str) -> None:
    with pytest.raises(errors.PayloadTooLarge):
        await queues.enqueue(name, "x" * 1_100_000)


async def test_a_long_poll_is_answered_by_an_enqueue(queues: AsyncQueues, name: str) -> None:
    waiting = asyncio.create_task(queues.receive(name, wait_time=20))
    while not (await queues.enqueue(name, "now")).id or not waiting.done():
        await asyncio.wait([waiting], timeout=1)
    assert (await waiting)[0].payload == "now"


async def test_a_limited_receive_says_so(queues: AsyncQueues) -> None:
    await queues.create("limited", {"rate_limit": {"requests": 1, "per": "hour"}})
    await asyncio.gather(*(queues.enqueue("limited", number) for number in range(3)))
    assert len(await queues.receive("limited", max_messages=10)) == 1
    empty = await queues.receive("limited", max_messages=10)
    assert (empty, empty.limited_by) == ([], "queue")
    assert empty.retry_after is not None
    assert 3000 < empty.retry_after <= 3600


# Leases


async def test_nack_retries_then_is_a_dead_letter(queues: AsyncQueues) -> None:
    config = {"max_retries": 1, "dead_letter_queue": "fails-dead", "backoff": {"initial": 0}}
    await queues.create("fails", config)
    sent = await queues.enqueue("fails", {"n": 1}, metadata={"m": 1})
    [first] = await queues.receive("fails")
    assert (await queues.nack(first.id, error="one")).state == "ready"
    [second] = await queues.receive("fails", wait_time=5)
    assert (second.deliveries, second.attempts) == (2, 1)
    ended = await queues.nack(second, error="two")
    assert ended.state == "deadLettered"
    [dead] = await queues.receive("fails-dead", wait_time=5)
    assert (dead.id, dead.payload, dead.metadata) == (ended.dead_letter_id, {"n": 1}, {"m": 1})
    assert dead.dead_letter is not None
    assert (dead.dead_letter.source_id, dead.dead_letter.error) == (sent.id, "two")
    assert (dead.dead_letter.deliveries, dead.dead_letter.attempts) == (2, 2)


async def test_a_lease_that_ended_is_lost(queues: AsyncQueues, name: str) -> None:
    await queues.enqueue(name, 1)
    [first] = await queues.receive(name, visibility_timeout=0.05)
    [second] = await queues.receive(name, wait_time=10)
    with pytest.raises(errors.LeaseLost):
        await queues.ack(first)
    with pytest.raises(errors.LeaseLost):
        await queues.extend(first)
    assert await queues.extend(second, 100) > second.leased_until
    assert (await queues.ack(second)).already is False
    assert (await queues.ack(second)).already is True


async def test_nack_with_delay_and_priority(queues: AsyncQueues, name: str) -> None:
    await queues.enqueue(name, 1)
    [got] = await queues.receive(name)
    result = await queues.nack(got, delay=timedelta(hours=1), priority=9)
    assert result.state == "delayed"
    assert result.due_at is not None
    assert result.due_at > datetime.now(UTC) + timedelta(minutes=59)
    [seen] = await queues.peek(name, state="delayed")
    assert (seen.priority, seen.at) == (9, result.due_at)


def test_the_facade_blocks_and_finds_the_generated_key(monkeypatch: pytest.MonkeyPatch) -> None:
    server = LocalServer(environment={"HANZO_API_KEYS": ""})
    with server:
        monkeypatch.delenv("HANZO_API_KEY", raising=False)
        monkeypatch.setenv("HANZO_DATA_DIR", str(server.directory / "data"))
        with Queues(url=server.url) as queues:
            queues.create("blocking")
            queues.enqueue("blocking", 1)
            [message] = queues.receive("blocking")
            queues.ack(message.id)
            assert queues.get("blocking").counts.leased == 0
