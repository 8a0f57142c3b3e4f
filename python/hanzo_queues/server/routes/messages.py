"""Looking at one message, and finding the partition an id names."""

from __future__ import annotations

from hanzo_queues.server.call import Call
from hanzo_queues.server.edge import Edge
from hanzo_queues.server.partition import Answer, Partition
from hanzo_queues.server.problems import Refused


async def get_message(edge: Edge, call: Call) -> Answer:
    """GET /v1/messages/{message}"""
    message = call.path["message"]
    return await partition_of_message(edge, message).submit(edge.parser.get_message(message))


def partition_of_message(edge: Edge, message: str) -> Partition:
    """The partition that `message` names. Raises Invalid (`message_id_invalid`), Refused (`message_not_found`)."""
    partition = edge.router.partition_of_message(message)
    if partition is None:
        raise Refused("message_not_found", "The id names a partition that this server does not have.")
    return partition
