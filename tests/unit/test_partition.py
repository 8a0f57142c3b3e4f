"""The partition's promises, on the memory journal: group commit, durable answers, polls, poison, fences."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hanzo_queues._core import Command, Parser
from hanzo_queues.server.faults import JournalUnavailable, Overloaded, PartitionRecovering, ShuttingDown
from hanzo_queues.server.journal.base import AppendRefused, AppendUnknown, JournalError
from hanzo_queues.server.journal.memory import MemoryJournal
from hanzo_queues.server.limits_table import LIMITS
from hanzo_queues.server.partition import Answer, Partition

PARSER = Parser(dict(LIMITS), visibility_timeout_ms=30_000, max_retries=3)


class GatedJournal(MemoryJournal):
    """A memory journal whose appends wait for the test, or fail as it says."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()
        self.held_from = 0
        self.waiting = asyncio.Event()
        self.appends: list[int] = []
        self.fail_next: list[tuple[Exception, bool]] = []

    async def append(self, batch: bytes, expected_last_sequence: int) -> None:
        if expected_last_sequence >= self.held_from:
            self.waiting.set()
            await self.gate.wait()
            self.waiting.clear()
        error, committed = self.fail_next.pop(0) if self.fail_next else (None, True)
        if committed:
            await super().append(batch, expected_last_sequence)
            self.appends.append(expected_last_sequence + 1)
        if error is not None:
            raise error


@asynccontextmanager
async def serving(journal: MemoryJournal, **options: Any) -> AsyncIterator[Partition]:
    await journal.open()
    partition = Partition(
        0, journal, **{"payload_memory_bytes": 1 << 20, "requests_max": 1000, "polls_max": 1000, **options}
    )
    partition.start()
    await created(partition)
    try:
        yield partition
    finally:
        await partition.close()


async def created(partition: Partition, name: str = "mail", **config: Any) -> None:
    body = json.dumps({"name": name, "config": config}).encode()
    answer = await partition.submit(PARSER.create_queue(body))
    assert answer.rejection is None


def enqueue(payload: Any, queue: str = "mail", **fields: Any) -> Command:
    return PARSER.enqueue(queue, json.dumps({"payload": payload, **fields}).encode())


def receive(count: int = 1, queue: str = "mail") -> Command:
    return PARSER.receive(queue, group=None, consumer=None, messages_max=count, visibility_timeout_ms=None)


def payloads(answer: Answer) -> list[Any]:
    return [message["payload"] for message in json.loads(answer.body)["messages"]]


async def ready(partition: Partition) -> int:
    return int(json.loads((await partition.submit(PARSER.get_queue("mail"))).body)["counts"]["ready"])


async def test_what_arrives_during_one_append_is_the_next_batch() -> None:
    journal = GatedJournal()
    async with serving(journal) as partition:
        before = len(journal.appends)
        journal.gate.clear()
        first = asyncio.ensure_future(partition.submit(enqueue(0)))
        await journal.waiting.wait()
        others = [asyncio.ensure_future(partition.submit(enqueue(n))) for n in range(1, 200)]
        await asyncio.sleep(0)
        assert not first.done()
        journal.gate.set()
        await asyncio.gather(first, *others)
        assert len(journal.appends) - before == 2


async def test_no_answer_leaves_before_its_batch_is_durable_not_even_an_empty_one() -> None:
    journal = GatedJournal()
    async with serving(journal) as partition:
        journal.gate.clear()
        write = asyncio.ensure_future(partition.submit(enqueue("a")))
        await journal.waiting.wait()
        look = asyncio.ensure_future(partition.submit(PARSER.get_queue("mail")))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not write.done()
        assert not look.done()
        journal.gate.set()
        await write
        assert json.loads((await look).body)["counts"]["ready"] == 1


async def test_a_long_poll_gets_the_message_that_comes_later() -> None:
    async with serving(GatedJournal()) as partition:
        poll = asyncio.ensure_future(partition.receive("mail", receive(), 30))
        await ready(partition)
        assert not poll.done()
        await partition.submit(enqueue({"to": "a@example.com"}))
        assert payloads(await asyncio.wait_for(poll, 5)) == [{"to": "a@example.com"}]


