"""The partition's promises: group commit, durable answers, an orderly end."""

from __future__ import annotations

import asyncio
import json

import pytest

from hanzo_queues._core import Command
from hanzo_queues.server import writer
from hanzo_queues.server.journal.memory import MemoryJournal
from hanzo_queues.server.partition import Partition
from hanzo_queues.server.writer import APPENDS_MAX
from tests.contract.http_server import until
from tests.unit.served_partition import (
    PARSER,
    GatedJournal,
    enqueue,
    payloads,
    receive,
    serving,
)


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


async def test_an_append_follows_when_as_many_wait_as_are_in_flight_and_replies_leave_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writer, "COMPANY_S_MAX", 60.0)
    journal = GatedJournal()
    async with serving(journal) as partition:
        journal.gate.clear()
        order: list[int] = []
        writes: list[asyncio.Future[None]] = []
        for under_way, count in enumerate((1, 1, 2, 4, 8, 16)):
            for _ in range(count):
                assert journal.under_way == min(under_way, APPENDS_MAX), "what waits is fewer than what is in flight"
                writes.append(asyncio.ensure_future(noted(partition, len(writes), order)))
                for _ in range(10):
                    await asyncio.sleep(0)
        assert journal.under_way == APPENDS_MAX, "the rest becomes the next batch"
        appends = len(journal.appends)
        journal.gate.set()
        await asyncio.gather(*writes)
        assert order == list(range(len(writes)))
        assert len(journal.appends) == appends + APPENDS_MAX + 1


class Held:
    """A partition whose appends are held from here on."""

    def __init__(self, partition: Partition, journal: GatedJournal) -> None:
        self.partition, self.journal = partition, journal
        self.asked: list[asyncio.Future[object]] = []
        journal.gate.clear()

    async def ask(self, *commands: Command) -> int:
        """Appends under way, then."""
        self.asked += [asyncio.ensure_future(self.partition.submit(command)) for command in commands]
        for _ in range(10):
            await asyncio.sleep(0)
        return self.journal.under_way

    async def answered(self) -> None:
        self.journal.gate.set()
        async with asyncio.timeout(10):
            await asyncio.gather(*self.asked)


async def test_fewer_than_are_in_flight_go_when_those_are_durable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "COMPANY_S_MAX", 60.0)
    journal = GatedJournal()
    async with serving(journal) as partition:
        held = Held(partition, journal)
        appends = [await held.ask(enqueue(number)) for number in range(3)]
        assert appends == [1, 2, 2]
        await held.answered()


async def test_nobody_waits_long_for_company() -> None:
    journal = GatedJournal()
    async with serving(journal) as partition:
        held = Held(partition, journal)
        for number in range(3):
            await held.ask(enqueue(number))
        await until(lambda: journal.under_way == 3)
        await held.answered()


async def test_what_appends_nothing_is_no_company_to_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "COMPANY_S_MAX", 60.0)
    journal = GatedJournal()
    async with serving(journal) as partition:
        held = Held(partition, journal)
        await held.ask(enqueue("first"))
        assert await held.ask(*[PARSER.get_queue("mail")] * 20) == 1
        assert await held.ask(enqueue("second")) == 2
        await held.answered()


async def test_who_would_fill_a_step_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "COMPANY_S_MAX", 60.0)
    monkeypatch.setattr(writer, "STEP_MESSAGES_MAX", 2)
    journal = GatedJournal()
    async with serving(journal) as partition:
        held = Held(partition, journal)
        await held.ask(enqueue("first"))
        await held.ask(enqueue("second"))
        assert await held.ask(*[enqueue(number) for number in range(3)]) == 3
        assert await held.ask(enqueue("fills the fourth, as four are in flight")) == 4
        await held.answered()


async def noted(partition: Partition, number: int, order: list[int]) -> None:
    await partition.submit(enqueue(number))
    order.append(number)


class Overtaking(MemoryJournal):
    """A journal that acknowledges the second of two appends first."""

    def __init__(self) -> None:
        super().__init__()
        self.second = asyncio.Event()
        self.holding = False

    async def append(self, batch: bytes, expected_last_sequence: int) -> None:
        await super().append(batch, expected_last_sequence)
        if self.holding:
            self.holding = False
            await self.second.wait()


async def test_no_reply_overtakes_the_batch_before_its_own() -> None:
    journal = Overtaking()
    async with serving(journal) as partition:
        journal.holding = True
        first = asyncio.ensure_future(partition.submit(enqueue("first")))
        for _ in range(10):
            await asyncio.sleep(0)
        second = asyncio.ensure_future(partition.submit(enqueue("second")))
        look = asyncio.ensure_future(partition.submit(PARSER.get_queue("mail")))
        for _ in range(20):
            await asyncio.sleep(0)
        assert (first.done(), second.done(), look.done()) == (False, False, False)
        journal.second.set()
        await asyncio.gather(first, second, look)


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


async def test_older_payloads_are_read_back_from_the_journal() -> None:
    async with serving(GatedJournal(), payload_memory_bytes=1) as partition:
        sent = [{"n": n, "text": "x" * 1000} for n in range(30)]
        for payload in sent:
            await partition.submit(enqueue(payload))
        assert payloads(await partition.submit(receive(30))) == sent
