"""Reading ahead: a backlog that is received in order costs few requests, and what goes wrong costs nothing else."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from hanzo_queues._core import Command
from hanzo_queues.server.journal.base import JournalCorrupt, JournalError
from hanzo_queues.server.journal.memory import MemoryJournal
from hanzo_queues.server.payloads import Payloads
from hanzo_queues.server.read_ahead import AHEAD_MAX, WALKS_MAX
from tests.unit.core_journal import CoreJournal

MESSAGES = 600
MEMORY_BYTES = 1 << 20


class CountingJournal(MemoryJournal):
    """How often it was asked, and what it refuses to read in a run."""

    def __init__(self) -> None:
        super().__init__()
        self.fetches: list[int] = []
        self.runs: list[tuple[int, int]] = []
        self.run_bytes: list[int] = []
        self.failure: Exception | None = None
        self.damaged = 0

    async def fetch(self, sequence: int) -> bytes:
        self.fetches.append(sequence)
        return await super().fetch(sequence)

    async def fetch_run(self, first_sequence: int, last_sequence: int, bytes_max: int) -> list[tuple[int, bytes]]:
        if self.failure is not None and len(self.runs) % 2 == 0:
            self.runs.append((first_sequence, first_sequence))
            raise self.failure
        found = await super().fetch_run(first_sequence, last_sequence, bytes_max)
        self.runs.append((first_sequence, found[-1][0]))
        self.run_bytes.append(sum(len(batch) for _, batch in found))
        return [(at, batch[:-1] + b"?" if at == self.damaged else batch) for at, batch in found]


class Backlog(CoreJournal):
    """Messages that wait, a batch each, and the payloads as a server reads them back."""

    def __init__(self) -> None:
        super().__init__()
        self.create("mail")
        for number in range(MESSAGES):
            self.enqueue("mail", number)
        self.journal = CountingJournal()
        self.payloads = Payloads(self.journal, MEMORY_BYTES)

    async def open(self) -> Backlog:
        for lsn, batch in self.batches.items():
            await self.journal.append(batch, lsn - 1)
        self.payloads.put(self.engine.lsn, self.batches[self.engine.lsn])
        return self

    def receiving(self, count: int, queue: str = "mail") -> Command:
        return self.parser.receive(queue, group=None, consumer=None, messages_max=count, visibility_timeout_ms=None)

    async def received(self, count: int) -> list[Any]:
        (reply,) = self.replies(self.receiving(count))
        answer = reply.render(await self.payloads.load(reply))
        return [message["payload"] for message in json.loads(answer)["messages"]]


@pytest.fixture
async def backlog() -> Backlog:
    return await Backlog().open()


async def all_of(backlog: Backlog, count: int = 5) -> list[Any]:
    payloads: list[Any] = []
    while some := await backlog.received(count):
        payloads += some
    return payloads


async def test_a_backlog_that_is_received_in_order_is_read_in_runs(backlog: Backlog) -> None:
    assert await all_of(backlog) == list(range(MESSAGES))
    assert len(backlog.journal.fetches) + len(backlog.journal.runs) < MESSAGES / 20
    read = [lsn for first, last in backlog.journal.runs for lsn in range(first, last + 1)]
    assert len(read) == len(set(read)), "no batch is read twice"


async def test_runs_go_on_until_enough_is_ahead_of_what_is_wanted(backlog: Backlog) -> None:
    await backlog.received(5)
    ahead = MEMORY_BYTES // 4 // WALKS_MAX // AHEAD_MAX * (AHEAD_MAX - 1)
    sizes = {lsn: len(batch) for lsn, batch in backlog.batches.items()}
    for _ in range(MESSAGES // 3):
        (reply,) = backlog.replies(backlog.receiving(1))
        await backlog.payloads.load(reply)
        for _ in range(5):
            await asyncio.sleep(0)  # a run that was begun asks, and the one behind it
        (wanted,) = reply.lsns
        until = backlog.journal.runs[-1][1]
        assert sum(sizes[lsn] for lsn in range(wanted + 1, until + 1)) > ahead


async def test_backlogs_that_lie_apart_are_read_in_runs_in_turns() -> None:
    backlog = Backlog()
    queues = [f"queue{number}" for number in range(WALKS_MAX)]
    for queue in queues:
        backlog.create(queue)
        for number in range(200):
            backlog.enqueue(queue, number)
    await backlog.open()
    for numbers in range(0, 200, 5):
        for queue in queues:
            (reply,) = backlog.replies(backlog.receiving(5, queue))
            answer = json.loads(reply.render(await backlog.payloads.load(reply)))
            assert [message["payload"] for message in answer["messages"]] == list(range(numbers, numbers + 5))
    assert len(backlog.journal.fetches) == WALKS_MAX, "the first of each"
    assert len(backlog.journal.runs) < WALKS_MAX * 200 / 20


@pytest.mark.parametrize("apart", [40, 100, 200])
async def test_who_is_some_way_ahead_goes_a_way_of_its_own(apart: int) -> None:
    backlog, fill, answers = Backlog(), "x" * 20_000, 300
    for queue in ("behind", "ahead"):
        backlog.create(queue)
    for number in range(answers + apart):
        queues = ["behind"] * (number < answers) + ["ahead"] * (number >= apart)
        for queue in queues:
            backlog.enqueue(queue, [number, fill])
    await backlog.open()
    for number in range(answers):
        for queue, expected in (("behind", number), ("ahead", number + apart)):
            (reply,) = backlog.replies(backlog.receiving(1, queue))
            answer = json.loads(reply.render(await backlog.payloads.load(reply)))
            assert [message["payload"][0] for message in answer["messages"]] == [expected]
    read = sum(last - first + 1 for first, last in backlog.journal.runs) + len(backlog.journal.fetches)
    assert read < 3 * 2 * answers, "either way brings what lies between its own messages, once"


async def test_nothing_is_read_ahead_for_one_answer_here_and_there(backlog: Backlog) -> None:
    await backlog.received(1)
    for skipped in (100, 200):
        for _ in range(skipped):
            (reply,) = backlog.replies(backlog.receiving(1))
            assert reply.message_count == 1
        await backlog.received(1)
    assert len(backlog.journal.fetches) == 3
    assert backlog.journal.runs == []


@pytest.mark.parametrize("failure", [JournalError("no answer"), JournalCorrupt("gone")])
async def test_a_run_that_fails_is_made_up_for(backlog: Backlog, failure: Exception) -> None:
    backlog.journal.failure = failure
    assert await all_of(backlog) == list(range(MESSAGES))
    assert backlog.journal.runs


async def test_a_damaged_batch_of_a_run_is_not_handed_out(backlog: Backlog) -> None:
    backlog.journal.damaged = 40
    assert await all_of(backlog) == list(range(MESSAGES))
    assert 40 in backlog.journal.fetches


async def test_what_may_not_be_durable_yet_is_not_read(backlog: Backlog) -> None:
    end = backlog.engine.lsn
    assert await all_of(backlog) == list(range(MESSAGES))
    assert max(last for _, last in backlog.journal.runs) == end - 4


async def test_an_answer_that_needs_many_batches_reads_one_by_itself(backlog: Backlog) -> None:
    await backlog.received(9)
    assert len(backlog.journal.fetches) == 1
    assert backlog.journal.runs


async def test_a_run_ends_early_where_batches_are_larger_than_those_before() -> None:
    backlog = Backlog()
    large = "x" * (MEMORY_BYTES // 32)
    for number in range(40):
        backlog.enqueue("mail", [number, large])
    await backlog.open()
    assert len(await all_of(backlog)) == MESSAGES + 40
    at_once = MEMORY_BYTES // 4 // WALKS_MAX // AHEAD_MAX
    most = max(backlog.journal.run_bytes)
    assert at_once < most < at_once + 2 * len(large), "a run came to the large ones, and went on to one of them"


async def test_without_memory_for_it_nothing_is_read_ahead(backlog: Backlog) -> None:
    backlog.payloads = Payloads(backlog.journal, 1)
    backlog.payloads.put(backlog.engine.lsn, backlog.batches[backlog.engine.lsn])
    assert await all_of(backlog) == list(range(MESSAGES))
    assert backlog.journal.runs == []
