"""Room for messages on the disk of an embedded nats-server. The last of it is kept for checkpoints and consumers.

    room for all -> for all but enqueues -> nor for checkpoints -> for nothing
                        '- acks, checkpoints and trimming make room again

An append that finds no room ends the writer, and another begins with an append: then nothing is served. So what brings
messages is refused a little earlier; receives, acks and whatever else is small go on. Only checkpoints let go of what
acks leave: messages leave room for them, and when there is none for messages they don't wait for more to be written.
One that would take most of what consumers have left waits. Knows nothing of what is stored, only what is free.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from hanzo_queues.server.faults import JournalUnavailable
from hanzo_queues.server.nats_disk import disk_bytes, spare_bytes

KEPT_BYTES_MAX = 64 * 1024 * 1024
KEPT_SHARE = 64  # of a small disk
LOOK_EVERY_S = 0.1
ASKS_EVERY_S = 10.0
ASKS_SHARE = 8  # of what is kept for consumers: a checkpoint is asked for before much of that is written


class DiskRoom:
    """`store`: the directory that is written to. See also `hanzo_queues.server.checkpoints.base.CheckpointRoom`."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._left = 0
        self._looked_at = -LOOK_EVERY_S
        self._checkpoint_bytes = 0
        self._refused = False
        self._asked_at = -LOOK_EVERY_S
        self.bytes_needed: Callable[[], int] | None = None
        self.on_refused: Callable[[], None] = _nothing

    def admit(self, byte_count: int, in_flight_bytes: int) -> None:
        """Returns when a request that may cause `byte_count` journal bytes leaves checkpoints and consumers what they
        need, after the `in_flight_bytes` of all that was let in and may not be written yet. Raises JournalUnavailable:
        it was not carried out."""
        now = time.monotonic()
        if now - self._looked_at >= LOOK_EVERY_S:
            self._looked_at = now
            self._left = self._left_for_messages() - in_flight_bytes
        if byte_count > self._left:
            self._refused = True
            self.on_refused()
            raise JournalUnavailable(
                "the disk is full: there is no room for more messages. What is queued is still delivered",
                outcome="none",
                retry_after_s=1.0,
            )
        self._left -= byte_count

    def has_for_checkpoint(self, byte_count: int) -> bool:
        """Whether so much of a checkpoint leaves consumers half of what is kept for them."""
        return self._left_bytes(byte_count, kept_by=2) >= 0

    def has_for_moves(self, byte_count: int) -> bool:
        """Whether so many bytes, for which nothing goes before two checkpoints, leave those what they need, and
        consumers half of what is kept for them."""
        return self._left_bytes(self._needed_bytes() + byte_count, kept_by=2) >= 0

    def asks_for_checkpoint(self, journal_bytes: int, waited_s: float) -> bool:
        """Whether one is due because there is no room for messages, so many bytes of journal and seconds behind the
        last. The disk is asked seldom: ask again with whatever is written or refused."""
        now = time.monotonic()
        if now - self._asked_at < LOOK_EVERY_S:
            return False
        self._asked_at = now
        is_short = self._refused or self._left_for_messages() <= 0
        self._refused = False
        return is_short and (waited_s >= ASKS_EVERY_S or journal_bytes >= self._kept_bytes() // ASKS_SHARE)

    def _left_for_messages(self) -> int:
        return self._left_bytes(self._needed_bytes())

    def _needed_bytes(self) -> int:
        if self.bytes_needed is not None:
            with suppress(RuntimeError):  # an engine that met a bug tells nothing any more, and has a successor soon
                self._checkpoint_bytes = self.bytes_needed()
        return self._checkpoint_bytes

    def _left_bytes(self, beside: int, kept_by: int = 1) -> int:
        """What may be written, when so much is left and so large a part of what is kept for consumers."""
        try:
            return spare_bytes(self._store) - self._kept_bytes() // kept_by - beside
        except OSError:  # whoever writes there says what is wrong
            return KEPT_BYTES_MAX

    def _kept_bytes(self) -> int:
        try:
            return min(KEPT_BYTES_MAX, disk_bytes(self._store) // KEPT_SHARE)
        except OSError:  # as above
            return KEPT_BYTES_MAX


def _nothing() -> None:
    return None


def anywhere(_byte_count: int, _in_flight_bytes: int) -> None:
    """A cluster's disks are not known: its refusals are."""