async def test_a_receive_and_an_enqueue_in_one_batch_miss_each_other_never() -> None:
    journal = GatedJournal()
    async with serving(journal) as partition:
        journal.gate.clear()
        held = asyncio.ensure_future(partition.submit(enqueue("x", queue="mail")))
        await journal.waiting.wait()
        polls = [asyncio.ensure_future(partition.receive("mail", receive(), 30)) for _ in range(3)]
        await asyncio.sleep(0)
        writes = [asyncio.ensure_future(partition.submit(enqueue(n))) for n in range(2)]
        journal.gate.set()
        answers = await asyncio.wait_for(asyncio.gather(*polls), 5)
        await asyncio.gather(held, *writes)
        assert sorted(str(payloads(answer)[0]) for answer in answers) == ["0", "1", "x"]


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
        journal.held_from = await journal.last_sequence() + 1
        journal.gate.clear()
        await partition.submit(enqueue("only"))
        await asyncio.wait_for(journal.waiting.wait(), 5)
        gone.cancel()
        journal.gate.set()
        answer = await asyncio.wait_for(partition.receive("mail", receive(), 30), 5)
        (message,) = json.loads(answer.body)["messages"]
        assert (message["payload"], message["attempts"], message["deliveries"]) == ("only", 0, 2)


async def test_a_woken_poll_that_is_cancelled_passes_its_turn_on() -> None:
    journal = GatedJournal()
    async with serving(journal) as partition:
        gone, stays = (asyncio.ensure_future(partition.receive("mail", receive(), 30)) for _ in range(2))
        await ready(partition)
        journal.gate.clear()
        write = asyncio.ensure_future(partition.submit(enqueue("only")))
        await journal.waiting.wait()
        journal.gate.set()
        write.add_done_callback(lambda _: gone.cancel())
        await write
        assert payloads(await asyncio.wait_for(stays, 5)) == ["only"]


@pytest.mark.parametrize("committed", [True, False])
async def test_a_failed_append_is_unknown_and_settled_by_fence_and_replay(committed: bool) -> None:
    journal = GatedJournal()
    async with serving(journal) as partition:
        await partition.submit(enqueue("before"))
        journal.fail_next = [(AppendUnknown("no answer"), committed)]
        with pytest.raises(JournalUnavailable) as caught:
            await partition.submit(enqueue("in doubt"))
        assert caught.value.outcome == "unknown"
        assert await ready(partition) == (2 if committed else 1)
        await partition.submit(enqueue("after"))
        assert await ready(partition) == (3 if committed else 2)


async def test_a_refused_append_is_known_to_have_done_nothing() -> None:
    journal = GatedJournal()
    async with serving(journal) as partition:
        journal.fail_next = [(AppendRefused("no room"), False)]
        with pytest.raises(JournalUnavailable) as caught:
            await partition.submit(enqueue("refused"))
        assert caught.value.outcome == "none"
        assert await ready(partition) == 0


async def test_a_parked_poll_outlives_a_poisoning() -> None:
    journal = GatedJournal()
    async with serving(journal) as partition:
        poll = asyncio.ensure_future(partition.receive("mail", receive(), 30))
        await ready(partition)
        journal.fail_next = [(AppendUnknown("no answer"), True)]
        with pytest.raises(JournalUnavailable):
            await partition.submit(enqueue("in doubt"))
        assert payloads(await asyncio.wait_for(poll, 5)) == ["in doubt"]


async def test_a_journal_that_stays_away_is_reported_and_requests_are_told_to_come_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hanzo_queues.server.partition.PATIENCE_S", 0.05)
    stuck = asyncio.Event()

    async def on_stuck() -> None:
        stuck.set()

    journal = GatedJournal()
    async with serving(journal, on_stuck=on_stuck) as partition:
        journal.fail_next = [(AppendUnknown("mute"), False)] * 6
        with pytest.raises(JournalUnavailable):
            await partition.submit(enqueue("in doubt"))
        with pytest.raises(PartitionRecovering) as caught:
            await partition.submit(enqueue("too early"))
        assert caught.value.outcome == "none"
        await asyncio.wait_for(stuck.wait(), 5)


async def test_two_owners_of_one_journal_never_both_write() -> None:
    store = GatedJournal()
    async with serving(store) as first:
        second = Partition(0, store, payload_memory_bytes=1 << 20, requests_max=10, polls_max=10)
        second.start()
        await second.submit(enqueue("of the second"))
        with pytest.raises(JournalUnavailable):
            await first.submit(enqueue("of the deposed"))
        await second.close()
        assert await ready(first) == 1


