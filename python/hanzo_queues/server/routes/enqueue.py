"""Accepting messages, one or many. The answer leaves when they are durable."""

from __future__ import annotations

from hanzo_queues.server.answer import Answer
from hanzo_queues.server.call import Call
from hanzo_queues.server.edge import Edge
from hanzo_queues.server.request_body import read_json_body


async def enqueue(edge: Edge, call: Call) -> Answer:
    """POST /v1/queues/{queue}/messages"""
    queue = call.path["queue"]
    command = edge.parser.enqueue(queue, await read_json_body(edge, call))
    return await edge.router.partition_of_queue(queue).submit(edge.fitting(command))


async def enqueue_batch(edge: Edge, call: Call) -> Answer:
    """POST /v1/queues/{queue}/messages/batch"""
    queue = call.path["queue"]
    command = edge.parser.enqueue_batch(queue, await read_json_body(edge, call))
    return await edge.router.partition_of_queue(queue).submit(edge.fitting(command))
