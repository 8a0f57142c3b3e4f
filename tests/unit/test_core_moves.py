"""Bytes that are moved out of the way of a trim, in a batch with bytes that others bring."""

from __future__ import annotations

import pytest

from hanzo_queues._core import Command, step_batch_bytes_min, trim_journal
from tests.unit.core_journal import CoreJournal

STAYS = "stays" * 20


def moving(core: CoreJournal) -> Command:
    """What moves everything that lies in the way of a trim."""
    size = sum(map(len, core.batches.values()))
    while True:
        (reply,) = core.replies(trim_journal(1, size, core.engine.lsn, False))
        assert reply.trimming is not None
        if reply.lsns:
            command = reply.moves({lsn: core.batches[lsn] for lsn in reply.lsns})
            assert command is not None
            return command


def test_what_is_moved_keeps_its_bytes_in_a_step_that_brings_others() -> None:
    core = CoreJournal(segment_bytes=4000)
    core.create("mails")
    for number in range(3):
        core.enqueue("mails", [number, STAYS], delay=9000 + number)
    core.enqueue("mails", "fails")
    for number in range(40):
        core.enqueue("mails", [number, "goes"], priority=9)
        (held,) = core.receive("mails", 1)
        core.ask(core.parser.ack(held["id"], b'{"receipt": "%b"}' % held["receipt"].encode()))
    (held,) = core.receive("mails", 1)
    nack = core.parser.nack(held["id"], b'{"receipt": "%b", "error": "no luck"}' % held["receipt"].encode())
    enqueue = core.parser.enqueue("mails", b'{"payload": "beside", "delay": 9003}')
    last = core.engine.lsn
    core.replies(enqueue, nack, moving(core), enqueue)
    assert core.engine.lsn == last + 1
    assert len(core.batches[last + 1]) > 4 * len(STAYS), "all of it was moved"
    shown = core.ask(core.parser.peek("mails", state="delayed", after=None, limit=9))["messages"]
    stayed = [[number, STAYS] for number in range(3)]
    assert sorted(str(one["payload"]) for one in shown) == sorted(map(str, [*stayed, "fails", "beside", "beside"]))
    assert core.replayed().state_hash() == core.engine.state_hash()


@pytest.mark.parametrize("payload_bytes", [10, 1000, 100_000])
def test_what_is_moved_at_once_fits_into_the_smallest_batch_that_a_nats_server_takes(payload_bytes: int) -> None:
    core = CoreJournal(segment_bytes=4000)
    core.create("mails")
    for _ in range(1100 if payload_bytes < 10_000 else 20):
        core.enqueue("mails", "x" * payload_bytes, delay=9000)
    core.enqueue("mails", "goes" * 2000)
    (held,) = core.receive("mails", 1)
    core.ask(core.parser.ack(held["id"], b'{"receipt": "%b"}' % held["receipt"].encode()))
    command = moving(core)
    assert command.batch_bytes_max + step_batch_bytes_min() < 1_000_000 - 1000
    assert command.messages_max > 3
