"""One file a server: how its usual client sends and takes messages. Each has a class `DRIVER`."""

from __future__ import annotations

from typing import Protocol


class Driver(Protocol):
    """`number` is the task that calls, below `tasks`: a driver may give each a connection of its own."""

    async def open(self, address: str, tasks: int) -> None:
        """Connects."""

    async def prepare(self) -> None:
        """Makes the queue."""

    async def send(self, number: int, payload: str) -> str:
        """Returns the id of a message once it is stored."""

    async def send_batch(self, number: int, payloads: list[str]) -> list[str]:
        """The same for several, in as few calls as the server knows."""

    async def take(self, number: int, count: int) -> list[str]:
        """Receives up to `count` messages and acknowledges them; their ids, or none when none was there."""

    async def close(self) -> None:
        """Disconnects."""
