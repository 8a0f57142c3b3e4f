"""Ending and prolonging leases: ack, nack, extend, release, and many of them at once."""

from __future__ import annotations

from hanzo_queues.server.answer import Answer
from hanzo_queues.server.call import Call
from hanzo_queues.server.edge import Edge
from hanzo_queues.server.request_body import read_json_body
from hanzo_queues.server.routes.messages import partition_of_message


async def ack(edge: Edge, call: Call) -> Answer:
    """POST /v1/messages/{message}/ack"""
    message = call.path["message"]
    partition = partition_of_message(edge, message)
    command = edge.parser.ack(message, await read_json_body(edge, call))
    return await partition.submit(edge.fitting(command))


async def nack(edge: Edge, call: Call) -> Answer:
    """POST /v1/messages/{message}/nack"""
    message = call.path["message"]
    partition = partition_of_message(edge, message)
    command = edge.parser.nack(message, await read_json_body(edge, call))
    return await partition.submit(command)


async def extend(edge: Edge, call: Call) -> Answer:
    """POST /v1/messages/{message}/extend"""
    message = call.path["message"]
    partition = partition_of_message(edge, message)
    command = edge.parser.extend(message, await read_json_body(edge, call))
    return await partition.submit(command)


async def release(edge: Edge, call: Call) -> Answer:
    """POST /v1/messages/{message}/release"""
    message = call.path["message"]
    partition = partition_of_message(edge, message)
    command = edge.parser.release(message, await read_json_body(edge, call))
    return await partition.submit(command)


async def settle(edge: Edge, call: Call) -> Answer:
    """POST /v1/queues/{queue}/settle"""
    queue = call.path["queue"]
    command = edge.parser.settle(queue, await read_json_body(edge, call))
    return await edge.router.partition_of_queue(queue).submit(edge.fitting(command))
