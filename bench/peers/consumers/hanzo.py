"""The Python SDK's consumer."""

from __future__ import annotations

from bench.peers.consumers import CONCURRENCY, PAYLOAD, Handled, main
from hanzo_queues import AsyncQueues, Message

QUEUE = "consumed"
API_KEY = "your-api-key"


async def fill(address: str, expected: int) -> list[str]:
    async with AsyncQueues(API_KEY, url=address) as queues:
        await queues.create(QUEUE)
        results = await queues.enqueue_batch(QUEUE, [{"payload": PAYLOAD}] * expected)
        return [result.id for result in results if result.id is not None]


async def work(address: str, expected: int) -> Handled:
    handled = Handled(expected)
    async with AsyncQueues(API_KEY, url=address) as queues:

        @queues.consumer(QUEUE, concurrency=CONCURRENCY)
        async def note(message: Message) -> None:
            if handled.note(message.id):
                queues.stop()

        await queues.run()
        left = (await queues.get(QUEUE)).counts
        if left.ready or left.leased:
            raise RuntimeError(f"not everything was acknowledged: {left}")
    return handled


if __name__ == "__main__":
    main(fill, work)
