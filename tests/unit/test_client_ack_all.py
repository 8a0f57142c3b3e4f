"""Acks of one call: they share requests, with each other and with those of others, and each has its own error."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hanzo_queues import errors
from hanzo_queues.client.models import Message
from tests.unit.client_stand_in import Asked, Gate, StandIn, message, problem, settled


async def test_acks_of_one_call_share_requests_and_each_has_its_own_error() -> None:
    def answers(asked: Asked) -> Any:
        result = settled(asked)
        if {"id": "m1", "receipt": "r1"} in asked.body["acks"]:
            result["acks"][1] = {"error": {"code": "lease_lost", "detail": "it ended"}}
        return result

    server = StandIn(answers)
    client = server.client(batch_entries_max=2)
    held = [Message.of({**message(number), "queue": "p" if number == 2 else "q"}) for number in range(4)]
    client._leases.remember(held[3:])
    failed = await client.ack_all([held[0], held[1], held[2], "m3", "unknown"])
    assert [type(error).__name__ for error in failed] == [
        "NoneType", "LeaseLost", "NoneType", "NoneType", "ReceiptUnknown",
    ]  # fmt: skip
    assert [(asked.path, [ack["id"] for ack in asked.body["acks"]]) for asked in server.asked] == [
        ("/v1/queues/q/settle", ["m0", "m1"]), ("/v1/queues/q/settle", ["m3"]), ("/v1/queues/p/settle", ["m2"]),
    ]  # fmt: skip
    [again] = await client.ack_all(["m3"])
    assert isinstance(again, errors.ReceiptUnknown)  # it is settled
    assert await client.ack_all([]) == []


async def test_acks_of_one_call_are_halved_where_the_server_takes_fewer() -> None:
    def answers(asked: Asked) -> Any:
        return problem(413, "batch_too_large") if len(asked.body["acks"]) > 1 else settled(asked)

    server = StandIn(answers)
    client = server.client()
    assert await client.ack_all([Message.of(message(number)) for number in range(4)]) == [None] * 4
    assert [len(asked.body["acks"]) for asked in server.asked] == [4, 2, 1, 1, 2, 1, 1]
    assert await client.ack_all([Message.of(message(number)) for number in range(2)]) == [None] * 2
    assert [len(asked.body["acks"]) for asked in server.asked[7:]] == [1, 1]  # it is learnt


async def test_acks_of_one_call_go_with_those_of_others_in_order() -> None:
    gate = Gate()
    server = StandIn(gate.answer)
    client = server.client()
    held = [Message.of(message(number)) for number in range(4)]
    first = asyncio.create_task(client.ack(held[0]))
    await gate.arrived.get()
    others = [asyncio.create_task(client.ack_all(held[1:3])), asyncio.create_task(client.ack(held[3]))]
    await asyncio.sleep(0)
    gate.open.release()
    gate.open.release()
    await asyncio.gather(first, *others)
    assert [[ack["id"] for ack in asked.body["acks"]] for asked in server.asked] == [["m0"], ["m1", "m2", "m3"]]


async def test_acks_of_one_call_fill_what_room_the_requests_of_others_have() -> None:
    gate = Gate()
    server = StandIn(gate.answer)
    client = server.client(batch_entries_max=2)
    held = [Message.of(message(number)) for number in range(6)]
    first = asyncio.create_task(client.ack(held[0]))
    await gate.arrived.get()
    others = [asyncio.create_task(client.ack(held[1])), asyncio.create_task(client.ack_all(held[2:]))]
    for _ in range(4):
        gate.open.release()
    await asyncio.gather(first, *others)
    assert [[ack["id"] for ack in asked.body["acks"]] for asked in server.asked] == [
        ["m0"], ["m1", "m2"], ["m3", "m4"], ["m5"],
    ]  # fmt: skip
    assert others[1].result() == [None] * 4


async def test_a_close_ends_what_was_not_told_of_acks_that_went_in_halves() -> None:
    at_last = asyncio.Event()

    async def answers(asked: Asked) -> Any:
        ids = [ack["id"] for ack in asked.body["acks"]]
        if ids == ["m2", "m3"]:
            at_last.set()
            await asyncio.Event().wait()
        return settled(asked) if len(ids) < 4 else problem(413, "batch_too_large")

    client = StandIn(answers).client()
    acking = asyncio.create_task(client.ack_all([Message.of(message(number)) for number in range(4)]))
    await at_last.wait()
    await client.close()
    assert [getattr(error, "outcome", "done") for error in await acking] == ["done", "done", "unknown", "unknown"]


@pytest.mark.parametrize("call", ["ack_all", "ack", "nack", "release"])
async def test_what_is_settled_after_its_caller_has_left_is_settled(call: str) -> None:
    gate = Gate()
    client = StandIn(gate.answer).client()
    held = [Message.of(message(1)), Message.of(message(2))]
    client._leases.remember(held)
    client._leases.watch(held[0])
    settling = asyncio.create_task(getattr(client, call)(held[:1] if call == "ack_all" else held[0]))
    await gate.arrived.get()
    settling.cancel()
    after = asyncio.create_task(client.extend(held[1]))
    gate.open.release()
    gate.open.release()
    await after
    assert settling.cancelled()
    assert client._leases.is_settled(held[0])
    with pytest.raises(errors.ReceiptUnknown):
        client._leases.find("m1")


async def test_acks_of_one_call_that_is_cancelled_while_they_wait_are_not_sent() -> None:
    gate = Gate()
    server = StandIn(gate.answer)
    client = server.client()
    held = [Message.of(message(number)) for number in range(4)]
    first = asyncio.create_task(client.ack(held[0]))
    await gate.arrived.get()
    cancelled, last = asyncio.create_task(client.ack_all(held[1:3])), asyncio.create_task(client.ack(held[3]))
    await asyncio.sleep(0)
    cancelled.cancel()
    gate.open.release()
    gate.open.release()
    await asyncio.gather(first, last)
    assert [[ack["id"] for ack in asked.body["acks"]] for asked in server.asked] == [["m0"], ["m3"]]
    assert cancelled.cancelled()


async def test_what_was_acked_is_settled_though_the_call_was_cancelled_before_its_end() -> None:
    async def answers(asked: Asked) -> Any:
        if asked.path == "/v1/queues/p/settle":
            await asyncio.Event().wait()
        return settled(asked)

    client = StandIn(answers).client()
    held = [Message.of(message(1)), Message.of({**message(2), "queue": "p"})]
    for one in held:
        client._leases.watch(one)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await client.ack_all(held)
    assert [client._leases.is_settled(one) for one in held] == [True, False]
    await client.close()


async def test_acks_of_one_call_by_a_client_that_closes_have_all_failed() -> None:
    gate = Gate()
    client = StandIn(gate.answer).client()
    held = [Message.of(message(number)) for number in range(2)]
    flying = asyncio.create_task(client.ack_all(held))
    await gate.arrived.get()
    await client.close()
    assert [getattr(error, "outcome", "") for error in await flying] == ["unknown"] * 2
    late = await client.ack_all(held)
    assert [type(error) for error in late] == [errors.ClientClosed] * 2


async def test_acks_of_one_call_that_was_refused_have_all_failed() -> None:
    server = StandIn(lambda asked: problem(404, "queue_not_found"))
    client = server.client()
    held = [Message.of(message(number)) for number in range(2)]
    client._leases.remember(held)
    assert [type(error) for error in await client.ack_all(held)] == [errors.QueueNotFound] * 2
    assert [client._leases.find(one.id)[2] for one in held] == ["r0", "r1"]  # they are ours still


async def test_one_ack_that_spoils_a_request_fails_alone() -> None:
    def answers(asked: Asked) -> Any:
        spoiled = any(ack["id"] == "m2" for ack in asked.body["acks"])
        return problem(400, "request_invalid") if spoiled else settled(asked)

    failed = await StandIn(answers).client().ack_all([Message.of(message(number)) for number in range(4)])
    assert [type(error).__name__ for error in failed] == ["NoneType", "NoneType", "RequestInvalid", "NoneType"]


@pytest.mark.parametrize("strange", [{}, {"acks": []}, {"acks": [1, 2]}])
async def test_an_answer_of_something_else_is_an_error_of_each_ack(strange: dict[str, Any]) -> None:
    client = StandIn(lambda asked: strange).client()
    one, other = await client.ack_all([Message.of(message(number)) for number in range(2)])
    assert isinstance(one, errors.ApiError)
    assert one.outcome == "unknown"
    assert one is not other
