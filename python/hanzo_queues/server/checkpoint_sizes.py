"""How many bytes checkpoints are likely to write, and what messages leave on a disk for them: by kinds of blocks.

What an entry of a kind takes is known from the last checkpoint. Of messages that changes most: in line they take 2 to
4 bytes each, leased and acked here and there 22, with all that a message can have 30. Who leaves room for checkpoints
must not count on a line that consumers are about to take apart. Knows entries and bytes, not what they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from hanzo_queues._core import BlockEntry, Engine

MESSAGES = 1
"""The kind of blocks that messages are in."""
ENTRY_BYTES_GUESS = 8  # before any of its kind was written
ENTRY_BYTES_MAX = 32  # of a message, or what was never written
CHECKPOINTS_LEFT_FOR = 3  # those that two manifests name, and one that is written


class CheckpointSizes:
    """Of the checkpoints of `engine`, whose last one has these `blocks`."""

    def __init__(self, engine: Engine, blocks: Iterable[BlockEntry]) -> None:
        self._engine = engine
        self._entry_bytes: dict[int, float] = {}
        self.learn(blocks, self.counts())

    def counts(self) -> dict[int, int]:
        """How many entries of each kind there are now."""
        return {kind: count for kind, _, count in self._engine.extents()}

    def learn(self, blocks: Iterable[BlockEntry], counts: dict[int, int]) -> None:
        """A checkpoint has these blocks; when it began there were so many entries."""
        byte_counts: Counter[int] = Counter()
        for block in blocks:
            byte_counts[block.place[0]] += block.extent[2]
        for kind, byte_count in byte_counts.items():
            self._entry_bytes[kind] = byte_count / max(1, counts[kind])

    def expected(self) -> int:
        """What a checkpoint writes that begins now, about."""
        return round(sum(
            changed * self._entry_bytes.get(kind, ENTRY_BYTES_GUESS) for kind, changed, _ in self._engine.extents()
        ))  # fmt: skip

    def needed(self) -> int:
        """What checkpoints need until they let go of what is dead, whatever consumers do meanwhile to what there is."""
        return round(CHECKPOINTS_LEFT_FOR * sum(count * self._most(kind) for kind, count in self.counts().items()))

    def _most(self, kind: int) -> float:
        known = self._entry_bytes.get(kind, ENTRY_BYTES_MAX)
        return max(known, ENTRY_BYTES_MAX) if kind == MESSAGES else known
