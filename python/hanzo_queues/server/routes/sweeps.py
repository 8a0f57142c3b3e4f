"""Redriving dead letters, and cancelling or changing messages by filter: begun here, done in the background."""

from __future__ import annotations

from hanzo_queues.server.answer import Answer
from hanzo_queues.server.call import Call
from hanzo_queues.server.edge import Edge
from hanzo_queues.server.partition import Partition
from hanzo_queues.server.problems import Refused
from hanzo_queues.server.query import Parameters, text, whole
from hanzo_queues.server.request_body import read_json_body, read_optional_body

LIST_SWEEPS: Parameters = {"after": text, "limit": whole}


async def redrive(edge: Edge, call: Call) -> Answer:
    """POST /v1/queues/{queue}/redrive"""
    queue = call.path["queue"]
    command = edge.parser.redrive(queue, await read_optional_body(edge, call))
    return await edge.router.partition_of_queue(queue).start_sweep(edge.fitting(command))


async def sweep(edge: Edge, call: Call) -> Answer:
    """POST /v1/queues/{queue}/sweep"""
    queue = call.path["queue"]
    command = edge.parser.sweep(queue, await read_json_body(edge, call))
    return await edge.router.partition_of_queue(queue).start_sweep(edge.fitting(command))


async def list_sweeps(edge: Edge, call: Call) -> Answer:
    """GET /v1/sweeps"""
    command = edge.parser.list_sweeps(call.text("after"), call.number("limit"))
    return await edge.router.partitions[0].submit(command)


async def get_sweep(edge: Edge, call: Call) -> Answer:
    """GET /v1/sweeps/{sweep}, GET /v1/redrives/{redrive}"""
    sweep = _sweep(call)
    command = edge.parser.get_sweep(sweep)
    return await _partition_of(edge, sweep).submit(command)


async def cancel_sweep(edge: Edge, call: Call) -> Answer:
    """DELETE /v1/sweeps/{sweep}, DELETE /v1/redrives/{redrive}"""
    sweep = _sweep(call)
    command = edge.parser.cancel_sweep(sweep)
    return await _partition_of(edge, sweep).submit(command)


def _sweep(call: Call) -> str:
    """A redrive is a sweep: either path knows both."""
    return call.path.get("sweep") or call.path["redrive"]


def _partition_of(edge: Edge, sweep: str) -> Partition:
    """The partition that a sweep's id names; the id was read already."""
    partition = edge.router.partition_of_message(sweep)
    if partition is None:
        raise Refused("sweep_not_found", "The id names a partition that this server does not have.")
    return partition
