"""How much an embedded nats-server may store: what it has stored, and what the disk has free, less a reserve.

Its own default, three quarters of what it finds at its start, leaves a quarter of the disk unused and never notices
that space returns. Without a limit it writes until the disk refuses, and a stream that saw a write fail is mute until
the process is restarted. A limit just below the disk's refuses cleanly, and can be raised while the process runs. It
can't be lowered: when others fill the disk, a restart is what finds the new limit.
"""

from __future__ import annotations

import os
from pathlib import Path

RESERVE_BYTES_MAX = 256 * 1024 * 1024
RESERVE_SHARE = 16  # of a small disk
STORE_BYTES_MIN = 1  # 0 would mean no storage at all
BLOCK_BYTES = 512  # the unit of st_blocks


def store_bytes_max(store: Path) -> int:
    """What the nats-server that keeps its store in the directory `store` may hold in it, in bytes. Raises OSError."""
    store.mkdir(mode=0o700, exist_ok=True)
    return max(STORE_BYTES_MIN, _stored(store) + spare_bytes(store))


def spare_bytes(store: Path) -> int:
    """What may still be stored; less than nothing where others took of the reserve. Raises OSError."""
    disk = os.statvfs(store)
    return disk.f_bavail * disk.f_frsize - reserve_bytes(store)


def reserve_bytes(store: Path) -> int:
    """What is kept free: for a last batch, logs, and what else has to be written there. Raises OSError."""
    return min(RESERVE_BYTES_MAX, disk_bytes(store) // RESERVE_SHARE)


def disk_bytes(store: Path) -> int:
    """The size of the disk that the directory `store` is on. Raises OSError."""
    disk = os.statvfs(store)
    return disk.f_blocks * disk.f_frsize


def _stored(store: Path) -> int:
    total = 0
    for folder, _, names in os.walk(store):
        for name in names:
            try:
                total += os.stat(os.path.join(folder, name), follow_symlinks=False).st_blocks * BLOCK_BYTES
            except FileNotFoundError:  # nats-server replaced it meanwhile
                continue
    return total
