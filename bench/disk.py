"""An hour's worth of messages passes a server, and the journal stays small: `make disk`.

    delay many by days -> pass the rest, one in a thousand stays for ever
         '------------- every half second: bytes of the journal on disk, and of the messages that are there

The bound is twice the bytes of the messages and a segment, at every look, not only at the end. The generator stamps the
messages that pass and keeps the ledger.
"""

from __future__ import annotations

import argparse
import asyncio
from contextlib import suppress
from dataclasses import astuple, dataclass, field

from bench.backlog import BATCH, CONNECTIONS, PAYLOAD_BYTES, load
from bench.figure import Figure
from bench.machine import Since
from bench.measured import Measured
from bench.memory import stored_bytes
from examples.local_server import LocalServer
from hanzo_queues import AsyncQueues

SEGMENT_BYTES = 64 << 20
LOOK_EVERY_S = 0.5
DAYS_S = 3 * 86_400
KEPT_EVERY = 1000


@dataclass
class Looks:
    """What was seen of a server's journal. `live_bytes` counts payloads alone."""

    over_bytes: list[int] = field(default_factory=list)
    journal_bytes: int = 0
    live_bytes: int = 0

    async def take(self, server: LocalServer, queues: AsyncQueues) -> None:
        """One look. What is counted first can only be less: messages that come meanwhile are in the journal."""
        counts = [(await queues.get(name)).counts for name in ("steady", "kept", "later")]
        self.live_bytes = sum(sum(astuple(of)) for of in counts) * PAYLOAD_BYTES
        self.journal_bytes = await asyncio.to_thread(stored_bytes, server, "HANZO_P0")
        self.over_bytes.append(self.journal_bytes - 2 * self.live_bytes)

    async def keep_taking(self, server: LocalServer, queues: AsyncQueues) -> None:
        """Until it is cancelled."""
        while True:
            await self.take(server, queues)
            await asyncio.sleep(LOOK_EVERY_S)


async def measure(messages: int, delayed: int) -> list[Figure]:
    """The figures: `delayed` wait for days, `messages` pass."""
    looks = Looks()
    with LocalServer() as server:
        async with AsyncQueues(server.api_key, url=server.url) as queues:
            for name in ("steady", "kept", "later"):
                await queues.create(name)
            looking = asyncio.create_task(looks.keep_taking(server, queues))
            try:
                if delayed:
                    await load(server, "fill", "later", delayed, delay=DAYS_S)
                while_filled = max(looks.over_bytes, default=0)
                passed = await load(server, "pass", "steady", messages, kept_every=KEPT_EVERY // BATCH)
            finally:
                looking.cancel()
                with suppress(asyncio.CancelledError):
                    await looking
            await looks.take(server, queues)
    details = {
        "MiB of messages at the end": looks.live_bytes >> 20,
        "MiB of journal at the end": looks.journal_bytes >> 20,
        "over while they were delayed": while_filled >> 20,
        "passed": passed.messages,
        "a second": round(passed.messages_per_second),
        "looks": len(looks.over_bytes),
    }
    name = f"{messages:,} x 1 KB passed beside {delayed:,} delayed: journal beyond twice what waits"
    most = max(looks.over_bytes) / (1 << 20)
    return [Figure(name, most, "MiB", SEGMENT_BYTES >> 20, at_most=True, details=details)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=3_600_000, help="a thousand a second for an hour")
    parser.add_argument("--delayed", type=int, default=2_000_000)
    parser.add_argument("--write", action="store_true", help="write the figures to bench/results")
    chosen = parser.parse_args()
    since = Since()
    each = CONNECTIONS * BATCH
    figures = []
    for delayed in (0, chosen.delayed // each * each):
        figures += asyncio.run(measure(chosen.messages // each * each, delayed))
        print(figures[-1].row(), flush=True)
    if chosen.write:
        Measured(figures).write("disk", 0, since)


if __name__ == "__main__":
    main()
