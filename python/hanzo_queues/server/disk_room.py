"""Room for messages on the disk of an embedded nats-server. The last of it is kept for their consumers.

    room for all -> for all but enqueues -> nor for checkpoints -> for nothing
                        '- acks, checkpoints and trimming make room again

An append that finds no room ends the writer, and another begins with an append: then nothing is served. So what brings
messages is refused a little earlier, and a checkpoint waits that would take most of what is left then; receives, acks
and whatever else is small go on. Knows nothing of what is stored, only what the disk has free.
"""

from __future__ import annotations

import time
from pathlib import Path

from hanzo_queues.server.faults import JournalUnavailable
from hanzo_queues.server.nats_disk import disk_bytes, spare_bytes

KEPT_BYTES_MAX = 64 * 1024 * 1024
KEPT_SHARE = 64  # of a small disk
LOOK_EVERY_S = 0.1


class DiskRoom:
    """`store`: the directory that is written to."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._left = 0
        self._looked_at = -LOOK_EVERY_S

    def admit(self, byte_count: int, in_flight_bytes: int) -> None:
        """Returns when a request that may cause `byte_count` journal bytes leaves consumers what they need, after the
        `in_flight_bytes` of all that was let in and may not be written yet. Raises JournalUnavailable: it was not
        carried out."""
        now = time.monotonic()
        if now - self._looked_at >= LOOK_EVERY_S:
            self._looked_at = now
            self._left = self._spare_bytes() - in_flight_bytes
        if byte_count > self._left:
            raise JournalUnavailable(
                "the disk is full: there is no room for more messages. What is queued is still delivered",
                outcome="none",
                retry_after_s=1.0,
            )
        self._left -= byte_count

    def has_for_checkpoint(self, byte_count: int) -> bool:
        """Whether so much of a checkpoint leaves consumers half of what is kept for them."""
        return byte_count <= self._spare_bytes(kept_share=KEPT_SHARE * 2)

    def _spare_bytes(self, kept_share: int = KEPT_SHARE) -> int:
        try:
            kept = min(KEPT_BYTES_MAX * KEPT_SHARE // kept_share, disk_bytes(self._store) // kept_share)
            return spare_bytes(self._store) - kept
        except OSError:  # whoever writes there says what is wrong
            return KEPT_BYTES_MAX


def anywhere(_byte_count: int, _in_flight_bytes: int) -> None:
    """A cluster's disks are not known: its refusals are."""
