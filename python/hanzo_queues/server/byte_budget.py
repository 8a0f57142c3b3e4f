"""The bytes of request bodies that are held at the same time. Keeps a count, and no body.

A count of requests does not bound memory: ten thousand bodies may be gigabytes.
"""

from __future__ import annotations

from hanzo_queues.server.faults import Overloaded


class ByteBudget:
    """`bytes_max` bytes, taken and given back. `taken` is what is out now."""

    __slots__ = ("bytes_max", "taken")

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self.taken = 0

    def take(self, count: int) -> None:
        """Takes `count` bytes. Raises Overloaded, and takes none, when fewer are left."""
        if self.taken + count > self.bytes_max:
            raise Overloaded(
                f"the requests in flight hold {self.taken} of {self.bytes_max} bytes (inflight_bytes_max)",
                retry_after_s=1.0,
            )
        self.taken += count

    def give_back(self, count: int) -> None:
        """Gives back `count` bytes that were taken."""
        self.taken -= count
        assert self.taken >= 0
