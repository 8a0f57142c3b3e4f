"""Creating, listing, reading, changing, pausing, purging and deleting queues."""

from __future__ import annotations

from hanzo_queues.server.answer import Answer
from hanzo_queues.server.call import Call
from hanzo_queues.server.edge import Edge
from hanzo_queues.server.query import Parameters, text, whole
from hanzo_queues.server.request_body import read_json_body, read_optional_body

LIST_QUEUES: Parameters = {"prefix": text, "after": text, "limit": whole}


async def create_queue(edge: Edge, call: Call) -> Answer:
    """POST /v1/queues"""
    body = await read_json_body(edge, call)
    parser = edge.parser
    command = parser.create_queue(body)
    return await edge.router.partition_of_queue(parser.queue_of_body(body)).submit(edge.fitting(command))


async def list_queues(edge: Edge, call: Call) -> Answer:
    """GET /v1/queues"""
    command = edge.parser.list_queues(call.text("after"), call.number("limit"), prefix=call.text("prefix"))
    return await edge.router.partitions[0].submit(command)


async def get_queue(edge: Edge, call: Call) -> Answer:
    """GET /v1/queues/{queue}"""
    queue = call.path["queue"]
    return await edge.router.partition_of_queue(queue).submit(edge.parser.get_queue(queue))


async def update_queue(edge: Edge, call: Call) -> Answer:
    """PATCH /v1/queues/{queue}"""
    queue = call.path["queue"]
    command = edge.parser.update_queue(queue, await read_json_body(edge, call))
    return await edge.router.partition_of_queue(queue).submit(edge.fitting(command))


async def pause_queue(edge: Edge, call: Call) -> Answer:
    """POST /v1/queues/{queue}/pause"""
    queue = call.path["queue"]
    command = edge.parser.pause_queue(queue, await read_optional_body(edge, call))
    return await edge.router.partition_of_queue(queue).submit(command)


async def resume_queue(edge: Edge, call: Call) -> Answer:
    """POST /v1/queues/{queue}/resume"""
    queue = call.path["queue"]
    command = edge.parser.resume_queue(queue, await read_optional_body(edge, call))
    return await edge.router.partition_of_queue(queue).submit(command)


async def purge_queue(edge: Edge, call: Call) -> Answer:
    """POST /v1/queues/{queue}/purge"""
    queue = call.path["queue"]
    return await edge.router.partition_of_queue(queue).submit(edge.parser.purge_queue(queue))


async def delete_queue(edge: Edge, call: Call) -> Answer:
    """DELETE /v1/queues/{queue}"""
    queue = call.path["queue"]
    return await edge.router.partition_of_queue(queue).delete(queue, edge.parser.delete_queue(queue))
