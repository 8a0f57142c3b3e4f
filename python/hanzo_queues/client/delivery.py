"""One message in a handler: run it, then tell the server how it ended.

    running --returns--> ack              running --raises Retry----> nack with its delay
            --raises---> nack, the text           --raises Reject---> nack, reject
            --lease lost--> nothing               --raises Limited--> release with its delay, no attempt counted
                                                  --stopped---------> release, no attempt counted

Must not know about polling or capacity; the consumer does.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from hanzo_queues.client.keepalive import GONE
from hanzo_queues.client.models import Message
from hanzo_queues.client.registration import HandledAs, Limited, Reject, Retry
from hanzo_queues.client.spec import ERROR_BYTES_MAX
from hanzo_queues.client.wire import NOT_GIVEN
from hanzo_queues.errors import PayloadTooLarge, QueuesError, RequestInvalid

if TYPE_CHECKING:
    from hanzo_queues.client.async_queues import AsyncQueues

MARK = "\n... [truncated]"


class Delivery:
    """A message that was received, the call of the handler that has it, and why that was ended from outside, if it
    was. `took`: how long it ran, when it has ended."""

    __slots__ = ("ended_by", "handling", "message", "took")

    def __init__(self, message: Message) -> None:
        self.message = message
        self.handling: Handling | None = None
        self.ended_by: Literal["", "lease_lost", "stop"] = ""
        self.took = 0.0


class Handling:
    """One call of the handler: its messages (one, or a batch), and the task that runs it."""

    __slots__ = ("deliveries", "running")

    def __init__(self, deliveries: Sequence[Delivery]) -> None:
        self.deliveries = deliveries
        for delivery in deliveries:
            delivery.handling = self
        self.running: asyncio.Task[None] | None = None

    @property
    def is_lost(self) -> bool:
        """Whether all its leases are lost: a batch goes on while one of its messages is still ours."""
        return all(delivery.ended_by == "lease_lost" for delivery in self.deliveries)

    def cancel_if_lost(self) -> None:
        if self.running is not None and self.is_lost:
            self.running.cancel()

    def stop(self) -> None:
        """Interrupts the handler; what it did not settle is given back."""
        for delivery in self.deliveries:
            delivery.ended_by = delivery.ended_by or "stop"
        if self.running is not None:
            self.running.cancel()


@dataclass(slots=True)
class Outcome:
    """How a handler ended for one message: what it raised, or its result, if that is to be kept."""

    raised: BaseException | None = None
    result: Any = NOT_GIVEN


DONE = Outcome()
"""The handler returned, and nothing of what it returned is to be kept."""


async def settle(
    client: AsyncQueues, delivery: Delivery, outcome: Outcome
) -> tuple[HandledAs, BaseException | None]:
    """Tells the server how the handler ended. Returns what became of the message, and the error, if any."""
    if delivery.ended_by == "lease_lost":
        return "lease_lost", outcome.raised
    if client._leases.is_settled(delivery.message):
        return "settled", outcome.raised
    try:
        return await _tell(client, delivery, outcome), outcome.raised
    except (TypeError, RequestInvalid, PayloadTooLarge) as error:
        if outcome.result is NOT_GIVEN:
            return "unsettled", error
        ended_as, failed = await settle(client, delivery, DONE)  # a result that can't be kept undoes no work
        return ended_as, failed or error
    except QueuesError as error:
        return refused_as(error), error


def refused_as(error: QueuesError) -> HandledAs:
    """What becomes of a message whose settlement was refused."""
    return "lease_lost" if isinstance(error, GONE) else "unsettled"


async def _tell(client: AsyncQueues, delivery: Delivery, outcome: Outcome) -> HandledAs:
    message, raised = delivery.message, outcome.raised
    match raised:
        case None:
            await client.ack(message, result=outcome.result)
            return "acked"
        case Reject():
            await client.nack(message, reject=True, error=truncated(str(raised)))
            return "rejected"
        case Retry():
            await client.nack(message, delay=raised.delay, error=truncated(str(raised)))
        case Limited():
            await client.release(message, delay=raised.delay)
            return "released"
        case asyncio.CancelledError() if delivery.ended_by == "stop":
            await client.release(message)
            return "released"
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
