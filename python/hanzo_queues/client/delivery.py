"""One message in one handler: run it, then tell the server how it ended.

    running --returns--> ack              running --raises Retry----> nack with its delay
            --raises---> nack, the text           --raises Reject---> nack, reject
            --lease lost--> nothing               --stopped---------> nack, due at once

Must not know about polling or capacity; the consumer does.
"""

from __future__ import annotations

import asyncio
import traceback
from typing import TYPE_CHECKING, Literal

from hanzo_queues.client.models import Message
from hanzo_queues.client.registration import HandledAs, Reject, Retry
from hanzo_queues.errors import LeaseLost, MessageNotFound, QueuesError

if TYPE_CHECKING:
    from hanzo_queues.client.async_queues import AsyncQueues

ERROR_BYTES_MAX = 8192
"""As in spec/limits.toml."""
MARK = "\n... [truncated]"
STOPPED = "the consumer stopped before the handler finished"


class Delivery:
    """A message, the task that runs its handler, and why that was ended from outside, if it was."""

    __slots__ = ("ended_by", "message", "running")

    def __init__(self, message: Message) -> None:
        self.message = message
        self.running: asyncio.Task[None] | None = None
        self.ended_by: Literal["", "lease_lost", "stop"] = ""

    def end(self, by: Literal["lease_lost", "stop"], *, cancel: bool) -> None:
        """The handler's result counts no more; `cancel` interrupts it."""
        self.ended_by = by
        if cancel and self.running is not None:
            self.running.cancel()


async def settle(
    client: AsyncQueues, delivery: Delivery, raised: BaseException | None
) -> tuple[HandledAs, BaseException | None]:
    """Tells the server how the handler ended. Returns what became of the message, and the error, if any."""
    if delivery.ended_by == "lease_lost":
        return "lease_lost", raised
    if client._leases.is_settled(delivery.message):
        return "settled", raised
    try:
        return await _tell(client, delivery, raised), raised
    except (LeaseLost, MessageNotFound) as error:
        return "lease_lost", error
    except QueuesError as error:
        return "unsettled", error


async def _tell(client: AsyncQueues, delivery: Delivery, raised: BaseException | None) -> HandledAs:
    message = delivery.message
    match raised:
        case None:
            await client.ack(message)
            return "acked"
        case Reject():
            await client.nack(message, reject=True, error=truncated(str(raised)))
            return "rejected"
        case Retry():
            await client.nack(message, delay=raised.delay, error=truncated(str(raised)))
        case asyncio.CancelledError() if delivery.ended_by == "stop":
            await client.nack(message, delay=0, error=STOPPED)
        case _:
            await client.nack(message, error=error_text(raised))
    return "retried"


def error_text(error: BaseException) -> str:
    """The error in one line, then where it came from; within the server's limit."""
    summary = traceback.format_exception_only(error)[-1].strip()
    trace = "".join(traceback.format_exception(error)).strip()
    return truncated(f"{summary}\n\n{trace}")


def truncated(text: str, bytes_max: int = ERROR_BYTES_MAX) -> str:
    """The text, or its beginning and a mark, in at most so many bytes of UTF-8."""
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= bytes_max:
        return encoded.decode("utf-8")
    return encoded[: bytes_max - len(MARK)].decode("utf-8", "ignore") + MARK
