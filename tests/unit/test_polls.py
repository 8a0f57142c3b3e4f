"""Long polls: each message wakes one, each token wakes one, and whoever leaves passes it on."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from hanzo_queues.server.faults import JournalUnavailable, Overloaded, PartitionRecovering, ShuttingDown
from hanzo_queues.server.journal.base import AppendUnknown
from hanzo_queues.server.partition import Partition
from tests.unit.served_partition import (
    PARSER,
    GatedJournal,
    created,
    enqueue,
    payloads,
    ready,
    receive,
    serving,
    until_served,
)


async def test_a_long_poll_gets_the_message_that_comes_later() -> None:
    async with serving(GatedJournal()) as partition:
        poll = asyncio.ensure_future(partition.receive("mail", receive(), 30))
        await ready(partition)
        assert not poll.done()
        await partition.submit(enqueue({"to": "a@example.com"}))
        assert payloads(await asyncio.wait_for(poll, 5)) == [{"to": "a@example.com"}]


async def test_an_empty_poll_ends_with_its_time() -> None:
    async with serving(GatedJournal()) as partition:
        answer = await asyncio.wait_for(partition.receive("mail", receive(), 0.05), 5)
        assert answer.message_count == 0


async def test_a_cancelled_poll_takes_nothing() -> None:
    async with serving(GatedJournal()) as partition:
        gone = asyncio.ensure_future(partition.receive("mail", receive(), 30))
        stays = asyncio.ensure_future(partition.receive("mail", receive(), 30))
        await ready(partition)
        gone.cancel()
        await partition.submit(enqueue("only"))
        assert payloads(await asyncio.wait_for(stays, 5)) == ["only"]


async def test_a_poll_cancelled_while_its_lease_is_written_gives_it_back() -> None:
    journal = GatedJournal()
    async with serving(journal) as partition:
        gone = asyncio.ensure_future(partition.receive("mail", receive(), 30))
        await ready(partition)
        journal.held_from = await journal.last_sequence()
        journal.gate.clear()
        written = asyncio.ensure_future(partition.submit(enqueue("only")))
        await asyncio.wait_for(journal.waiting.wait(), 5)
        gone.cancel()
        journal.gate.set()
        await written
        answer = await asyncio.wait_for(partition.receive("mail", receive(), 30), 5)
        (message,) = json.loads(answer.body)["messages"]
        assert (message["payload"], message["attempts"], message["deliveries"]) == ("only", 0, 2)


async def test_a_message_and_the_lease_of_the_poll_it_wakes_are_one_batch() -> None:
    journal = GatedJournal()
    async with serving(journal) as partition:
        polls = [asyncio.ensure_future(partition.receive("mail", receive(), 30)) for _ in range(2)]
        await ready(partition)
        before = len(journal.appends)
        for number, poll in enumerate(polls):
            await partition.submit(enqueue(number))
            assert payloads(await asyncio.wait_for(poll, 5)) == [number]
        assert len(journal.appends) - before == 2


@pytest.mark.parametrize("others", [0, 1])
async def test_a_poll_that_looked_in_the_step_before_its_message_came_is_woken(others: int) -> None:
    async with serving(GatedJournal()) as partition:
        waiting = [asyncio.ensure_future(partition.receive("mail", receive(), 30)) for _ in range(others)]
        await ready(partition)
        polls = [*waiting, asyncio.ensure_future(partition.receive("mail", receive(), 30))]
        writes = [asyncio.ensure_future(partition.submit(enqueue(number))) for number in range(len(polls))]
        received = await asyncio.wait_for(asyncio.gather(*polls), 2)
        assert sorted(payload for poll in received for payload in payloads(poll)) == [*range(len(polls))]
        await asyncio.gather(*writes)


async def test_a_poll_that_looked_in_the_step_before_a_lease_ended_is_woken() -> None:
    async with serving(GatedJournal()) as partition:
        await created(partition, "narrow", maxInFlight=1)
        for number in range(2):
            await partition.submit(enqueue(number, queue="narrow"))
        answer = await partition.receive("narrow", receive(queue="narrow"), 0)
        (message,) = json.loads(answer.body)["messages"]
        poll = asyncio.ensure_future(partition.receive("narrow", receive(queue="narrow"), 30))
        ack = PARSER.ack(message["id"], json.dumps({"receipt": message["receipt"]}).encode())
        acked = asyncio.ensure_future(partition.submit(ack))
        assert payloads(await asyncio.wait_for(poll, 2)) == [1]
        await acked


async def test_a_woken_poll_waits_behind_what_the_step_had_no_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hanzo_queues.server.writer.STEP_MESSAGES_MAX", 1)
    async with serving(GatedJournal()) as partition:
        poll = asyncio.ensure_future(partition.receive("mail", receive(), 30))
        await ready(partition)
        first = asyncio.ensure_future(partition.submit(enqueue("first")))
        thief = asyncio.ensure_future(partition.receive("mail", receive(), 30))
        await first
        assert payloads(await asyncio.wait_for(thief, 5)) == ["first"]
        await partition.submit(enqueue("second"))
        assert payloads(await asyncio.wait_for(poll, 5)) == ["second"]


async def test_a_woken_poll_that_is_cancelled_passes_its_turn_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hanzo_queues.server.writer.STEP_MESSAGES_MAX", 1)
    journal = GatedJournal()
    async with serving(journal) as partition:
        await created(partition, "other")
        gone, stays = (asyncio.ensure_future(partition.receive("mail", receive(), 30)) for _ in range(2))
        await ready(partition)
        journal.held_from = await journal.last_sequence() + 1
        journal.gate.clear()
        writes = [asyncio.ensure_future(partition.submit(enqueue("only", queue=q))) for q in ("mail", "other")]
        await asyncio.wait_for(journal.waiting.wait(), 5)
        gone.cancel()
        journal.gate.set()
        await asyncio.gather(*writes)
        assert payloads(await asyncio.wait_for(stays, 5)) == ["only"]


async def test_closing_answers_every_poll_and_refuses_what_comes_after() -> None:
    async with serving(GatedJournal()) as partition:
        polls = [asyncio.ensure_future(partition.receive("mail", receive(), 30)) for _ in range(50)]
        await ready(partition)
        await partition.close()
        assert [answer.message_count for answer in await asyncio.wait_for(asyncio.gather(*polls), 5)] == [0] * 50
        with pytest.raises(ShuttingDown):
            await partition.submit(enqueue("late"))


async def test_the_budget_of_parked_polls_is_kept() -> None:
    async with serving(GatedJournal(), polls_max=1) as partition:
        poll = asyncio.ensure_future(partition.receive("mail", receive(), 30))
        await ready(partition)
        with pytest.raises(Overloaded):
            await partition.receive("mail", receive(), 30)
        poll.cancel()


async def test_a_rate_limited_poll_wakes_with_its_token() -> None:
    async with serving(GatedJournal()) as partition:
        await created(partition, "slow", rateLimit={"requests": 20, "per": "second", "burst": 1})
        for n in range(2):
            await partition.submit(enqueue(n, queue="slow"))
        answers = [await asyncio.wait_for(partition.receive("slow", receive(2, "slow"), 5), 5) for _ in range(2)]
        assert [payloads(answer) for answer in answers] == [[0], [1]]


async def limited_queue(partition: Partition, **rate: Any) -> None:
    """A queue `slow` whose first token is used up."""
    await created(partition, "slow", rateLimit={"per": "second", "burst": 1, **rate})
    await partition.submit(enqueue("first", queue="slow"))
    assert (await partition.receive("slow", receive(1, "slow"), 0)).message_count == 1


async def test_a_limited_poll_that_leaves_passes_its_token_on() -> None:
    async with serving(GatedJournal()) as partition:
        await limited_queue(partition, requests=5)
        await partition.submit(enqueue("second", queue="slow"))
        gone, stays = (asyncio.ensure_future(partition.receive("slow", receive(1, "slow"), 30)) for _ in range(2))
        await ready(partition)
        gone.cancel()
        assert payloads(await asyncio.wait_for(stays, 5)) == ["second"]


async def test_a_token_wakes_one_poll_however_many_wait() -> None:
    async with serving(GatedJournal()) as partition:
        await limited_queue(partition, requests=50)
        for n in range(10):
            await partition.submit(enqueue(n, queue="slow"))
        asked = 0
        polls = [asyncio.ensure_future(partition.receive("slow", receive(1, "slow"), 30)) for _ in range(200)]
        await ready(partition)
        put = partition._inbox.put

        def counting(request: Any) -> None:
            nonlocal asked
            asked += 1
            put(request)

        partition._polls._ask_again = counting
        served = [payloads(answer) for answer in await asyncio.wait_for(asyncio.gather(*polls[:10]), 5)]
        assert served == [[n] for n in range(10)], "who came first is served first"
        assert asked <= 3 * 10 + 3
        for n in range(10):
            await partition.submit(enqueue(n, queue="slow"))
        assert asked <= 6 * 10 + 6, "messages that wait for a token wake nobody but the first"
        for left in polls:
            left.cancel()


async def test_a_limit_that_is_lifted_wakes_who_it_held_back() -> None:
    async with serving(GatedJournal()) as partition:
        await created(partition, "slow", rateLimit={"requests": 1, "per": "day", "burst": 1})
        for n in range(4):
            await partition.submit(enqueue(n, queue="slow"))
        await partition.receive("slow", receive(1, "slow"), 0)
        polls = [asyncio.ensure_future(partition.receive("slow", receive(1, "slow"), 30)) for _ in range(3)]
        await ready(partition)
        await partition.submit(PARSER.update_queue("slow", b'{"config": {"rateLimit": null}}'))
        assert [payloads(poll) for poll in await asyncio.wait_for(asyncio.gather(*polls), 5)] == [[1], [2], [3]]


async def test_turns_begin_anew_after_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    """The poll whose turn it was is refused during the outage; tokens must wake others afterwards."""
    journal = GatedJournal()
    async with serving(journal) as partition:
        monkeypatch.setattr("hanzo_queues.server.partition.PATIENCE_S", 0.02)
        await limited_queue(partition, requests=10)
        for n in range(4):
            await partition.submit(enqueue(n, queue="slow"))
        held = asyncio.ensure_future(partition.receive("slow", receive(1, "slow"), 30))
        await ready(partition)
        journal.fail_next = [(AppendUnknown("no answer"), False)] * 4
        with pytest.raises(JournalUnavailable):
            await partition.submit(enqueue("in doubt"))
        with pytest.raises(PartitionRecovering):
            await asyncio.wait_for(held, 5)
        await until_served(partition)
        polls = [asyncio.ensure_future(partition.receive("slow", receive(1, "slow"), 30)) for _ in range(3)]
        answers = await asyncio.wait_for(asyncio.gather(*polls), 5)
        assert [answer.message_count for answer in answers] == [1, 1, 1]
        assert not partition._polls._lines
