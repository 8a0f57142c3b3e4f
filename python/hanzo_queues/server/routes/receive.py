"""Handing messages out, with a long poll. An answer that its client can't receive gives its leases back at once."""

from __future__ import annotations

from functools import partial

from hanzo_queues.server.answer import Answer
from hanzo_queues.server.call import Call, ClientGone
from hanzo_queues.server.connection import is_gone, while_connected
from hanzo_queues.server.edge import Edge
from hanzo_queues.server.problems import Refused
from hanzo_queues.server.query import Parameters, seconds, text, whole

RECEIVE: Parameters = {
    "maxMessages": whole,
    "waitTime": seconds,
    "visibilityTimeout": seconds,
    "consumerGroup": text,
    "consumerId": text,
    "attemptId": text,
}


async def receive(edge: Edge, call: Call) -> Answer:
    """GET /v1/queues/{queue}/messages"""
    queue = call.path["queue"]
    group, consumer = call.text("consumerGroup"), call.text("consumerId")
    wait_ms = _wait_time_ms(edge, call)
    command = edge.parser.receive(
        queue,
        group=group,
        consumer=consumer,
        messages_max=call.number("maxMessages"),
        visibility_timeout_ms=call.number("visibilityTimeout"),
        wait_ms=wait_ms,
        attempt=call.text("attemptId"),
    )
    partition = edge.router.partition_of_queue(queue)
    asking = partition.receive(_line(queue, group), command, wait_ms / 1000, consumer or "")
    answer = await (while_connected(asking, call.receive) if wait_ms else asking)
    if answer.message_count:
        call.on_unsent = partial(partition.give_back, answer.reply)
        if is_gone(call.receive):
            raise ClientGone
    return answer


def _line(queue: str, group: str | None) -> str:
    """What the engine says when messages became ready for this group: see `Engine.step`."""
    return queue if group is None or group == "default" else f"{queue}/{group}"


def _wait_time_ms(edge: Edge, call: Call) -> int:
    wait_ms = call.number("waitTime") or 0
    most_ms = edge.limits["wait_time_ms_max"]
    if wait_ms > most_ms:
        fault = {"pointer": "?waitTime", "detail": f"must be at most {most_ms / 1000:g} seconds"}
        raise Refused("request_invalid", "waitTime is too long.", errors=[fault])
    return wait_ms
