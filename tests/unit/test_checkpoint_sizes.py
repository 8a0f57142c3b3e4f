"""How much checkpoints are expected to write: by kinds, and whatever consumers do."""

from __future__ import annotations

import json
import random

from hanzo_queues.server.checkpoint_sizes import CHECKPOINTS_LEFT_FOR, CheckpointSizes
from hanzo_queues.server.checkpointer import byte_count_of
from tests.unit.test_checkpoints import Kept

MESSAGES = 10_000


def filled(**fields: object) -> Kept:
    """With messages in line, each with these fields and a dedup id."""
    kept = Kept()
    for first in range(0, MESSAGES, 100):
        messages = [{"payload": number, "dedupId": str(number), **fields} for number in range(first, first + 100)]
        kept.ask(kept.parser.enqueue_batch("mail", json.dumps({"messages": messages}).encode()))
    return kept


def sizes_of(kept: Kept) -> CheckpointSizes:
    return kept.checkpointer._sizes


async def written(kept: Kept) -> int:
    """The bytes of the checkpoint that is taken now."""
    before = (await kept.store.extent()).byte_count
    purge, kept.store.purge = kept.store.purge, _not_now  # type: ignore[method-assign]
    await kept.take()
    kept.store.purge = purge  # type: ignore[method-assign]
    return (await kept.store.extent()).byte_count - before


async def _not_now(before_sequence: int) -> None:
    return None


async def test_what_is_expected_is_what_is_written_whichever_kinds_changed() -> None:
    kept = filled()
    await kept.take()
    kept.create("another")
    few = sizes_of(kept).expected()
    assert few < 1000
    assert await written(kept) < few + 1000, "the manifest comes with it"
    for first in range(0, MESSAGES, 5000):
        (message,) = kept.receive("mail", 1)
        assert message["id"], first
    one_block = sizes_of(kept).expected()
    assert 0.7 < one_block / await written(kept) < 1.3


async def test_a_start_from_a_checkpoint_expects_what_its_kinds_took() -> None:
    kept = filled()
    await kept.take()
    recovered = await kept.recovered()
    again = CheckpointSizes(recovered.engine, recovered.kept[-1].blocks)
    assert again.needed() == sizes_of(kept).needed()
    assert again._entry_bytes == sizes_of(kept)._entry_bytes


async def test_messages_leave_room_for_what_consumers_make_of_them() -> None:
    kept, chance = filled(priority=7, fairnessKey="f", ttl=100_000, delay=1), random.Random(5)
    await kept.take()
    needed = sizes_of(kept).needed()
    in_line = byte_count_of(kept.checkpointer._directory.values())
    kept.now_ms += 10_000
    held = []
    while came := kept.receive("mail", 100):
        held += [{"id": one["id"], "receipt": one["receipt"]} for one in came]
    assert len(held) == MESSAGES
    chance.shuffle(held)
    for first in range(0, MESSAGES // 2, 100):
        kept.ask(kept.parser.settle("mail", json.dumps({"acks": held[first : first + 100]}).encode()))
    await kept.take()
    at_random = byte_count_of(kept.checkpointer._directory.values())
    assert at_random > 1.4 * in_line
    assert needed >= CHECKPOINTS_LEFT_FOR * at_random
