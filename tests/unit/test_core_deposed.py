"""What a deposed owner had on its way, and where it landed."""

from __future__ import annotations

import pytest

from hanzo_queues._core import BatchError
from tests.unit.core_journal import CoreJournal


def test_a_deposed_owners_batch_behind_the_fence_is_passed_over() -> None:
    core = CoreJournal()
    core.create("orders")
    core.enqueue("orders", "kept")
    deposed, owner = core.replayed(), core.replayed()
    for engine in (deposed, owner):
        assert engine.lsn == core.engine.lsn
    enqueue = core.parser.enqueue("orders", b'{"payload": "void"}')
    lost = deposed.step(core.now_ms, [enqueue])
    stray = deposed.step(core.now_ms, [enqueue])
    fence = owner.fence(core.now_ms, bytes(32))
    assert fence.batch is not None
    assert stray.batch is not None
    assert (lost.lsn, stray.lsn) == (fence.lsn, fence.lsn + 1)
    successor = core.replayed()
    successor.replay(fence.lsn, fence.batch)
    messages = successor.message_count
    with pytest.raises(BatchError):
        successor.replay(stray.lsn, stray.batch[:-1] + bytes([stray.batch[-1] ^ 1]))
    successor.replay(stray.lsn, stray.batch)
    assert (successor.message_count, successor.lsn, successor.epoch) == (messages, stray.lsn, 2)
    with pytest.raises(BatchError):
        core.replayed().replay(stray.lsn, stray.batch)
    owners_lost, owners_stray = (owner.step(core.now_ms, [enqueue]) for _ in range(2))
    assert (owners_lost.lsn, owners_stray.lsn) == (stray.lsn, stray.lsn + 1)
    assert owners_stray.batch is not None
    successor.replay(owners_stray.lsn, owners_stray.batch)
    assert (successor.message_count, successor.lsn) == (messages, owners_stray.lsn)
    goes_on = successor.fence(core.now_ms, bytes(32))
    again = core.replayed()
    for step in (fence, stray, owners_stray, goes_on):
        assert step.batch is not None
        again.replay(step.lsn, step.batch)
    assert again.state_hash() == successor.state_hash()
