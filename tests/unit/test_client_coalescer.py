"""Concurrent calls share requests, and nobody notices: each has its own result, error and cancellation."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hanzo_queues import EnqueueResult, errors
from hanzo_queues.client.models import Message
from tests.unit.client_stand_in import Asked, Gate, StandIn, accepted, message, problem, result_of, settled


def payloads(asked: Asked) -> list[Any]:
    body = asked.body
    return [entry["payload"] for entry in body["messages"]] if "messages" in body else [body["payload"]]


async def test_calls_of_one_turn_share_one_request() -> None:
    server = StandIn(accepted)
    client = server.client()
    results = await asyncio.gather(*(client.enqueue("q", number) for number in range(64)))
    assert [result.id for result in results] == [str(number) for number in range(64)]
    assert [len(payloads(asked)) for asked in server.asked] == [64]


async def test_a_call_alone_goes_at_once_and_the_next_ones_wait_for_it() -> None:
    gate = Gate()
    server = StandIn(gate.answer)
    client = server.client()
    first = asyncio.create_task(client.enqueue("q", "first"))
    assert payloads(await gate.arrived.get()) == ["first"]
    others = [asyncio.create_task(client.enqueue("q", number)) for number in range(10)]
    await asyncio.sleep(0)
    assert len(server.asked) == 1
    gate.open.release()
    assert (await first).id == "first"
    assert payloads(await gate.arrived.get()) == list(range(10))
    gate.open.release()
    assert [result.id for result in await asyncio.gather(*others)] == [str(number) for number in range(10)]


async def test_queues_do_not_wait_for_each_other() -> None:
    gate = Gate()
    server = StandIn(gate.answer)
    client = server.client()
    calls = [asyncio.create_task(client.enqueue(name, name)) for name in ("a", "b")]
    assert {(await gate.arrived.get()).path for _ in calls} == {"/v1/queues/a/messages", "/v1/queues/b/messages"}
    gate.open.release()
    gate.open.release()
    await asyncio.gather(*calls)


async def test_a_request_has_at_most_so_many_entries() -> None:
    server = StandIn(accepted)
    client = server.client(batch_entries_max=10)
    await asyncio.gather(*(client.enqueue("q", number) for number in range(25)))
    assert [len(payloads(asked)) for asked in server.asked] == [10, 10, 5]


async def test_a_request_has_at_most_so_many_bytes() -> None:
    server = StandIn(accepted)
    client = server.client()
    await asyncio.gather(*(client.enqueue("q", letter * 400_000) for letter in "abc"))
    assert [len(payloads(asked)) for asked in server.asked] == [2, 1]


async def test_an_entry_that_is_refused_fails_alone() -> None:
    client = StandIn(accepted).client()
    results = await asyncio.gather(*(client.enqueue("q", item) for item in ("a", "bad", "c")), return_exceptions=True)
    assert isinstance(results[1], errors.DedupConflict)
    assert [result.id for result in results if isinstance(result, EnqueueResult)] == ["a", "c"]


@pytest.mark.parametrize("code", ["request_invalid", "payload_too_large", "request_too_large"])
async def test_an_entry_that_spoils_the_request_fails_alone(code: str) -> None:
    def answers(asked: Asked) -> Any:
        return problem(400, code) if "spoils" in payloads(asked) else accepted(asked)

    server = StandIn(answers)
    client = server.client()
    items = [*range(7), "spoils", *range(8, 20)]
    results = await asyncio.gather(*(client.enqueue("q", item) for item in items), return_exceptions=True)
    failed = [item for item, result in zip(items, results, strict=True) if isinstance(result, BaseException)]
    assert failed == ["spoils"]
    assert isinstance(results[7], errors.BY_CODE[code])
    stored = [item for asked in server.asked if "spoils" not in payloads(asked) for item in payloads(asked)]
    assert stored == [item for item in items if item != "spoils"]  # in the order of the calls


async def test_an_entry_that_can_be_accepted_later_is_sent_again_when_it_is_time() -> None:
    """As it is when it does not share a request."""
    limited = {"error": {"code": "rate_limited", "detail": "later", "retryAfter": 0.7}}
    refusals = [{2: limited, 3: limited}, {3: limited}, {}]

    def answers(asked: Asked) -> Any:
        given = refusals.pop(0)
        if "messages" not in asked.body:
            return accepted(asked)
        results = [given.get(payload) or result_of(payload) for payload in payloads(asked)]
        return {"results": results, "failed": len(given)}

    server = StandIn(answers)
    client = server.client()
    results = await asyncio.gather(*(client.enqueue("q", number) for number in range(5)))
    assert [result.id for result in results] == ["0", "1", "2", "3", "4"]
    assert [payloads(asked) for asked in server.asked] == [[0, 1, 2, 3, 4], [2, 3], [3]]
    assert len(server.slept) == 2
    assert min(server.slept) >= 0.7


async def test_an_entry_that_is_never_accepted_is_given_up_like_a_request() -> None:
    full = {"error": {"code": "queue_full", "detail": "full"}}
    server = StandIn(lambda asked: {"results": [full for _ in payloads(asked)], "failed": 2})
    client = server.client(retries_max=3)
    results = await asyncio.gather(*(client.enqueue("q", number) for number in range(2)), return_exceptions=True)
    assert [type(result) for result in results] == [errors.QueueFull] * 2
    assert len(server.asked) == 4


async def test_what_was_stored_is_not_sent_again_with_what_was_not() -> None:
    """Even when the repetition goes wrong, and halves of the batch are tried."""
    limited = {"error": {"code": "rate_limited", "detail": "later"}}
    sent: list[list[Any]] = []

    def answers(asked: Asked) -> Any:
        sent.append(payloads(asked))
        if len(sent) == 1:
            return {"results": [*accepted(asked)["results"][:2], limited, limited], "failed": 2}
        return problem(413, "batch_too_large") if len(sent) == 2 else accepted(asked)

    client = StandIn(answers).client()
    results = await asyncio.gather(*(client.enqueue("q", number) for number in range(4)))
    assert [result.id for result in results] == ["0", "1", "2", "3"]
    assert sent == [[0, 1, 2, 3], [2, 3], [2, 3]]


async def test_what_is_everybodys_error_is_not_asked_again() -> None:
    server = StandIn(lambda asked: problem(404, "queue_not_found"))
    client = server.client()
    results = await asyncio.gather(*(client.enqueue("q", item) for item in range(8)), return_exceptions=True)
    assert all(isinstance(result, errors.QueueNotFound) for result in results)
    assert len({id(result) for result in results}) == 8
    assert len(server.asked) == 1


async def test_a_server_with_smaller_batches_is_learnt() -> None:
    def answers(asked: Asked) -> Any:
        return problem(413, "batch_too_large") if len(payloads(asked)) > 10 else accepted(asked)

    server = StandIn(answers)
    client = server.client()
    await asyncio.gather(*(client.enqueue("q", number) for number in range(40)))
    refused = len(server.asked) - 4
    await asyncio.gather(*(client.enqueue("q", number) for number in range(40)))
    assert refused == 3
    assert [len(payloads(asked)) for asked in server.asked[-4:]] == [10, 10, 10, 10]


async def test_a_caller_cancelled_while_waiting_is_not_sent() -> None:
    gate = Gate()
    server = StandIn(gate.answer)
    client = server.client()
    first = asyncio.create_task(client.enqueue("q", "first"))
    await gate.arrived.get()
    others = [asyncio.create_task(client.enqueue("q", number)) for number in range(3)]
    await asyncio.sleep(0)
    others[1].cancel()
    gate.open.release()
    gate.open.release()
    await first
    results = await asyncio.gather(*others, return_exceptions=True)
    assert payloads(server.asked[1]) == [0, 2]
    assert isinstance(results[1], asyncio.CancelledError)
    assert [result.id for result in results if isinstance(result, EnqueueResult)] == ["0", "2"]


async def test_a_caller_cancelled_in_flight_leaves_the_others_alone() -> None:
    gate = Gate()
    client = StandIn(gate.answer).client()
    calls = [asyncio.create_task(client.enqueue("q", number)) for number in range(3)]
    await gate.arrived.get()
    calls[0].cancel()
    gate.open.release()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [result.id for result in results if isinstance(result, EnqueueResult)] == ["1", "2"]


async def test_a_lost_answer_is_repeated_for_those_with_a_dedup_id_only() -> None:
    lost = [errors.ServerUnreachable("broke", outcome="unknown")]
    server = StandIn(lambda asked: lost.pop() if lost else accepted(asked))
    client = server.client()
    results = await asyncio.gather(
        client.enqueue("q", "a"),
        client.enqueue("q", "b", dedup_id="b"),
        client.enqueue("q", "c", dedup_id="c"),
        return_exceptions=True,
    )
    assert isinstance(results[0], errors.OutcomeUnknown)
    assert results[0].outcome == "unknown"
    assert isinstance(results[0].__cause__, errors.ServerUnreachable)
    assert [result.id for result in results if isinstance(result, EnqueueResult)] == ["b", "c"]
    assert [payloads(asked) for asked in server.asked] == [["a", "b", "c"], ["b", "c"]]


async def test_acks_nacks_and_extends_share_requests() -> None:
    def answers(asked: Asked) -> Any:
        result = settled(asked)
        result["nacks"][0] = {"error": {"code": "lease_lost", "detail": "it ended"}}
        return result

    server = StandIn(answers)
    client = server.client()
    held = [Message.of(message(number)) for number in range(4)]
    results = await asyncio.gather(
        client.nack(held[0], error="why"),
        client.ack(held[1]),
        client.extend(held[2], 60),
        client.ack(held[3]),
        return_exceptions=True,
    )
    assert len(server.asked) == 1
    assert server.asked[0].body == {
        "acks": [{"id": "m1", "receipt": "r1"}, {"id": "m3", "receipt": "r3"}],
        "nacks": [{"id": "m0", "receipt": "r0", "error": "why"}],
        "extends": [{"id": "m2", "receipt": "r2", "visibilityTimeout": 60}],
    }
    assert [type(result).__name__ for result in results] == ["LeaseLost", "AckResult", "datetime", "AckResult"]


async def test_close_ends_the_calls_that_wait() -> None:
    gate = Gate()
    client = StandIn(gate.answer).client()
    flying = asyncio.create_task(client.enqueue("q", "flying"))
    await gate.arrived.get()
    waiting = asyncio.create_task(client.enqueue("q", "waiting"))
    await asyncio.sleep(0)
    await client.close()
    results = await asyncio.gather(flying, waiting, return_exceptions=True)
    assert [type(result).__name__ for result in results] == ["ClientClosed", "ClientClosed"]
    assert [getattr(result, "outcome", "") for result in results] == ["unknown", "none"]
    with pytest.raises(errors.ClientClosed):
        await client.enqueue("q", "late")


async def test_close_ends_a_call_that_has_only_just_begun() -> None:
    client = StandIn(accepted).client()
    call = asyncio.create_task(client.enqueue("q", 1))
    await asyncio.sleep(0)
    await client.close()
    async with asyncio.timeout(10):
        with pytest.raises(errors.ClientClosed):
            await call


async def test_close_ends_the_wait_between_two_tries() -> None:
    client = StandIn(lambda asked: problem(503, "overloaded", retryAfter=9)).client()
    client._transport._sleep = client._pause
    call = asyncio.create_task(client.get("q"))
    await asyncio.sleep(0)
    await client.close()
    async with asyncio.timeout(10):
        with pytest.raises(errors.ClientClosed):
            await call


async def test_an_answer_in_another_shape_is_not_called_a_closed_client() -> None:
    client = StandIn(lambda asked: {"hello": "world"}).client()
    calls = [client.enqueue("q", number) for number in range(2)]
    for result in await asyncio.gather(*calls, return_exceptions=True):
        assert isinstance(result, errors.ApiError)
        assert result.outcome == "unknown"


def test_the_next_event_loop_may_use_the_client_and_one_beside_it_may_not() -> None:
    client = StandIn(accepted).client()
    client._connection.abandon = lambda: None  # type: ignore[method-assign]

    async def interrupted() -> None:
        call = asyncio.create_task(client.enqueue("q", 1))
        await asyncio.sleep(0)
        del call

    asyncio.run(interrupted())

    async def whole() -> str:
        result = await client.enqueue("q", 2)
        with pytest.raises(RuntimeError, match="another event loop"):
            await asyncio.to_thread(asyncio.run, client.get("q"))
        await client.close()
        return result.id

    assert asyncio.run(whole()) == "2"
