"""Redriving dead letters, and cancelling or changing messages by filter, through HTTP."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Any

import pytest
import pytest_asyncio

from tests.contract.http_server import PATIENCE_S, Served

pytestmark = pytest.mark.asyncio(loop_scope="module")

names = (f"swept-{number}" for number in count())


@pytest_asyncio.fixture(loop_scope="module")
async def queue(server: Served) -> str:
    """A queue whose messages die at their first failure, into `{queue}-dead`."""
    name = next(names)
    return await server.made_queue(name, maxRetries=0, deadLetterQueue=f"{name}-dead")


async def die(server: Served, queue: str, error: str = "no", **message: Any) -> str:
    """A message dies; its id before."""
    identity = await server.enqueued(queue, **message)
    [held] = await server.received(queue)
    assert held["id"] == identity
    nack = {"receipt": held["receipt"], "error": error}
    reply = await server.call("POST", f"/v1/messages/{identity}/nack", nack)
    assert reply.json["state"] in ("deadLettered", "dead"), reply.text
    return identity


async def begun(server: Served, queue: str, verb: str, body: dict[str, Any]) -> dict[str, Any]:
    reply = await server.call("POST", f"/v1/queues/{queue}/{verb}", body)
    assert reply.status == 202, reply.text
    sweep: dict[str, Any] = reply.json
    assert sweep["state"] == "running"
    return sweep


async def ended(server: Served, sweep: dict[str, Any], kind: str = "redrives") -> dict[str, Any]:
    """The sweep, once it is over."""
    async with asyncio.timeout(PATIENCE_S):
        while sweep["state"] == "running":
            await asyncio.sleep(0.005)
            sweep = (await server.call("GET", f"/v1/{kind}/{sweep['id']}")).json
    return sweep


async def redriven(server: Served, queue: str, **body: Any) -> dict[str, Any]:
    return await ended(server, await begun(server, queue, "redrive", body))


def tally(sweep: dict[str, Any]) -> tuple[int, int, int, int]:
    return sweep["matched"], sweep["moved"], sweep["skipped"], sweep["failed"]


async def test_dead_letters_begin_anew_in_the_queue_they_died_in(server: Served, queue: str) -> None:
    ids = [await die(server, queue, payload={"n": n}, metadata={"tenant": "a"}, priority=7) for n in range(250)]
    begins = await begun(server, f"{queue}-dead", "redrive", {})
    assert begins["total"] == 250
    sweep = await ended(server, begins)
    assert (tally(sweep), sweep["total"]) == ((250, 250, 0, 0), 250)
    assert (sweep["state"], sweep["action"], sweep["queue"]) == ("done", "redrive", f"{queue}-dead")
    came: list[dict[str, Any]] = []
    while batch := await server.received(queue, "?maxMessages=100"):
        came += batch
    assert [message["payload"] for message in came] == [{"n": n} for n in range(250)]
    first = came[0]
    assert (first["attempts"], first["deliveries"], first["priority"]) == (0, 1, 7)
    assert first["metadata"] == {"tenant": "a"}
    story = first["deadLetter"]
    assert (story["redrives"], story["sourceId"], story["error"]) == (1, ids[0], "no")
    assert await server.received(f"{queue}-dead") == []


async def test_a_slow_redrive_finds_what_its_queue_would_have_let_go(server: Served, queue: str) -> None:
    for n in range(3):
        await die(server, queue, payload=n)
    sweep = await begun(server, f"{queue}-dead", "redrive", {"rate": {"requests": 20, "per": "second"}})
    await server.call("PATCH", f"/v1/queues/{queue}-dead", {"config": {"deadRetention": 0.001}})
    assert tally(await ended(server, sweep)) == (3, 3, 0, 0)
    assert [message["payload"] for message in await server.received(queue, "?maxMessages=9")] == [0, 1, 2]


async def test_what_is_dead_in_its_own_queue_goes_on_there(server: Served) -> None:
    queue = await server.made_queue(next(names), maxRetries=0)
    identity = await die(server, queue)
    sweep = await redriven(server, queue, ids=[identity])
    assert tally(sweep) == (1, 1, 0, 0)
    again = await redriven(server, queue, ids=[identity])
    assert tally(again) == (0, 0, 1, 0)
    [message] = await server.received(queue)
    assert message["id"] != identity


async def test_filters_on_error_metadata_reason_and_age(server: Served, queue: str) -> None:
    dead = f"{queue}-dead"
    await die(server, queue, "timeout of the bank", metadata={"tenant": "a", "n": 1, "tags": ["x"]})
    await die(server, queue, "no address", metadata={"tenant": "b", "n": 1})
    await die(server, queue, "timeout of the mail", metadata={"tenant": "b"})

    async def matched(**filter_: Any) -> int:
        sweep = await redriven(server, dead, filter=filter_, dryRun=True)
        assert (sweep["moved"], sweep["dryRun"], len(sweep["sample"])) == (0, True, sweep["matched"])
        return int(sweep["matched"])

    assert await matched() == 3
    assert await matched(error="timeout") == 2
    assert await matched(error="timeout", metadata={"tenant": "b"}) == 1
    assert await matched(metadata={"tenant": "a", "tags": ["x"]}) == 1
    assert await matched(metadata={"n": 1}) == 2
    assert await matched(metadata={"n": "1"}) == 0
    assert await matched(reason="retriesExhausted", newerThan=3600) == 3
    assert await matched(reason="expired") == 0
    assert await matched(olderThan=3600) == 0
    sweep = await redriven(server, dead, filter={"error": "address"})
    assert tally(sweep) == (1, 1, 0, 0)
    assert len(await server.received(queue, "?maxMessages=9")) == 1


async def test_what_died_without_an_error_matches_none(server: Served, queue: str) -> None:
    dead = f"{queue}-dead"
    await die(server, queue, "")
    await die(server, queue, "no address")
    for text, moved in (("absent", 0), ("address", 1)):
        sweep = await redriven(server, dead, filter={"error": text})
        assert tally(sweep) == (moved, moved, 0, 0), text


async def test_what_failed_and_lives_is_found_by_its_last_error(server: Served) -> None:
    queue = await server.made_queue(next(names))
    ids = [await server.enqueued(queue) for _ in range(3)]
    held = await server.received(queue, "?maxMessages=2")
    for message, error in zip(held, ("timeout of the bank", "no address"), strict=True):
        nack = {"receipt": message["receipt"], "error": error, "delay": 3600}
        await server.call("POST", f"/v1/messages/{message['id']}/nack", nack)
    run_now = {"action": {"delay": 0}, "filter": {"error": "timeout"}}
    assert tally(await ended(server, await begun(server, queue, "sweep", run_now), "sweeps")) == (1, 1, 0, 0)
    ready = await server.received(queue, "?maxMessages=9")
    assert {message["id"] for message in ready} == {ids[0], ids[2]}


async def test_what_has_gone_since_a_sweep_found_it_holds_nothing_up(server: Served, queue: str) -> None:
    """Its bytes are asked for no more; a rate leaves time for it to go."""
    ids = [await server.enqueued(queue, metadata={"tenant": "a"}) for _ in range(4)]
    body = {"action": "cancel", "filter": {"metadata": {"tenant": "a"}}, "rate": {"requests": 10, "per": "second"}}
    sweep = await begun(server, queue, "sweep", body)
    await server.call("DELETE", f"/v1/messages/{ids[-1]}")
    over = await ended(server, sweep, "sweeps")
    assert (over["state"], over["moved"]) == ("done", 3)


async def test_groups_that_were_done_with_a_message_do_not_get_it_again(server: Served, queue: str) -> None:
    elsewhere = await server.made_queue(next(names))
    for name in (queue, elsewhere):
        await server.call("POST", f"/v1/queues/{name}/groups", {"name": "audit"})

    async def got_by(name: str) -> list[int]:
        return [len(await server.received(name, f"?consumerGroup={group}")) for group in ("default", "audit")]

    for destination, groups in ({}, [1, 0]), ({"destination": queue}, [1, 0]), ({"destination": elsewhere}, [1, 1]):
        identity = await server.enqueued(queue)
        [copy] = await server.received(queue, "?consumerGroup=audit")
        await server.call("POST", f"/v1/messages/{identity}/ack", {"receipt": copy["receipt"]})
        [held] = await server.received(queue)
        await server.call("POST", f"/v1/messages/{identity}/nack", {"receipt": held["receipt"], "reject": True})
        assert tally(await redriven(server, f"{queue}-dead", **destination)) == (1, 1, 0, 0)
        assert await got_by(destination.get("destination", queue)) == groups


async def test_what_can_not_go_is_told_and_goes_with_a_destination(server: Served, queue: str) -> None:
    await die(server, queue)
    await server.call("DELETE", f"/v1/queues/{queue}")
    sweep = await redriven(server, f"{queue}-dead")
    assert tally(sweep) == (1, 0, 0, 1)
    assert sweep["failures"] == {"queue_not_found": 1}
    reply = await server.call("POST", f"/v1/queues/{queue}-dead/redrive", {"destination": "nowhere"})
    assert (reply.status, reply.json["code"]) == (404, "queue_not_found")
    elsewhere = await server.made_queue(next(names))
    assert tally(await redriven(server, f"{queue}-dead", destination=elsewhere)) == (1, 1, 0, 0)
    assert len(await server.received(elsewhere)) == 1


async def test_a_letter_that_lies_in_the_destination_stays_and_keeps_its_source(server: Served, queue: str) -> None:
    dead = f"{queue}-dead"
    await die(server, queue)
    await server.enqueued(dead)
    assert tally(await redriven(server, dead, destination=dead)) == (0, 0, 0, 0)
    letters = (await server.call("GET", f"/v1/queues/{dead}/peek")).json["messages"]
    ids = [letter["id"] for letter in letters]
    assert tally(await redriven(server, dead, destination=dead, ids=ids)) == (0, 0, 2, 0)
    assert tally(await redriven(server, dead)) == (1, 1, 0, 0)
    assert len(await server.received(queue)) == 1


async def test_a_sweep_of_a_deleted_queue_says_so_though_another_has_its_name(server: Served) -> None:
    for method, path, state in ("DELETE", "", "failed"), ("POST", "/purge", "done"):
        queue = await server.made_queue(next(names))
        for _ in range(2):
            await server.enqueued(queue)
        slow = {"action": "cancel", "filter": {}, "rate": {"requests": 3, "per": "second"}}
        sweep = await begun(server, queue, "sweep", slow)
        await asyncio.sleep(0.01)  # the clock counts milliseconds: what is made now is later
        await server.call(method, f"/v1/queues/{queue}{path}", {} if path else None)
        await server.call("POST", "/v1/queues", {"name": queue})
        over = await ended(server, sweep, "sweeps")
        assert (over["state"], over.get("error") is not None) == (state, state == "failed")


async def test_a_full_queue_takes_what_fits(server: Served, queue: str) -> None:
    for _ in range(3):
        await die(server, queue)
    await server.call("PATCH", f"/v1/queues/{queue}", {"config": {"maxMessages": 2}})
    sweep = await redriven(server, f"{queue}-dead")
    assert (tally(sweep), sweep["failures"]) == ((3, 2, 0, 1), {"queue_full": 1})


async def test_a_rate_spreads_it_and_a_cancel_ends_it(server: Served, queue: str) -> None:
    for _ in range(3):
        await die(server, queue)
    sweep = await begun(server, f"{queue}-dead", "redrive", {"rate": {"requests": 1, "per": "hour"}})
    path = f"/v1/redrives/{sweep['id']}"
    assert len(await server.received(queue, "?waitTime=9")) == 1
    cancelled = (await server.call("DELETE", path)).json
    assert (cancelled["state"], cancelled["moved"]) == ("cancelled", 1)
    assert (await server.call("DELETE", path)).json == cancelled
    counts = (await server.call("GET", f"/v1/queues/{queue}-dead")).json["counts"]
    assert counts["ready"] == 2


async def test_a_maximum_is_kept(server: Served, queue: str) -> None:
    for _ in range(3):
        await die(server, queue)
    assert tally(await redriven(server, f"{queue}-dead", max=2)) == (2, 2, 0, 0)


async def test_a_poll_is_woken_by_a_redrive(server: Served, queue: str) -> None:
    await die(server, queue)
    polling = asyncio.create_task(server.received(queue, "?waitTime=30"))
    await asyncio.sleep(0)
    await begun(server, f"{queue}-dead", "redrive", {})
    async with asyncio.timeout(PATIENCE_S):
        assert len(await polling) == 1


async def test_waiting_messages_are_changed_and_cancelled_by_filter(server: Served) -> None:
    queue = await server.made_queue(next(names))
    for tenant in ("a", "b", "a"):
        await server.enqueued(queue, delay=3600, metadata={"tenant": tenant})
    of_a = {"metadata": {"tenant": "a"}}
    change = {"action": {"delay": 0, "priority": 9}, "filter": of_a}
    sweep = await ended(server, await begun(server, queue, "sweep", change), "sweeps")
    assert (tally(sweep), sweep["action"]) == ((2, 2, 0, 0), {"delay": 0, "priority": 9})
    assert [message["priority"] for message in await server.received(queue, "?maxMessages=9")] == [9, 9]
    cancel = {"action": "cancel", "filter": {"olderThan": 0}}
    sweep = await ended(server, await begun(server, queue, "sweep", cancel), "sweeps")
    assert tally(sweep) == (1, 1, 0, 0)
    assert (await server.call("GET", f"/v1/queues/{queue}")).json["counts"]["delayed"] == 0


async def test_ages_of_messages_that_never_died(server: Served) -> None:
    queue = await server.made_queue(next(names))
    await server.enqueued(queue)

    async def matched(**filter_: Any) -> int:
        body = {"action": "cancel", "filter": filter_, "dryRun": True}
        sweep = await ended(server, await begun(server, queue, "sweep", body), "sweeps")
        return int(sweep["matched"])

    assert await matched(newerThan=3600) == 1
    assert await matched(olderThan=3600) == 0
    assert await matched(olderThan=0, newerThan=3600) == 1
    assert await matched(newerThan=0) == 0


async def test_they_are_listed_latest_first(server: Served, queue: str) -> None:
    ids = [(await redriven(server, queue))["id"] for _ in range(3)]
    page = (await server.call("GET", "/v1/sweeps?limit=2")).json
    assert [sweep["id"] for sweep in page["sweeps"]] == ids[:0:-1]
    page = (await server.call("GET", f"/v1/sweeps?limit=1&after={page['next']}")).json
    assert page["sweeps"][0] == (await server.call("GET", f"/v1/sweeps/{ids[0]}")).json
    everything = (await server.call("GET", "/v1/sweeps?limit=1000")).json
    assert everything["next"] is None


async def test_ids_that_are_none(server: Served, queue: str) -> None:
    message = await server.enqueued(queue)
    of_nobody, of_another_partition = "0000" + "v" * 15 + "g", "v" * 19 + "g"
    for sweep in (message, "x", of_nobody, of_another_partition):
        for method, kind in (("GET", "redrives"), ("DELETE", "sweeps")):
            reply = await server.call(method, f"/v1/{kind}/{sweep}")
            assert (reply.status, reply.json["code"]) == (404, "sweep_not_found"), sweep


async def test_too_many_at_once_are_refused(server: Served, queue: str) -> None:
    for _ in range(2):
        await server.enqueued(queue, delay=3600)
    slow = {"action": {"priority": 9}, "filter": {}, "rate": {"requests": 1, "per": "day"}}
    begun_ones = [await begun(server, queue, "sweep", slow) for _ in range(100)]
    refused = await server.call("POST", f"/v1/queues/{queue}/sweep", slow)
    assert (refused.status, refused.json["code"]) == (429, "sweeps_exhausted")
    assert refused.headers["retry-after"] == "1"
    for sweep in begun_ones:
        await server.call("DELETE", f"/v1/sweeps/{sweep['id']}")
