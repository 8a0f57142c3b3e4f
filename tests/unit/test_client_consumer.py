"""Consumers: what a handler's end means to the message, and leases kept alive."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from hanzo_queues import Handled, Message, Reject, Retry, errors
from hanzo_queues.client.delivery import error_text, truncated
from tests.unit.client_stand_in import Asked, Broker, StandIn, answer, message, problem, running


async def test_the_message_is_acked_on_return() -> None:
    broker = Broker()
    client = broker.client()
    seen: list[Any] = []

    @client.consumer("q")
    async def work(received: Message) -> None:
        seen.append(received.payload)

    broker.messages.put_nowait(message(1))
    async with running(client):
        await broker.until(lambda: len(broker.acks) == 1)
    assert seen == [1]
    assert broker.acks == [{"id": "m1", "receipt": "r1"}]
    assert broker.nacks == []


async def test_an_exception_is_a_nack_with_its_text_and_is_told() -> None:
    broker = Broker()
    client = broker.client()
    told: list[tuple[str, str]] = []
    handled: list[Handled] = []

    def on_error(error: BaseException, received: Message | None) -> None:
        told.append((str(error), received.id if received else ""))
        raise RuntimeError("a hook that fails stops nothing")

    @client.consumer("q", on_error=on_error, on_handled=handled.append)
    async def work(received: Message) -> None:
        if received.payload == 1:
            raise ValueError("no such user")

    for number in (1, 2):
        broker.messages.put_nowait(message(number))
    async with running(client):
        await broker.until(lambda: len(broker.nacks) == 1 and len(broker.acks) == 1)
    assert broker.nacks[0]["error"].startswith("ValueError: no such user\n\nTraceback")
    assert told == [("no such user", "m1")]
    assert sorted(event.outcome for event in handled) == ["acked", "retried"]


async def test_without_a_hook_what_a_handler_means_is_a_line_of_the_log_and_what_it_did_not_mean_has_a_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    broker = Broker()
    client = broker.client()

    @client.consumer("q")
    async def work(received: Message) -> None:
        if received.payload == 1:
            raise Reject("no address")
        try:
            int("many")
        except ValueError as error:
            if received.payload == 2:
                raise Retry(2, "busy") from error
            raise

    for number in (1, 2, 3):
        broker.messages.put_nowait(message(number))
    async with running(client):
        await broker.until(lambda: len(broker.nacks) == 3)
    told = {record.getMessage(): (record.levelname, bool(record.exc_info)) for record in caplog.records}
    invalid = "(from ValueError: invalid literal for int() with base 10: 'many')"
    assert told == {
        "message m1 of q failed: Reject: no address": ("ERROR", False),
        f"message m2 of q failed: Retry: busy {invalid}": ("WARNING", False),
        "message m3 of q failed": ("ERROR", True),
    }


class OutOfBand(BaseException):
    """As test tools raise it, outside of Exception."""


@pytest.mark.parametrize("kind", [OutOfBand, StopIteration, GeneratorExit, asyncio.CancelledError])
@pytest.mark.parametrize("plain", [True, False])
async def test_whatever_is_raised_is_a_nack(kind: type[BaseException], plain: bool) -> None:
    broker = Broker()
    client = broker.client()

    def work(received: Message) -> None:
        raise kind

    async def work_async(received: Message) -> None:
        raise kind

    client.consumer("q", on_error=lambda *_: None)(work if plain else work_async)
    broker.messages.put_nowait(message(1))
    async with running(client):
        await broker.until(lambda: len(broker.nacks) == 1)
    assert broker.acks == []


async def test_a_plain_wrapper_of_an_async_function_is_awaited_before_the_ack() -> None:
    broker = Broker()
    client = broker.client()
    seen: list[Any] = []

    async def work(received: Message) -> None:
        await asyncio.sleep(0)
        seen.append((received.payload, list(broker.acks)))

    client.consumer("q")(lambda received: work(received))
    broker.messages.put_nowait(message(1))
    async with running(client):
        await broker.until(lambda: len(broker.acks) == 1)
    assert seen == [(1, [])]


async def test_a_plain_function_runs_in_a_thread() -> None:
    broker = Broker()
    client = broker.client()
    both = threading.Barrier(2)

    @client.consumer("q", concurrency=2)
    def work(received: Message) -> None:
        both.wait(10)  # two at once, and the event loop free
        assert threading.current_thread() is not threading.main_thread()

    for number in (1, 2):
        broker.messages.put_nowait(message(number))
    async with running(client):
        await broker.until(lambda: len(broker.acks) == 2)
    assert broker.nacks == []


async def test_no_more_is_received_than_can_start() -> None:
    broker = Broker()
    client = broker.client()
    ends: asyncio.Queue[None] = asyncio.Queue()
    full = asyncio.Event()
    now = 0

    @client.consumer("q", concurrency=3)
    async def work(received: Message) -> None:
        nonlocal now
        now += 1
        if now == 3:
            full.set()
        await ends.get()
        now -= 1

    def asked() -> list[int]:
        return [int(asked.query["maxMessages"]) for asked in broker.asked if asked.path.endswith("/messages")]

    for number in range(6):
        broker.messages.put_nowait(message(number))
    async with running(client):
        await full.wait()
        ends.put_nowait(None)  # room for one more
        await broker.until(lambda: len(broker.acks) == 1)
        await broker.until_asked(lambda: len(asked()) == 2)
        assert asked() == [3, 1]
        for _ in range(5):
            ends.put_nowait(None)
        await broker.until(lambda: len(broker.acks) == 6)
    assert now == 0


async def test_a_handler_that_settles_itself_is_not_settled_again() -> None:
    broker = Broker()
    client = broker.client()
    handled: asyncio.Queue[Handled] = asyncio.Queue()

    @client.consumer("q", on_handled=handled.put_nowait)
    async def work(received: Message) -> None:
        await client.nack(received.id, delay=60)

    broker.messages.put_nowait(message(1))
    async with running(client):
        assert (await handled.get()).outcome == "settled"
    assert (len(broker.acks), len(broker.nacks)) == (0, 1)


async def test_the_lease_is_extended_while_the_handler_runs() -> None:
    broker = Broker(visibility_timeout=0.03)
    client = broker.client()
    release = asyncio.Event()

    @client.consumer("q")
    async def work(received: Message) -> None:
        await release.wait()

    broker.messages.put_nowait(message(1))
    async with running(client):
        await broker.until(lambda: len(broker.extends) >= 3)
        release.set()
        await broker.until(lambda: len(broker.acks) == 1)
        extended = len(broker.extends)
        release.clear()
        broker.messages.put_nowait(message(2))
        await broker.until(lambda: len(broker.extends) >= extended + 3)
        release.set()
        await broker.until(lambda: len(broker.acks) == 2)
    assert {extend["id"] for extend in broker.extends[:extended]} == {"m1"}
    assert {extend["id"] for extend in broker.extends[extended:]} == {"m2"}
    assert broker.extends[0]["visibilityTimeout"] == 0.03
    polls = [asked for asked in broker.asked if asked.path.endswith("/messages")]
    assert polls[0].query["visibilityTimeout"] == "0.03"


async def test_a_lost_lease_cancels_the_handler_and_settles_nothing() -> None:
    broker = Broker(visibility_timeout=0.03)
    broker.extend_error = {"code": "lease_lost", "detail": "it ended"}
    client = broker.client()
    handled: asyncio.Queue[Handled] = asyncio.Queue()
    cancelled = asyncio.Event()

    @client.consumer("q", on_handled=handled.put_nowait, on_error=lambda *_: None)
    async def work(received: Message) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    broker.messages.put_nowait(message(1))
    async with running(client), asyncio.timeout(10):
        await cancelled.wait()
        assert (await handled.get()).outcome == "lease_lost"
    assert (broker.acks, broker.nacks) == ([], [])


async def test_a_lost_lease_can_leave_the_handler_alone() -> None:
    broker = Broker(visibility_timeout=0.03)
    broker.extend_error = {"code": "lease_lost", "detail": "it ended"}
    client = broker.client()
    handled: asyncio.Queue[Handled] = asyncio.Queue()
    release = asyncio.Event()

    @client.consumer("q", cancel_on_lease_lost=False, on_handled=handled.put_nowait, on_error=lambda *_: None)
    async def work(received: Message) -> None:
        await release.wait()

    broker.messages.put_nowait(message(1))
    async with running(client), asyncio.timeout(10):
        await broker.until(lambda: len(broker.extends) == 1)
        release.set()
        event = await handled.get()
    assert (event.outcome, event.error) == ("lease_lost", None)
    assert (broker.acks, broker.nacks) == ([], [])


async def test_it_goes_on_when_the_server_was_away() -> None:
    broker = Broker()
    client = broker.client()
    told: list[BaseException] = []

    @client.consumer("q", on_error=lambda error, received: told.append(error))
    async def work(received: Message) -> None:
        pass

    for item in (errors.ServerUnreachable("refused"), problem(503, "shutting_down"), message(1)):
        broker.messages.put_nowait(item)
    async with running(client):
        await broker.until(lambda: len(broker.acks) == 1)
    assert [type(error).__name__ for error in told] == ["ServerUnreachable", "ShuttingDown"]


async def test_a_queue_that_is_not_there_ends_run() -> None:
    client = StandIn(lambda asked: problem(404, "queue_not_found")).client()
    client.consumer("q")(lambda received: None)
    with pytest.raises(errors.QueueNotFound):
        await client.run()


async def test_what_the_server_never_accepts_ends_run() -> None:
    broker = Broker()
    broker.messages.put_nowait(problem(400, "request_invalid"))
    client = broker.client()
    client.consumer("q", concurrency=1, visibility_timeout=99_999)(lambda received: None)
    with pytest.raises(errors.RequestInvalid):
        await client.run()


async def test_a_server_with_smaller_batches_is_asked_for_fewer() -> None:
    broker = Broker()

    async def answers(asked: Asked) -> Any:
        if int(asked.query.get("maxMessages", 1)) > 10:
            return problem(400, "request_invalid")
        return await broker._answer(asked)

    client = StandIn(answers).client()
    client.consumer("q", concurrency=50)(lambda received: None)
    broker.messages.put_nowait(message(1))
    async with running(client):
        await broker.until(lambda: len(broker.acks) == 1)


async def test_a_limit_of_a_day_is_asked_about_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be lifted, and an empty answer may come from a server that stops."""
    broker = Broker()
    client = broker.client()
    client.consumer("q", wait_time=0.02)(lambda received: None)
    broker.messages.put_nowait(answer({"messages": [], "limitedBy": "queue", "retryAfter": 86_400}))
    broker.messages.put_nowait(message(1))
    async with running(client):
        await broker.until(lambda: len(broker.acks) == 1)


