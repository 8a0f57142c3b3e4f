"""Sweeps and trouble: whatever ends a writer in the middle, the next one goes on; no message is lost or doubled."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from hanzo_queues.server import sweeps
from hanzo_queues.server.faults import Fault
from hanzo_queues.server.journal.base import AppendRefused, AppendUnknown, Extent
from hanzo_queues.server.partition import Partition
from hanzo_queues.server.sweeps import accepted_between
from tests.unit.served_partition import PARSER, GatedJournal, created, enqueue, payloads, receive, serving

MESSAGES = 450
PATIENCE_S = 10


async def asked(partition: Partition, command: Any) -> dict[str, Any]:
    answer = await partition.submit(command)
    assert answer.rejection is None, answer.rejection
    body: dict[str, Any] = json.loads(answer.body)
    return body


async def with_dead(partition: Partition, **fields: Any) -> None:
    """450 messages that died in `fragile`."""
    await created(partition, "fragile", maxRetries=0)
    await asyncio.gather(*(partition.submit(enqueue(n, "fragile", **fields)) for n in range(MESSAGES)))
    while held := json.loads((await partition.submit(receive(100, "fragile"))).body)["messages"]:
        nacks = [{"id": message["id"], "receipt": message["receipt"]} for message in held]
        await asked(partition, PARSER.settle("fragile", json.dumps({"nacks": nacks}).encode()))


async def begun(partition: Partition, body: dict[str, Any]) -> str:
    answer = await partition.start_sweep(PARSER.redrive("fragile", json.dumps(body).encode()))
    assert answer.rejection is None
    identity: str = json.loads(answer.body)["id"]
    return identity


async def ended(partition: Partition, sweep: str) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                told = await asked(partition, PARSER.get_sweep(sweep))
            except Fault:
                told = {"state": "running"}
            if told["state"] != "running":
                return told
            await asyncio.sleep(0.002)


async def drained(partition: Partition) -> list[int]:
    came: list[int] = []
    while batch := payloads(await partition.submit(receive(100, "fragile"))):
        came += batch
    return came


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeps, "RETRY_S", 0.01)


@pytest.mark.parametrize("error", [AppendUnknown("no answer"), AppendRefused("no room")])
@pytest.mark.parametrize("committed", [True, False])
@pytest.mark.parametrize("body", [{}, {"filter": {"metadata": {"of": "a"}}}], ids=["all", "by bytes"])
async def test_it_goes_on_after_appends_in_doubt(error: Exception, committed: bool, body: dict[str, Any]) -> None:
    journal = GatedJournal()
    async with serving(journal) as partition:
        await with_dead(partition, metadata={"of": "a"})
        committed = committed and isinstance(error, AppendUnknown)
        # The start becomes durable; of the steps the second fails, and so does one after the recovery.
        sound: list[tuple[Any, bool]] = [(None, True)]
        journal.fail_next = [*sound * 2, (error, committed), *sound * 2, (error, committed)]
        told = await ended(partition, await begun(partition, body))
        assert journal.fail_next == []
        assert (told["matched"], told["moved"], told["failed"]) == (MESSAGES, MESSAGES, 0)
        assert sorted(await drained(partition)) == list(range(MESSAGES))


async def test_another_owner_s_goes_on_where_the_first_was() -> None:
    journal = GatedJournal()
    async with serving(journal) as first:
        await with_dead(first)
        journal.held_from = await journal.last_sequence() + 2
        journal.gate.clear()
        sweep = await begun(first, {})
        await asyncio.wait_for(journal.waiting.wait(), PATIENCE_S)
        journal.gate.set()
        journal.held_from = 0
    async with serving(journal) as second:
        told = await ended(second, sweep)
        assert (told["state"], told["moved"]) == ("done", MESSAGES)
        assert sorted(await drained(second)) == list(range(MESSAGES))


async def test_others_are_served_meanwhile() -> None:
    async with serving(GatedJournal()) as partition:
        await with_dead(partition)
        sweep = await begun(partition, {})
        turns = 0
        while (await asked(partition, PARSER.get_sweep(sweep)))["state"] == "running":
            turns += 1
        assert turns >= 4, "each step lets others have their turn"


async def test_a_client_that_goes_leaves_its_sweep_driven() -> None:
    journal = GatedJournal()
    async with serving(journal) as partition:
        await with_dead(partition)
        journal.gate.clear()
        starting = asyncio.create_task(begun(partition, {}))
        await asyncio.wait_for(journal.waiting.wait(), PATIENCE_S)
        starting.cancel()
        journal.gate.set()
        async with asyncio.timeout(PATIENCE_S):
            poll = PARSER.receive("fragile", group=None, consumer=None, messages_max=1, visibility_timeout_ms=None)
            assert payloads(await partition.receive("fragile", poll, PATIENCE_S))


async def test_ages_become_the_batches_of_their_time() -> None:
    instants = [0, 100, 200, 200, 300, 500]  # of batches 1 to 5, from index 1

    async def instant(lsn: int) -> int:
        return instants[lsn]

    class Aged:
        def __init__(self, ages_ms: tuple[int | None, int | None] | None) -> None:
            self.ages_ms = ages_ms

        def accepted(self, first: int, last: int) -> tuple[int, int]:
            return first, last

    async def between(older_than_ms: int | None, newer_than_ms: int | None) -> Any:
        aged: Any = Aged((older_than_ms, newer_than_ms))
        return await accepted_between(aged, Extent(1, 5, 0), 500, instant)

    assert await between(300, None) == (1, 3)
    assert await between(301, None) == (1, 1)
    assert await between(None, 300) == (2, 5)
    assert await between(0, 0) == (5, 5)
    assert await between(200, 300) == (2, 4)
    assert await between(500, None) == (1, 0)
    unaged: Any = Aged(None)
    assert await accepted_between(unaged, Extent(1, 5, 0), 500, instant) is unaged
