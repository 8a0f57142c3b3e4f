"""What a client is told when the answer to its request needs bytes of the journal that can't be read now."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from hanzo_queues._core import Command
from hanzo_queues.server.faults import Fault, JournalUnavailable
from hanzo_queues.server.journal.base import JournalError
from hanzo_queues.server.partition import Partition
from tests.unit.served_partition import PARSER, GatedJournal, enqueue, payloads, receive, serving, until_served


class Unreadable(GatedJournal):
    """Gives no batch back as long as the test says."""

    is_unreadable = False

    async def fetch(self, sequence: int) -> bytes:
        if self.is_unreadable:
            raise JournalError("no answer")
        return await super().fetch(sequence)


@asynccontextmanager
async def unreadable() -> AsyncIterator[tuple[Partition, str]]:
    """A partition that holds no batch but the newest, and its message, whose payload lies in an older one. Another was
    done under the dedup id `done`, and kept a result."""
    journal = Unreadable()
    async with serving(journal, payload_memory_bytes=1) as partition:
        await partition.submit(enqueue("first", dedupId="done"))
        (first,) = json.loads((await partition.receive("mail", receive(), 0, "")).body)["messages"]
        ack = PARSER.ack(first["id"], json.dumps({"receipt": first["receipt"], "result": "kept"}).encode())
        await partition.submit(ack)
        kept = json.loads((await partition.submit(enqueue("old"))).body)["id"]
        await partition.submit(PARSER.pause_queue("mail", b"{}"))
        await partition.submit(PARSER.resume_queue("mail", b"{}"))
        journal.is_unreadable = True
        yield partition, kept
        journal.is_unreadable = False


def batch(*messages: object) -> Command:
    return PARSER.enqueue_batch("mail", json.dumps({"messages": messages}).encode())


async def outcome_of(partition: Partition, command: Command) -> str:
    with pytest.raises(JournalUnavailable) as raised:
        await partition.submit(command)
    return raised.value.outcome


async def test_what_only_looked_did_nothing() -> None:
    async with unreadable() as (partition, kept):
        assert await outcome_of(partition, PARSER.get_message(kept)) == "none"


async def test_what_changed_a_message_may_have_changed_it() -> None:
    async with unreadable() as (partition, kept):
        assert await outcome_of(partition, PARSER.change_message(kept, b'{"priority": 9}')) == "unknown"


async def test_what_was_stored_beside_a_duplicate_may_have_been_stored() -> None:
    """Were it told that nothing happened, a client would send the other message again."""
    async with unreadable() as (partition, _):
        duplicate = {"payload": "first", "dedupId": "done"}
        assert await outcome_of(partition, batch(duplicate, {"payload": "new"})) == "unknown"


async def test_a_receive_gave_back_what_it_got() -> None:
    journal = Unreadable()
    async with serving(journal, payload_memory_bytes=1) as partition:
        await partition.submit(enqueue("old"))
        await partition.submit(PARSER.pause_queue("mail", b'{"receive": false, "enqueue": true}'))
        journal.is_unreadable = True
        with pytest.raises(JournalUnavailable) as raised:
            await partition.receive("mail", receive(), 0, "")
        assert raised.value.outcome == "none"
        journal.is_unreadable = False
        answer = await asyncio.wait_for(partition.receive("mail", receive(), 5, ""), 10)
        assert payloads(answer) == ["old"]


async def test_of_an_append_that_met_a_bug_nobody_knows_what_it_did() -> None:
    """It was on its way: what fails behind that says nothing of the batch."""
    journal = GatedJournal()
    async with serving(journal) as partition:
        journal.fail_next = [(LookupError("a bug"), True)]
        with pytest.raises(Fault) as told:
            await partition.submit(enqueue("stored"))
        assert told.value.outcome == "unknown"
        assert await until_served(partition) == 1


async def test_what_is_durable_is_answered_though_who_else_is_told_of_it_fails() -> None:
    async with serving(GatedJournal()) as partition:
        assert partition._writer is not None

        def fails(lsn: int, byte_count: int) -> None:
            raise RuntimeError("an engine that met a bug tells nothing any more")

        partition._writer._on_durable = fails
        answer = await asyncio.wait_for(partition.submit(enqueue("stored")), 5)
        assert answer.rejection is None
        assert await until_served(partition) == 1
