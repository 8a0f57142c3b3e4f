"""Consumer groups of a queue and their members: creating, listing, reading, deleting; heartbeats, leaving."""

from __future__ import annotations

from hanzo_queues.server.answer import Answer
from hanzo_queues.server.call import Call
from hanzo_queues.server.edge import Edge
from hanzo_queues.server.request_body import read_json_body


async def create_group(edge: Edge, call: Call) -> Answer:
    """POST /v1/queues/{queue}/groups"""
    queue = call.path["queue"]
    command = edge.parser.create_group(queue, await read_json_body(edge, call))
    return await edge.router.partition_of_queue(queue).submit(command)


async def list_groups(edge: Edge, call: Call) -> Answer:
    """GET /v1/queues/{queue}/groups"""
    queue = call.path["queue"]
    return await edge.router.partition_of_queue(queue).submit(edge.parser.list_groups(queue))


async def get_group(edge: Edge, call: Call) -> Answer:
    """GET /v1/queues/{queue}/groups/{group}"""
    queue = call.path["queue"]
    command = edge.parser.get_group(queue, call.path["group"])
    return await edge.router.partition_of_queue(queue).submit(command)


async def delete_group(edge: Edge, call: Call) -> Answer:
    """DELETE /v1/queues/{queue}/groups/{group}"""
    queue = call.path["queue"]
    group = call.path["group"]
    command = edge.parser.delete_group(queue, group)
    return await edge.router.partition_of_queue(queue).delete(f"{queue}/{group}", command)


async def heartbeat(edge: Edge, call: Call) -> Answer:
    """PUT /v1/queues/{queue}/groups/{group}/members/{consumer}"""
    queue = call.path["queue"]
    command = edge.parser.heartbeat(queue, call.path["group"], call.path["consumer"])
    return await edge.router.partition_of_queue(queue).submit(command)


async def leave(edge: Edge, call: Call) -> Answer:
    """DELETE /v1/queues/{queue}/groups/{group}/members/{consumer}"""
    queue = call.path["queue"]
    command = edge.parser.leave(queue, call.path["group"], call.path["consumer"])
    return await edge.router.partition_of_queue(queue).submit(command)
