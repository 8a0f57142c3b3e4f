"""What a durable reply says to whoever asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hanzo_queues._core import Excerpt, Reply


@dataclass(slots=True)
class Answer:
    """A durable reply, rendered. `rejection` is (code, detail) when the rules said no."""

    rejection: tuple[str, str] | None
    created: bool
    message_count: int
    body: bytes
    reply: Reply


def rendered(reply: Reply, batches: Mapping[int, bytes | Excerpt]) -> Answer:
    """`batches`: what of the journal it needs."""
    return Answer(reply.rejection, reply.created, reply.message_count, reply.render(batches), reply)
