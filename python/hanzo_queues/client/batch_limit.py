"""How many entries one request may have: what one request of a client learnt, no other is refused for."""

from __future__ import annotations


class BatchLimit:
    """`entries`: at most so many, until the server, whose MAX_BATCH_SIZE is smaller, refuses as many."""

    __slots__ = ("entries",)

    def __init__(self, entries: int) -> None:
        self.entries = entries

    def refused(self, count: int) -> None:
        """A request of so many entries was too large."""
        self.entries = max(1, min(self.entries, count // 2))
