"""Which members have a poll that waits: whoever has none is seen no longer, and whoever has one is."""

from __future__ import annotations

import asyncio

import pytest

from hanzo_queues.server.answer import Answer
from hanzo_queues.server.faults import JournalUnavailable, PartitionRecovering
from hanzo_queues.server.journal.base import AppendUnknown
from hanzo_queues.server.partition import Partition
from tests.unit.served_partition import PARSER, GatedJournal, created, enqueue, ready, serving, until_served


def poll(partition: Partition, wait_s: float = 30) -> asyncio.Future[Answer]:
    command = PARSER.receive(
        "mail", group=None, consumer="a", messages_max=1, visibility_timeout_ms=None, wait_ms=int(wait_s * 1000)
    )
    return asyncio.ensure_future(partition.receive("mail", command, wait_s, "a"))


def members_that_wait(partition: Partition) -> list[str]:
    return [consumer for _, consumer in partition._polls._of_members]


async def until_parked(partition: Partition) -> None:
    async with asyncio.timeout(5):
        while partition.state != "serving" or partition._polls.parked == 0:  # noqa: ASYNC110
            await asyncio.sleep(0)


async def test_a_poll_that_was_in_doubt_waits_again() -> None:
    """Else another poll that ends would end the session of a member that polls."""
    journal = GatedJournal()
    async with serving(journal) as partition:
        waits = poll(partition)
        await ready(partition)
        journal.fail_next = [(AppendUnknown("no answer"), False)]
        with pytest.raises(JournalUnavailable):
            await partition.submit(enqueue("lost"))  # and the lease of the poll with it
        await until_parked(partition)
        assert members_that_wait(partition) == ["a"]
        waits.cancel()
        await asyncio.wait([waits])
        assert members_that_wait(partition) == []


async def test_a_poll_that_an_outage_ended_waits_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else its member would count as one that polls for as long as the server runs."""
    journal = GatedJournal()
    async with serving(journal) as partition:
        monkeypatch.setattr("hanzo_queues.server.partition.PATIENCE_S", 0.02)
        await created(partition, "other")
        waits = poll(partition, 0.1)  # over in the middle of the outage
        await ready(partition)
        journal.fail_next = [(AppendUnknown("no answer"), False)] * 4
        with pytest.raises(JournalUnavailable):
            await partition.submit(enqueue("in doubt", queue="other"))
        with pytest.raises(PartitionRecovering):
            await asyncio.wait_for(waits, 5)
        await until_served(partition)
        assert members_that_wait(partition) == []