async def test_older_payloads_are_read_back_from_the_journal() -> None:
    async with serving(GatedJournal(), payload_memory_bytes=1) as partition:
        sent = [{"n": n, "text": "x" * 1000} for n in range(30)]
        for payload in sent:
            await partition.submit(enqueue(payload))
        assert payloads(await partition.submit(receive(30))) == sent


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


async def test_a_poll_whose_time_ends_while_nobody_serves_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hanzo_queues.server.partition.PATIENCE_S", 0.02)
    turns = Turns()
    async with serving(GatedJournal(), ownership=turns) as partition:
        polls = [asyncio.ensure_future(partition.receive("mail", receive(), wait_s)) for wait_s in (0.1, 30)]
        await ready(partition)
        turns.granted.clear()
        partition.lose_ownership()
        with pytest.raises(PartitionRecovering):
            await asyncio.wait_for(polls[0], 5)
        partition.stop_parking()
        with pytest.raises(PartitionRecovering):
            await asyncio.wait_for(polls[1], 5)
        turns.granted.set()


class Unreadable(GatedJournal):
    """A journal whose batches can't be fetched for their payloads while `broken`."""

    broken = False

    async def fetch(self, sequence: int) -> bytes:
        if self.broken:
            raise JournalError("nats-server is away")
        return await super().fetch(sequence)


async def test_leases_of_an_answer_that_cannot_be_built_are_given_back() -> None:
    journal = Unreadable()
    async with serving(journal, payload_memory_bytes=1) as partition:
        for text in ("first", "second"):
            await partition.submit(enqueue(text))
        journal.broken = True
        with pytest.raises(JournalUnavailable) as caught:
            await partition.receive("mail", receive(), 0)
        assert caught.value.outcome == "none"
        journal.broken = False
        (message,) = json.loads((await partition.receive("mail", receive(), 5)).body)["messages"]
        assert (message["payload"], message["attempts"]) == ("first", 0)


async def test_leases_are_given_back_also_when_the_first_try_fails() -> None:
    journal = GatedJournal()
    async with serving(journal) as partition:
        await partition.submit(enqueue("only"))
        answer = await partition.receive("mail", receive(), 0)
        journal.fail_next = [(AppendUnknown("no answer"), False)]
        partition.give_back(answer)
        with pytest.raises(JournalUnavailable):
            await ready(partition)
        (message,) = json.loads((await partition.receive("mail", receive(), 5)).body)["messages"]
        assert (message["deliveries"], message["attempts"]) == (2, 0)


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
        served = []
        for poll in asyncio.as_completed(polls):
            served += payloads(await poll)
            if len(served) == 10:
                break
        assert served == list(range(10)), "first in, first out"
        assert asked <= 3 * 10 + 3
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


class NoRoom(GatedJournal):
    """A journal with room for a fence and no more."""

    async def append(self, batch: bytes, expected_last_sequence: int) -> None:
        if len(batch) > 1000:
            raise AppendUnknown("no space")
        await super().append(batch, expected_last_sequence)


async def test_appends_that_keep_failing_are_reported_though_fences_succeed() -> None:
    stuck = asyncio.Event()

    async def on_stuck() -> None:
        stuck.set()

    journal = NoRoom()
    async with serving(journal, on_stuck=on_stuck) as partition:
        fenced = journal.store.last_sequence
        for _ in range(4):
            with pytest.raises(JournalUnavailable):
                await partition.submit(enqueue("x" * 1000))
        assert stuck.is_set()
        assert journal.store.last_sequence - fenced <= 4


class Turns:
    """An ownership that the test grants."""

    def __init__(self) -> None:
        self.granted = asyncio.Event()
        self.granted.set()
        self.released = False

    async def acquire(self) -> None:
        await self.granted.wait()

    async def release(self) -> None:
        self.released = True


async def test_a_partition_whose_ownership_is_lost_stands_by_until_it_is_granted_again() -> None:
    turns = Turns()
    async with serving(GatedJournal(), ownership=turns) as partition:
        turns.granted.clear()
        partition.lose_ownership()
        waiting = asyncio.ensure_future(partition.submit(enqueue("later")))
        for _ in range(20):
            await asyncio.sleep(0)
        assert (partition.state, waiting.done()) == ("standby", False)
        turns.granted.set()
        await asyncio.wait_for(waiting, 5)
        assert await ready(partition) == 1
    assert turns.released
