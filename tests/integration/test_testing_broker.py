"""The broker that users' tests run on: its time, its consumers, its trouble. That it behaves as a server is held by the
scenarios (test_testing_scenarios.py)."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from hanzo_queues import AsyncQueues, Message, Queues, Retry, errors
from hanzo_queues.testing import Broker

BEGIN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
EXACT = {"backoff": {"initial": 1, "multiplier": 2, "jitter": 0}}


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker(now=BEGIN) as broker:
        yield broker


@pytest.fixture
def queues(broker: Broker) -> Queues:
    return broker.queues()


# Time


def test_the_clock_stands_still_until_it_is_moved(broker: Broker, queues: Queues) -> None:
    queues.create("q")
    assert broker.now == BEGIN
    queues.enqueue("q", 1)
    assert broker.messages("q")[0].enqueued_at == BEGIN
    assert broker.advance(timedelta(days=400)) == BEGIN + timedelta(days=400) == broker.now
    with pytest.raises(ValueError, match="back"):
        broker.advance(-1)
    with pytest.raises(ValueError, match="time zone"):
        Broker(now=datetime(2026, 1, 1))


def test_dead_letters_are_kept_as_long_as_their_queue_says(broker: Broker, queues: Queues) -> None:
    queues.create("dead", {"dead_retention": 14 * 86_400})
    queues.create("q", {"dead_letter_queue": "dead", "max_retries": 0})
    for number in range(2):
        queues.enqueue("q", number)
        [message] = queues.receive("q")
        queues.nack(message)
        broker.advance(86_400)
    assert [letter.payload for letter in broker.dead_letters("q")] == [0, 1]
    broker.advance(12 * 86_400)
    assert [letter.payload for letter in broker.dead_letters("q")] == [1]
    queues.update("dead", {"dead_retention": None})
    broker.advance(400 * 86_400)
    assert [letter.payload for letter in queues.peek("dead")] == [1]


def test_a_clock_may_run(broker: Broker) -> None:
    with Broker(now=BEGIN, running_clock=True) as running:
        before = running.now
        assert before >= BEGIN
        running.advance(60)
        assert timedelta(seconds=60) <= running.now - before < timedelta(seconds=90)


def test_a_delay_is_due_to_the_millisecond(broker: Broker, queues: Queues) -> None:
    queues.create("q")
    queues.enqueue("q", 1, delay=60)
    broker.advance(59.999)
    assert not queues.receive("q")
    broker.advance(0.001)
    assert [message.payload for message in queues.receive("q")] == [1]


@pytest.mark.parametrize("steps", [[31], [30, 1], [0.5] * 62, [29.9, 0.1, 0.9, 0.1]])
def test_the_end_of_a_lease_and_the_retry_after_it_come_in_their_time(
    broker: Broker, queues: Queues, steps: list[float]
) -> None:
    """Moving by 31 s is moving by 30 and by 1: the lease ends, then the backoff begins."""
    queues.create("q", EXACT)
    queues.enqueue("q", 1)
    [held] = queues.receive("q")
    for step in steps[:-1]:
        broker.advance(step)
    assert not queues.receive("q")
    broker.advance(steps[-1])
    [again] = queues.receive("q")
    assert (again.deliveries, again.attempts) == (2, 1)
    with pytest.raises(errors.LeaseLost):
        queues.ack(held)


def test_windows_limits_and_lifetimes_end(broker: Broker, queues: Queues) -> None:
    queues.create("q", {"dedup_window": 300, "rate_limit": {"requests": 1, "per": "minute"}, "ttl": 3600})
    first = queues.enqueue("q", 1, dedup_id="a")
    assert queues.enqueue("q", 1, dedup_id="a").duplicate
    broker.advance(300)
    assert queues.enqueue("q", 1, dedup_id="a").id != first.id
    queues.ack(*queues.receive("q", max_messages=2))
    limited = queues.receive("q")
    assert (limited.limited_by, limited.retry_after) == ("queue", 60)
    broker.advance(60)
    queues.ack(*queues.receive("q"))
    queues.enqueue("q", "old")
    broker.advance(3600)
    [dead] = broker.dead_letters("q")
    assert (dead.payload, dead.dead_letter and dead.dead_letter.reason) == ("old", "expired")


def test_a_sweep_with_a_rate_takes_its_time(broker: Broker, queues: Queues) -> None:
    queues.create("q")
    queues.enqueue_batch("q", [{"payload": number} for number in range(10)])
    sweep = queues.cancel_messages("q", {"state": "ready"}, rate={"requests": 1, "per": "second"})
    broker.advance(5)
    assert queues.get_sweep(sweep).moved == 6, "one at once, and one each second"
    broker.advance(5)
    assert queues.get_sweep(sweep).ended
    assert broker.messages("q") == []


def test_what_comes_due_ends_a_long_poll_and_skipped_time_alone_does_not(broker: Broker, queues: Queues) -> None:
    queues.create("q")
    queues.enqueue("q", 1, delay=3600)
    received: list[Message] = []
    began = time.monotonic()
    polling = threading.Thread(target=lambda: received.extend(queues.receive("q", wait_time=20)))
    polling.start()
    while not broker._server.waiting(("q", "default")):
        time.sleep(0.001)  # there is no event for it
    broker.advance(3599)
    assert not received
    broker.advance(1)
    polling.join(20)
    assert [message.payload for message in received] == [1]
    assert time.monotonic() - began < 20
    began = time.monotonic()
    assert not queues.receive("q", wait_time=0.1)
    assert 0.09 < time.monotonic() - began < 20


# Consumers


def test_consumers_run_until_nothing_is_left_to_do(broker: Broker, queues: Queues) -> None:
    queues.create("orders", {"dead_letter_queue": "dead", "max_retries": 2, **EXACT})
    queues.create("mails")
    log: list[str] = []

    @queues.consumer("orders")
    async def order(message: Message) -> None:
        log.append(f"order {message.payload} {message.deliveries}")
        if message.payload == "bad":
            raise ValueError("no such order")
        queues.enqueue("mails", message.payload)

    @queues.consumer("mails", concurrency=2)
    def mail(message: Message) -> None:
        log.append(f"mail {message.payload}")

    queues.enqueue("orders", "good")
    queues.enqueue("orders", "bad")
    queues.enqueue("orders", "later", delay=3600)
    broker.run_until_idle(queues)
    assert sorted(log) == ["mail good", "order bad 1", "order good 1"]
    assert [message.state for message in broker.messages("orders")] == ["delayed", "delayed"]
    assert broker.now == BEGIN

    broker.advance(1)
    broker.run_until_idle(queues)
    assert log[-1] == "order bad 2"

    broker.run_until_idle(queues, skip_time=True)
    assert log[-3:] == ["order bad 3", "order later 1", "mail later"]
    assert broker.now == BEGIN + timedelta(hours=1)
    [dead] = broker.dead_letters("orders")
    assert dead.dead_letter is not None
    assert (dead.dead_letter.error or "").startswith("ValueError: no such order")
    assert broker.messages("orders") == []


def test_limits_are_skipped_too(broker: Broker, queues: Queues) -> None:
    queues.create("q", {"rate_limit": {"requests": 1, "per": "hour", "burst": 1}})
    for number in range(3):
        queues.enqueue("q", number)
    seen: list[datetime] = []

    @queues.consumer("q")
    def note(message: Message) -> None:
        seen.append(broker.now)

    broker.run_until_idle(queues, skip_time=True)
    assert [round((at - BEGIN).total_seconds()) for at in seen] == [0, 3600, 7200]


def test_a_long_handler_is_waited_for(broker: Broker, queues: Queues) -> None:
    queues.create("q")
    queues.create("next")
    ended = threading.Event()

    @queues.consumer("q")
    def settle_first(message: Message) -> None:
        queues.ack(message, enqueue=[{"queue": "next", "payload": 1}])
        time.sleep(0.05)  # its message is gone, its work is not
        ended.set()

    queues.enqueue("q", 1)
    broker.run_until_idle(queues)
    assert ended.is_set()
    assert len(broker.messages("next")) == 1


def test_what_never_ends_is_told(broker: Broker, queues: Queues) -> None:
    queues.create("q")
    queues.enqueue("q", 1)
    queues.pause("q")

    @queues.consumer("q")
    def nothing(message: Message) -> None: ...

    with pytest.raises(TimeoutError, match=r"q \(default\): {'ready': 1}"):
        broker.run_until_idle(queues, timeout=0.2)
    queues.resume("q")
    broker.run_until_idle(queues)


def test_what_keeps_a_consumer_from_starting_is_raised(broker: Broker, queues: Queues) -> None:
    @queues.consumer("no-such-queue")
    def nothing(message: Message) -> None: ...

    with pytest.raises(errors.QueueNotFound):
        broker.run_until_idle(queues)
    with pytest.raises(ValueError, match="declare a consumer"):
        broker.run_until_idle(broker.queues())


async def test_coroutines_run_consumers_in_their_own_loop(broker: Broker) -> None:
    async with broker.async_queues() as queues:
        await queues.create("q", EXACT)
        loops = []

        @queues.consumer("q")
        async def twice(message: Message) -> None:
            loops.append(asyncio.get_running_loop())
            if message.deliveries == 1:
                raise Retry(7200)

        await queues.enqueue("q", 1)
        await broker.run_until_idle_async(queues, skip_time=True)
        assert loops == [asyncio.get_running_loop()] * 2
        assert broker.now == BEGIN + timedelta(hours=2)


async def test_a_handler_is_cancelled_when_time_ends_its_lease(broker: Broker) -> None:
    """The client notices at its next extension, in real time: a third of the lease."""
    async with broker.async_queues() as queues:
        await queues.create("q", {"visibility_timeout": 0.3})
        await queues.enqueue("q", 1)
        began = asyncio.Event()
        outcomes = []

        @queues.consumer("q", on_handled=lambda handled: outcomes.append(handled.outcome), on_error=lambda *_: None)
        async def forever(message: Message) -> None:
            began.set()
            try:
                await asyncio.sleep(30)
            finally:
                queues.stop()

        running = asyncio.create_task(queues.run(signals=False))
        await began.wait()
        broker.advance(1)
        await asyncio.wait_for(running, 10)
        assert outcomes == ["lease_lost"]


def test_a_programs_own_clients_can_be_served() -> None:
    app = Queues("key", url="http://127.0.0.1:1", retries_max=0)
    seen = []

    @app.consumer("q")
    def note(message: Message) -> None:
        seen.append(message.payload)

    with Broker() as broker, broker.serving(app):
        app.create("q")
        app.enqueue("q", 1)
        broker.run_until_idle(app)
    assert seen == [1]
    with pytest.raises(errors.ServerUnreachable):
        app.get("q")
    app.close()


async def test_an_asynchronous_client_can_be_served_too() -> None:
    app = AsyncQueues("key", url="http://127.0.0.1:1", retries_max=0)
    with Broker() as broker, broker.serving(app):
        await app.create("q")
        assert (await app.enqueue("q", 1)).state == "ready"
    with pytest.raises(errors.ServerUnreachable):
        await app.get("q")
    await app.close()


# What lies there


def test_messages_are_shown_whole_and_in_order(broker: Broker, queues: Queues) -> None:
    queues.create("q", {"dead_letter_queue": None})
    for batch in range(11):  # more than one page
        queues.enqueue_batch("q", [{"payload": batch * 100 + number} for number in range(100)])
    queues.enqueue("q", "late", delay=5, metadata={"a": 1})
    assert [message.payload for message in broker.messages("q")] == [*range(1100), "late"]
    [first] = queues.receive("q")
    assert [message.payload for message in broker.messages("q", "leased")] == [first.payload]
    queues.nack(first, reject=True, error="why")
    [dead] = broker.dead_letters("q")
    assert (dead.payload, dead.dead_letter and dead.dead_letter.error) == (0, "why")
    with pytest.raises(errors.QueueNotFound):
        broker.messages("none")


# Trouble


def test_what_was_acknowledged_outlives_a_restart(broker: Broker, queues: Queues) -> None:
    queues.create("q")
    queues.enqueue("q", 1, dedup_id="a")
    [held] = queues.receive("q")
    broker.restart()
    assert queues.enqueue("q", 1, dedup_id="a").duplicate
    queues.ack(held)
    assert broker.messages("q") == []


def test_nothing_reaches_an_unreachable_server(broker: Broker, queues: Queues) -> None:
    queues.create("q")
    with broker.unreachable(), pytest.raises(errors.ServerUnreachable) as raised:
        queues.enqueue("q", 1)
    assert raised.value.outcome == "none"
    assert broker.messages("q") == []


def test_a_lost_answer_is_asked_for_again_where_that_is_safe(broker: Broker, queues: Queues) -> None:
    queues.create("q")
    broker.lose_answers()
    with pytest.raises(errors.OutcomeUnknown):
        queues.enqueue("q", 1)
    broker.lose_answers(2)
    assert queues.enqueue("q", 2, dedup_id="a").duplicate
    assert [message.payload for message in broker.messages("q")] == [1, 2]
    broker.lose_answers()
    assert len(queues.receive("q", max_messages=2)) == 2, "the same leases"


def test_its_settings_are_those_of_a_server() -> None:
    with Broker(settings={"DEFAULT_MAX_RETRIES": "0", "MAX_BATCH_SIZE": "2"}) as broker:
        queues = broker.queues()
        assert queues.create("q").config.max_retries == 0
        with pytest.raises(errors.BatchTooLarge):
            queues.enqueue_batch("q", [{"payload": 1}] * 3, atomic=True)


def test_a_closed_broker_says_so() -> None:
    broker = Broker()
    client = broker.async_queues()
    broker.close()
    broker.close()
    with pytest.raises(RuntimeError, match="closed"):
        asyncio.run(client.create("q"))
    with pytest.raises(RuntimeError, match="closed"):
        broker.advance(1)


def test_it_opens_no_socket_and_starts_no_process() -> None:
    program = """
import sys
from hanzo_queues.testing import Broker
def watch(event, arguments):
    if event in ("socket.bind", "socket.connect", "subprocess.Popen", "os.fork", "os.posix_spawn"):
        print(event, arguments)
sys.addaudithook(watch)
with Broker() as broker:
    queues = broker.queues()
    queues.create("q")
    queues.enqueue("q", 1)
    queues.ack(queues.receive("q")[0])
print("done")
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (ran.stdout, ran.stderr) == ("done\n", "")
