"""`journal verify` follows the chain where a journal was trimmed, also in the middle of what deposed owners left."""

from __future__ import annotations

import pytest

from hanzo_queues._core import Engine, Step
from hanzo_queues.server.journal.base import JournalCorrupt
from hanzo_queues.server.journal_chain import Links
from tests.unit.core_journal import CoreJournal


def bytes_of(step: Step) -> bytes:
    assert step.batch is not None
    return step.batch


class Deposed:
    """A journal that two owners wrote to when a third one had fenced them out; it ends with the fence of a fourth."""

    def __init__(self, kept: str = "kept") -> None:
        core = CoreJournal()
        core.create("orders")
        core.enqueue("orders", kept)
        self._now_ms = core.now_ms
        self._enqueue = core.parser.enqueue("orders", b'{"payload": "void"}')
        first, second = core.replayed(), core.replayed()
        strays = self._written(first, 4)
        fence = second.fence(core.now_ms, bytes(32))
        owns = self._written(second, 6)
        successor = core.replayed()
        # Each lost the place that another's batch had taken, and what was in flight behind it landed.
        self.batches = [*core.batches.values(), bytes_of(fence), *strays[1:], *owns[3:]]
        for lsn, batch in enumerate(self.batches[successor.lsn :], successor.lsn + 1):
            successor.replay(lsn, batch)
        self.batches.append(bytes_of(successor.fence(core.now_ms, bytes(32))))
        self.batches += self._written(successor, 1)

    def _written(self, engine: Engine, count: int) -> list[bytes]:
        return [bytes_of(engine.step(self._now_ms, [self._enqueue])) for _ in range(count)]

    def linked(self, first: int) -> None:
        """From batch `first` on."""
        links = Links(len(self.batches))
        for lsn in range(first, len(self.batches) + 1):
            links.add(lsn, self.batches[lsn - 1])


def test_a_journal_is_sound_wherever_it_was_trimmed_to() -> None:
    journal = Deposed()
    for first in range(1, len(journal.batches) + 1):
        journal.linked(first)


def test_a_batch_that_follows_another_one_is_found() -> None:
    journal = Deposed()
    journal.batches[-1] = Deposed("other").batches[-1]
    for first in range(1, len(journal.batches)):
        with pytest.raises(JournalCorrupt, match="does not follow"):
            journal.linked(first)


def owned_anew(core: CoreJournal) -> bytes:
    """The fence of its next owner."""
    return bytes_of(core.keep(core.engine.fence(core.now_ms, bytes(32))))


def test_where_the_beginning_is_there_a_new_owner_follows_what_counts() -> None:
    core, other = CoreJournal(), CoreJournal()
    core.create("orders")
    other.create("letters")
    links = Links(3)
    links.add(1, core.batches[1])
    links.add(2, core.batches[2])
    with pytest.raises(JournalCorrupt, match="batch 3 does not follow"):
        links.add(3, owned_anew(other))


def test_where_it_was_trimmed_so_does_whoever_comes_behind_one_that_did() -> None:
    core, other = CoreJournal(), CoreJournal()
    core.create("orders")
    other.create("letters")
    owned_anew(core)
    owned_anew(other)
    forged = owned_anew(other)
    links = Links(4)
    links.add(2, core.batches[2])
    links.add(3, core.batches[3])
    with pytest.raises(JournalCorrupt, match="batch 4 does not follow"):
        links.add(4, forged)