async def test_run_without_consumers_is_an_error() -> None:
    with pytest.raises(ValueError, match="declare a consumer"):
        await StandIn(lambda asked: {}).client().run()


@pytest.mark.parametrize("wrong", [{"concurrency": 0}, {"wait_time": 0}, {"wait_time": 31}])
def test_options_are_checked_where_they_are_written(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        StandIn(lambda asked: {}).client().consumer("q", **wrong)


def test_what_is_no_handler_is_refused_where_it_is_declared() -> None:
    client = StandIn(lambda asked: {}).client()

    def generator(received: Message) -> Any:
        yield received

    async def hook(*_: object) -> None: ...

    with pytest.raises(TypeError, match="generator"):
        client.consumer("q")(generator)
    with pytest.raises(TypeError, match="name the queue"):
        client.consumer(lambda received: None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="not awaited"):
        client.consumer("q", on_handled=hook)


def test_error_texts_fit_the_limit() -> None:
    text = error_text(ValueError("é" * 8000))
    assert len(text.encode()) <= 8192
    assert text.startswith("ValueError: éé")
    assert text.endswith("[truncated]")
    assert truncated("short") == "short"
    assert truncated("\ud800") == "?"


async def test_an_ordering_key_stays_serial_here_when_a_handler_that_lost_its_lease_runs_on() -> None:
    """A plain function can't be interrupted: the server has let go of its key, and the next delivery arrives."""
    broker = Broker(visibility_timeout=0.03)
    broker.extend_error = {"code": "lease_lost", "detail": "it ended"}
    client = broker.client()
    log: list[str] = []
    returns = threading.Event()
    outcomes: list[str] = []

    def note(handled: Handled) -> None:
        outcomes.append(handled.outcome)

    @client.consumer("q", on_handled=note, on_error=lambda *_: None)
    def work(received: Message) -> None:
        log.append(f"begin {received.deliveries}")
        if received.deliveries == 1:
            returns.wait(10)
        log.append(f"end {received.deliveries}")

    broker.messages.put_nowait(message(1, orderingKey="k"))
    async with running(client):
        await broker.until(lambda: bool(broker.extends))
        broker.extend_error = None
        again = message(1, orderingKey="k", deliveries=2, receipt="again")
        broker.messages.put_nowait(again)
        broker.messages.put_nowait(message(2, orderingKey="other", deliveries=3))
        await broker.until(lambda: len(broker.acks) == 1)
        assert log == ["begin 1", "begin 3", "end 3"], "another key goes on"
        returns.set()
        await broker.until(lambda: len(broker.acks) == 2)
    assert log[3:] == ["end 1", "begin 2", "end 2"]
    assert sorted(outcomes) == ["acked", "acked", "lease_lost"]
