"""What carries a client's requests to the server in this process, in place of HTTP.

    a client's event loop --exchange--> [thread border] --> the server's event loop

Fails as a connection does when a test says so. Belongs to one client, as a pool of connections does.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from hanzo_queues.client.http_stream import Answer
from hanzo_queues.errors import ServerUnreachable
from hanzo_queues.testing.in_process import InProcess, line_and_wait


@dataclass(slots=True)
class Weather:
    """How requests fare, those of all clients of a broker."""

    unreachable: bool = False
    answers_to_lose: int = 0
    """So many requests to come are carried out, and their answers lost."""

    def loses(self) -> bool:
        """Whether the answer that came now is lost."""
        lost = self.answers_to_lose > 0
        self.answers_to_lose -= lost
        return lost


class Carrier:
    """Carries the requests of one client. See `hanzo_queues.client.connection.Carrier`."""

    def __init__(self, server: InProcess, weather: Weather) -> None:
        self._server = server
        self._weather = weather

    async def exchange(self, method: str, target: str, body: bytes | None, within: float) -> Answer:
        """Raises ServerUnreachable."""
        if self._weather.unreachable:
            raise ServerUnreachable("the broker is unreachable, as the test wants it")
        gone = asyncio.Event()
        asked = asyncio.wrap_future(self._server.submit(self._server.serve(method, target, body, gone)))
        line, wait_s = line_and_wait(method, target)
        try:
            if line is not None:
                await asyncio.wait([asked], timeout=wait_s)
                self._server.end_poll(gone)
            answer = await asyncio.wait_for(asyncio.shield(asked), within - wait_s)
        except TimeoutError as error:
            self._server.leave(gone)
            raise ServerUnreachable(f"no answer within {within:g} s", outcome="unknown") from error
        except asyncio.CancelledError:
            self._server.leave(gone)
            raise
        assert answer is not None, "somebody waits for it"
        if self._weather.loses():
            raise ServerUnreachable("the answer is lost, as the test wants it", outcome="unknown")
        return answer

    def abandon(self) -> None:
        """Nothing is held."""

    async def close(self) -> None:
        """Nothing is held."""
