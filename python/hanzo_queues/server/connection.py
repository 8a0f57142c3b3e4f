"""Whether the client of a request is still there, and what it has sent.

A long poll ends when its client closes the connection, and an answer with leases is not sent to nobody. Knows ASGI's
`http.disconnect`, and nothing of what is waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from starlette.types import Message, Receive

from hanzo_queues.server.call import ClientGone

T = TypeVar("T")


async def while_connected(waiting: Awaitable[T], receive: Receive) -> T:
    """The result of `waiting`, which is cancelled when the client goes away. Raises ClientGone then."""
    current = asyncio.current_task()
    assert current is not None
    watching = asyncio.ensure_future(_until_gone(receive))

    def cancel(_: object) -> None:
        current.cancel()

    watching.add_done_callback(cancel)
    try:
        return await waiting
    except asyncio.CancelledError:
        if watching.done() and current.uncancel() == 0:
            raise ClientGone from None
        raise
    finally:
        watching.remove_done_callback(cancel)
        watching.cancel()


def is_gone(receive: Receive) -> bool:
    """Whether the client has gone already. Never waits."""
    while (message := arrived(receive)) is not None:
        if message["type"] == "http.disconnect":
            return True
    return False


def arrived(receive: Receive) -> Message | None:
    """What `receive` gives at once. None: it would have to wait."""
    step = receive().__await__()
    try:
        next(step)
    except StopIteration as done:
        message: Message = done.value
        return message
    step.close()
    return None


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
