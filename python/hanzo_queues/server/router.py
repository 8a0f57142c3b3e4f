"""Which partition a queue or a message belongs to: a pure function of its name.

A message id and a receipt name their partition, so an ack needs no queue name.
"""

from __future__ import annotations

from collections.abc import Sequence

from hanzo_queues._core import partition_of_message
from hanzo_queues.server.partition import Partition


class Router:
    """The partitions of this server. There is one: a dead-letter queue must share its source's journal until
    messages can be transferred between partitions (docs/adr/0003)."""

    def __init__(self, partitions: Sequence[Partition]) -> None:
        assert len(partitions) == 1, "messages can't be transferred between partitions"
        self.partitions = partitions

    def partition_of_queue(self, name: str) -> Partition:
        """The partition that owns the queue `name`, whether or not the queue exists."""
        return self.partitions[0]

    def partition_of_message(self, message_id: str) -> Partition | None:
        """The partition a message id names; None when this server has no such partition. Raises `Invalid`."""
        return self.partition(partition_of_message(message_id))

    def partition(self, number: int) -> Partition | None:
        """The partition of that number; None when this server does not have it."""
        return self.partitions[number] if number < len(self.partitions) else None
