"""Effects that happen once: results, follow-ups, duplicates, and receives that are repeated."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hanzo_queues import DoneMessage, EnqueueResult, Message, errors
from hanzo_queues.client.models import EntryResult
from tests.unit.client_stand_in import LATER, Asked, Broker, StandIn, message, problem, running

LOST = errors.ServerUnreachable("the answer was lost", outcome="unknown")
HELD = Message.of(message(1))


# Receives


async def test_all_tries_of_one_receive_have_one_attempt_id_and_each_receive_its_own() -> None:
    answers: list[Any] = [LOST, problem(503, "shutting_down"), {"messages": [message(1)]}, {"messages": []}]
    server = StandIn(lambda asked: answers.pop(0))
    client = server.client()
    assert [received.id for received in await client.receive("q")] == ["m1"]
    await client.receive("q")
    ids = [asked.query["attemptId"] for asked in server.asked]
    assert len(set(ids[:3])) == 1
    assert len(set(ids)) == 2


async def test_a_consumer_repeats_the_poll_whose_answer_was_lost() -> None:
    broker = Broker()
    client = broker.client()
    client.consumer("q", on_error=lambda *_: None)(lambda received: None)
    for item in (LOST, message(1), message(2)):
        broker.messages.put_nowait(item)
    async with running(client):
        await broker.until(lambda: len(broker.acks) == 2)
        await broker.until_asked(lambda: len(attempts(broker)) == 4)
    first, second, third, fourth = attempts(broker)
    assert first == second
    assert len({second, third, fourth}) == 3


async def test_a_batch_that_fills_repeats_the_poll_whose_answer_was_lost() -> None:
    broker = Broker()
    client = broker.client()
    client.batch_consumer("q", batch_size=2, batch_wait=30, on_error=lambda *_: None)(lambda messages: None)
    broker.messages.put_nowait(message(1))
    async with running(client):
        await broker.until_asked(lambda: len(attempts(broker)) == 2)
        broker.messages.put_nowait(LOST)
        await broker.until(lambda: len(broker.acks) == 1)
        await broker.until_asked(lambda: len(attempts(broker)) == 3)
    first, second, third = attempts(broker)
    assert first != second
    assert second == third


def attempts(broker: Broker) -> list[str]:
    return [asked.query["attemptId"] for asked in broker.asked if asked.path.endswith("/messages")]


# Acks


async def test_an_ack_carries_a_result_and_what_follows() -> None:
    enqueued = [{"id": "m7", "state": "ready", "duplicate": False}]
    server = StandIn(lambda asked: {"state": "acked", "already": False, "enqueued": enqueued})
    follow_ups = [{"queue": "next", "payload": {"of": 1}, "dedup_id": "d", "delay": 5}]
    acked = await server.client().ack(HELD, result=None, enqueue=follow_ups)
    assert acked.enqueued == (EnqueueResult("m7", False, "ready"),)
    assert (server.asked[0].method, server.asked[0].path) == ("POST", "/v1/messages/m1/ack")
    assert server.asked[0].body == {
        "receipt": "r1",
        "result": None,
        "enqueue": [{"queue": "next", "payload": {"of": 1}, "dedupId": "d", "delay": 5}],
    }


async def test_a_lost_answer_of_an_ack_is_asked_for_again() -> None:
    answers: list[Any] = [LOST, {"state": "acked", "already": True}]
    server = StandIn(lambda asked: answers.pop(0))
    assert (await server.client().ack(HELD, result=1)).already
    assert server.asked[0].body == server.asked[1].body


async def test_a_refused_follow_up_says_why_and_leaves_the_lease() -> None:
    def answers(asked: Asked) -> Any:
        if asked.method == "GET":
            return {"messages": [message(1)]}
        results = [{"error": {"code": "queue_not_found", "detail": "no such queue"}}]
        return problem(409, "batch_aborted", results=results)

    client = StandIn(answers).client()
    [held] = await client.receive("q")
    with pytest.raises(errors.BatchAborted) as caught:
        await client.ack(held.id, enqueue=[{"queue": "nowhere", "payload": 1}])
    assert [type(result.error).__name__ for result in caught.value.results] == ["QueueNotFound"]
    with pytest.raises(errors.BatchAborted):
        await client.ack(held.id, enqueue=[{"queue": "nowhere", "payload": 1}])  # the receipt is still known


@pytest.mark.parametrize(
    ("follow_up", "says"),
    [
        ({"payload": 1}, "needs its queue"),
        ({"queue": "q"}, "needs a payload"),
        ({"queue": "q", "to": 1}, "Known: queue"),
    ],
)
async def test_a_follow_up_is_checked_before_anything_is_sent(follow_up: dict[str, Any], says: str) -> None:
    server = StandIn(lambda asked: {})
    with pytest.raises(ValueError, match=says):
        await server.client().ack(HELD, enqueue=[follow_up])
    assert server.asked == []


async def test_releases_share_a_request_with_acks() -> None:
    broker = Broker()
    client = broker.client()
    released, acked = await asyncio.gather(
        client.release(HELD, delay=30), client.ack(Message.of(message(2))), return_exceptions=True
    )
    assert not isinstance(released, BaseException)
    assert not isinstance(acked, BaseException)
    assert (released.state, acked.already) == ("ready", False)
    assert broker.releases == [{"id": "m1", "receipt": "r1", "delay": 30}]
    assert len(broker.asked) == 1


# Duplicates and results


@pytest.mark.parametrize(
    ("more", "has_result", "result"), [({}, False, None), ({"result": None}, True, None), ({"result": [1]}, True, [1])]
)
async def test_a_duplicate_tells_state_and_result(more: dict[str, Any], has_result: bool, result: Any) -> None:
    told = {"id": "m1", "duplicate": True, "state": "done", **more}
    server = StandIn(lambda asked: told)
    duplicate = await server.client().enqueue("q", 1, dedup_id="d", dedup_until="done")
    assert (duplicate.state, duplicate.has_result, duplicate.result) == ("done", has_result, result)
    assert server.asked[0].body == {"payload": 1, "dedupId": "d", "dedupUntil": "done"}
    entry = EntryResult.of(told)
    assert (entry.id, entry.duplicate, entry.state, entry.has_result, entry.result) == (
        "m1",
        True,
        "done",
        has_result,
        result,
    )


async def test_a_done_message_is_its_result() -> None:
    done = {"id": "m1", "queue": "q", "state": "done", "doneAt": LATER, "result": {"n": 1}, "resultExpiresAt": LATER}
    seen = await StandIn(lambda asked: done).client().get_message("m1")
    assert isinstance(seen, DoneMessage)
    assert seen.state == "done"
    assert (seen.id, seen.queue, seen.result, seen.done_at) == ("m1", "q", {"n": 1}, seen.result_expires_at)
