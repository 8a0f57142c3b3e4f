"""Payloads that are read back: each answer keeps what it needs of a batch, and few batches are read at once."""

from __future__ import annotations

import asyncio
import json
from functools import partial

import pytest

from hanzo_queues._core import BatchError, Engine, Reply
from hanzo_queues.server.journal.memory import MemoryJournal
from hanzo_queues.server.payloads import FORGOTTEN_MAX, Payloads
from tests.contract.http_server import until
from tests.unit.core_journal import CoreJournal
from tests.unit.served_partition import PARSER, created, enqueue, receive, serving

BATCHES = 24
READ_AT_ONCE = 8


class Slow(MemoryJournal):
    """A journal whose batches come when told so, and that counts who waits."""

    def __init__(self, batches: dict[int, bytes]) -> None:
        super().__init__(batch_bytes_max=1 << 20)
        self.batches = batches
        self.waiting = 0
        self.waiting_most = 0
        self.go = asyncio.Event()

    async def fetch(self, lsn: int) -> bytes:
        self.waiting += 1
        self.waiting_most = max(self.waiting, self.waiting_most)
        await self.go.wait()
        self.waiting -= 1
        return self.batches[lsn]


@pytest.fixture
def core() -> CoreJournal:
    core = CoreJournal()
    core.create("q")
    return core


def received(core: CoreJournal, count: int) -> Reply:
    (reply,) = core.replies(core.receive_command("q", count))
    return reply


async def test_an_answer_of_excerpts_is_the_answer_of_whole_batches(core: CoreJournal) -> None:
    batch = {"messages": [{"payload": f"payload {number}", "metadata": {"n": number}} for number in range(3)]}
    core.ask(core.parser.enqueue_batch("q", json.dumps(batch).encode()))
    core.enqueue("q", "x" * 5000)
    reply = received(core, 4)
    whole = {lsn: core.batches[lsn] for lsn in reply.lsns}
    excerpts = {lsn: reply.excerpt(lsn, batch) for lsn, batch in whole.items()}
    assert len(whole) == 2
    assert reply.render(excerpts) == reply.render(whole)
    first, second = reply.lsns
    assert reply.render({first: whole[first], second: excerpts[second]}) == reply.render(whole)


async def test_an_excerpt_of_another_batch_or_reply_is_refused(core: CoreJournal) -> None:
    core.enqueue("q", 1)
    core.enqueue("q", 2)
    one, other = received(core, 1), received(core, 1)
    (lsn,) = one.lsns
    with pytest.raises(BatchError):
        one.excerpt(lsn + 1, core.batches[lsn])
    with pytest.raises(KeyError):
        one.render({lsn: other.excerpt(lsn + 1, core.batches[lsn + 1])})
    with pytest.raises(BatchError):
        one.render({lsn: other.excerpt(lsn, core.batches[lsn])})


async def test_few_batches_are_read_at_the_same_time(core: CoreJournal) -> None:
    for number in range(BATCHES):
        core.enqueue("q", number)
    journal = Slow(core.batches)
    payloads = Payloads(journal, 1)
    replies = [received(core, 6) for _ in range(BATCHES // 6)]
    loading = [asyncio.create_task(payloads.load(reply)) for reply in replies]
    await until(lambda: journal.waiting >= READ_AT_ONCE)
    journal.go.set()
    for reply, found in zip(replies, await asyncio.gather(*loading), strict=True):
        assert list(found) == reply.lsns
        assert reply.render(found)
    assert journal.waiting_most == READ_AT_ONCE
    assert payloads.memory_bytes <= max(map(len, core.batches.values()))


async def test_a_purge_waits_for_the_reads_under_way_of_what_it_takes_away(core: CoreJournal) -> None:
    core.enqueue("q", "read meanwhile")
    reply = received(core, 1)
    [lsn] = reply.lsns
    journal = Slow(core.batches)
    payloads = Payloads(journal, memory_bytes_max=1)
    load = asyncio.create_task(payloads.load(reply))
    await until(lambda: journal.waiting == 1)
    await asyncio.wait_for(payloads.unread(lsn), 5)  # what is read lies behind
    purge = asyncio.create_task(payloads.unread(lsn + 1))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not purge.done()
    journal.go.set()
    await asyncio.wait_for(purge, 5)
    assert load.done()
    assert reply.render(await load) == reply.render({lsn: core.batches[lsn]})


async def test_batches_that_are_done_with_go_a_few_at_a_time() -> None:
    payloads = Payloads(Slow({}), memory_bytes_max=1 << 20)
    first, count = 1_000_000, 2 * FORGOTTEN_MAX
    for lsn in range(first, first + count):
        payloads.put(lsn, b"x" * 10)
    payloads.forget_before(first - 1)
    assert payloads.memory_bytes == 10 * count
    payloads.forget_before(first + 3)
    assert payloads.memory_bytes == 10 * (count - 3)
    payloads.forget_before(first + count)
    assert payloads.memory_bytes == 10 * (count - 3 - FORGOTTEN_MAX)
    payloads.forget_before(first + count)
    assert payloads.memory_bytes == 0
    payloads.put(first + count, b"y" * 10)
    payloads.clear()
    payloads.put(7, b"z" * 10)
    payloads.forget_before(8)
    assert payloads.memory_bytes == 0


async def test_a_backlog_that_was_read_back_goes_as_well() -> None:
    engine = partial(Engine, 0, segment_bytes=1 << 18)
    async with serving(MemoryJournal(), new_engine=engine, payload_memory_bytes=1 << 30) as partition:
        payloads = partition._payloads
        for _ in range(100):
            await partition.submit(enqueue("x" * 10_000))
        payloads.clear()  # as a recovery does
        await partition.submit(enqueue("the newest"))
        for _ in range(101):
            [one] = json.loads((await partition.submit(receive())).body)["messages"]
            body = json.dumps({"receipt": one["receipt"]}).encode()
            await partition.submit(PARSER.ack(one["id"], body))
        for _ in range(20):
            await partition.submit(enqueue("after it"))
        assert payloads.memory_bytes < 1 << 17


async def test_a_partition_that_is_worked_off_holds_no_payloads_and_one_that_waits_all() -> None:
    segment_bytes, rounds, each = 1 << 18, 40, 20
    engine = partial(Engine, 0, segment_bytes=segment_bytes)
    async with serving(MemoryJournal(), new_engine=engine, payload_memory_bytes=1 << 30) as partition:
        payloads = partition._payloads

        async def pass_through(queue: str) -> None:
            for _ in range(each):
                await partition.submit(enqueue("x" * 1000, queue))
            if queue == "mail":
                answer = await partition.submit(receive(each))
                acks = [{"id": one["id"], "receipt": one["receipt"]} for one in json.loads(answer.body)["messages"]]
                await partition.submit(PARSER.settle(queue, json.dumps({"acks": acks}).encode()))

        for _ in range(rounds):
            await pass_through("mail")
        assert rounds * each * 1000 > 3 * segment_bytes
        assert payloads.memory_bytes < segment_bytes
        await created(partition, "kept")
        for _ in range(rounds):
            await pass_through("kept")
        assert payloads.memory_bytes > rounds * each * 1000
