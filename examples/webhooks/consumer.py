"""A consumer process: counts deliveries per event and repository.

    python -m examples.webhooks.consumer NAME RESULTS [DIE_AFTER]

With DIE_AFTER it kills itself (-9) once it has stored that many messages, at the worst moment: the result is stored,
the ack is not sent. The message is delivered again, to the other consumer.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from examples.webhooks.deliveries import repository_of
from examples.webhooks.results import Results
from hanzo import Queues
from hanzo_queues import Message

QUEUE = "webhooks"
CONCURRENCY = 4
WORK_SECONDS = 0.01


def main(name: str, results_path: str, die_after: int | None = None) -> None:
    """Consumes until SIGTERM."""
    queues = Queues()
    results = Results(Path(results_path))
    stored = 0

    def note(error: BaseException, message: Message | None) -> None:
        print(f"{name}: {message.metadata['delivery'] if message else '-'} failed: {error}")

    @queues.consumer(QUEUE, concurrency=CONCURRENCY, on_error=note)
    async def count(message: Message) -> None:
        nonlocal stored
        repository = repository_of(message.payload)
        await asyncio.sleep(WORK_SECONDS)  # stands for the work, so that both consumers get their share of it
        stored += results.store(
            (
                message.id,
                message.metadata["delivery"],
                message.metadata["event"],
                repository,
                message.priority,
                json.dumps(message.payload, sort_keys=True),
                name,
            )
        )
        if stored == die_after:
            os.kill(os.getpid(), signal.SIGKILL)

    queues.run()
    results.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else None)
