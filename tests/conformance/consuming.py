"""A consumer whose handler does what a scenario's script says."""

from __future__ import annotations

import asyncio
from typing import Any

from hanzo_queues import AsyncQueues, Handled, Limited, Message, Reject, Retry
from tests.conformance.live import Live

SECONDS_MAX = 60
OPTIONS = {
    "concurrency": "concurrency",
    "visibilityTimeout": "visibility_timeout",
    "consumerGroup": "consumer_group",
    "keepResults": "keep_results",
}
BATCH_OPTIONS = {**OPTIONS, "batchSize": "batch_size", "batchWait": "batch_wait"}


async def consume(live: Live, arguments: dict[str, Any]) -> dict[str, Any]:
    """Until so many deliveries were handled; what became of each."""
    handled: list[dict[str, Any]] = []
    kills: list[asyncio.Task[None]] = []

    async with live.connect() as client:

        def note(event: Handled) -> None:
            message = event.message
            handled.append(
                {
                    "payload": message.payload,
                    "outcome": event.outcome,
                    "deliveries": message.deliveries,
                    "traceparent": message.traceparent,
                    "running": event.running,
                    "concurrency": event.concurrency,
                }
            )
            if len(handled) == arguments.get("killAfter"):
                kills.append(asyncio.create_task(live.kill()))
            acked = sum(one["outcome"] == "acked" for one in handled)
            if len(handled) == arguments.get("until") or acked == arguments.get("untilAcked"):
                client.stop()

        async def one(message: Message) -> Any:
            return await do(client, message, arguments["script"])

        async def several(messages: list[Message]) -> Any:
            return await asyncio.gather(*map(one, messages), return_exceptions=True)

        batch = "batchSize" in arguments
        names = BATCH_OPTIONS if batch else OPTIONS
        options = {python: arguments[name] for name, python in names.items() if name in arguments}
        declare: Any = client.batch_consumer if batch else client.consumer
        declare(arguments["queue"], on_handled=note, on_error=lambda error, message: None, **options)(
            several if batch else one
        )
        async with asyncio.timeout(SECONDS_MAX):
            await client.run(signals=False)
            await asyncio.gather(*kills)
    return {"handled": handled}


async def do(client: AsyncQueues, message: Message, script: list[dict[str, Any]]) -> Any:
    """What the script says of this delivery."""
    step: dict[str, Any] = next((step for step in script if _is_meant(step, message)), {"do": "return"})
    match step["do"]:
        case "return":
            await asyncio.sleep(step.get("after", 0))
            return step.get("value")
        case "fail":
            raise RuntimeError(step.get("reason", "failed"))
        case "retry":
            raise Retry(step.get("delay"), step.get("reason", "again"))
        case "reject":
            raise Reject(step.get("reason", "never"))
        case "limited":
            raise Limited(step["delay"])
        case "ack":
            await client.ack(message, result=step["result"], enqueue=step.get("enqueue", ()))
            return None
        case "lose":
            await client.purge(message.queue)
            await asyncio.sleep(30)
            return None
        case unknown:
            raise AssertionError(f"no such deed: {unknown}")


def _is_meant(step: dict[str, Any], message: Message) -> bool:
    return bool(step["when"] == message.payload and step.get("delivery", message.deliveries) == message.deliveries)
