"""Looking at one message, explaining, changing and deleting it, and finding the partition an id names."""

from __future__ import annotations

from hanzo_queues.server.answer import Answer
from hanzo_queues.server.call import Call
from hanzo_queues.server.edge import Edge
from hanzo_queues.server.partition import Partition
from hanzo_queues.server.problems import Refused
from hanzo_queues.server.query import Parameters, text
from hanzo_queues.server.request_body import read_json_body

EXPLAIN: Parameters = {"consumerGroup": text, "consumerId": text}


async def get_message(edge: Edge, call: Call) -> Answer:
    """GET /v1/messages/{message}"""
    message = call.path["message"]
    return await partition_of_message(edge, message).submit(edge.parser.get_message(message))


async def explain_message(edge: Edge, call: Call) -> Answer:
    """GET /v1/messages/{message}/explain"""
    message = call.path["message"]
    partition = partition_of_message(edge, message)
    command = edge.parser.explain_message(
        message, group=call.text("consumerGroup"), consumer=call.text("consumerId")
    )
    return await partition.submit(command)


async def change_message(edge: Edge, call: Call) -> Answer:
    """PATCH /v1/messages/{message}"""
    message = call.path["message"]
    partition = partition_of_message(edge, message)
    return await partition.submit(edge.parser.change_message(message, await read_json_body(edge, call)))


async def delete_message(edge: Edge, call: Call) -> Answer:
    """DELETE /v1/messages/{message}"""
    message = call.path["message"]
    return await partition_of_message(edge, message).submit(edge.parser.delete_message(message))


def partition_of_message(edge: Edge, message: str) -> Partition:
    """The partition that `message` names. Raises Invalid (`message_id_invalid`), Refused (`message_not_found`)."""
    partition = edge.router.partition_of_message(message)
    if partition is None:
        raise Refused("message_not_found", "The id names a partition that this server does not have.")
    return partition
