"""Looking at a queue's messages without leasing them."""

from __future__ import annotations

from hanzo_queues.server.answer import Answer
from hanzo_queues.server.call import Call
from hanzo_queues.server.edge import Edge
from hanzo_queues.server.query import Parameters, text, whole

PEEK: Parameters = {
    "state": text,
    "limit": whole,
    "after": text,
    "orderingKey": text,
    "fairnessKey": text,
    "reason": text,
    "consumerGroup": text,
}


async def peek(edge: Edge, call: Call) -> Answer:
    """GET /v1/queues/{queue}/peek"""
    queue = call.path["queue"]
    command = edge.parser.peek(
        queue,
        state=call.text("state"),
        after=call.text("after"),
        limit=call.number("limit"),
        ordering_key=call.text("orderingKey"),
        fairness_key=call.text("fairnessKey"),
        reason=call.text("reason"),
        group=call.text("consumerGroup"),
    )
    return await edge.router.partition_of_queue(queue).submit(command)
