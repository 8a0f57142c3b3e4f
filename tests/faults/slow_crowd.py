"""A crowd of slow clients, as a process of its own: `python -m tests.faults.slow_crowd PORT COUNT`.

Each drips a head or a body, waits in a poll, is silent, or does not read what it asked for; whoever is cut off comes
again. Prints a line when all have connected, then goes on until it is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys

KEY = "your-api-key"
TO = f" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n".encode()
BODY = TO + b"Content-Type: application/json\r\nContent-Length: 5000\r\n\r\n"
BEGINNINGS = [
    b"",
    b"POST /v1/queues/q/messages" + TO,
    b"POST /v1/queues/q/messages" + BODY,
    b"GET /v1/queues/empty/messages?waitTime=30" + TO + b"\r\n",
]
UNREAD = b"GET /v1/queues/large/peek?limit=8" + TO + b"\r\n"
UNREAD_EACH = 20
"""One client of so many asks for megabytes and does not read them."""

DRIP_S = 1.0


def beginning(number: int) -> bytes:
    """What client `number` sends first."""
    return UNREAD if number % UNREAD_EACH == 0 else BEGINNINGS[number % len(BEGINNINGS)]


async def slow(port: int, first: bytes, connected: asyncio.Semaphore) -> None:
    """Sends `first`, then a byte a second where more is due, and reads nothing; over and over."""
    drips = not first.endswith(b"\r\n\r\n") or first.endswith(BODY)
    while True:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
            connected.release()
            writer.write(first)
            while not writer.transport.is_closing():
                await asyncio.sleep(DRIP_S)
                if drips:
                    writer.write(b"x")
        await asyncio.sleep(DRIP_S)


async def main(port: int, count: int) -> None:
    """Never returns."""
    connected = asyncio.Semaphore(0)
    clients = []
    for number in range(count):
        clients.append(asyncio.create_task(slow(port, beginning(number), connected)))
        await asyncio.sleep(DRIP_S / count)  # so that they do not all drip at the same instant
    for _ in clients:
        await connected.acquire()
    print("connected", flush=True)
    await asyncio.gather(*clients)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
