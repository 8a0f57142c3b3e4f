"""`hanzo-queues serve` as it is, but with segments and checkpoints so small that some seconds of load trim the journal.

`python -m tests.faults.small_segments`, with the environment of a server.
"""

from __future__ import annotations

from functools import partial

from hanzo_queues._core import Engine
from hanzo_queues.server import __main__, checkpoint_outage, checkpointer, own_engine

SEGMENT_BYTES = 256 * 1024

if __name__ == "__main__":
    vars(own_engine)["Engine"] = partial(Engine, segment_bytes=SEGMENT_BYTES)
    checkpointer.JOURNAL_BYTES_PER_BYTE = 1
    checkpointer.ROOM_WAIT_S = 0.5
    checkpoint_outage.DELAYS_S = (0.5,)
    __main__.main(["serve"])
