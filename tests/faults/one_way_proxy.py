"""A TCP proxy in front of one address, either of whose directions can be cut.

As on a network that loses packets one way: what is sent there waits, and arrives when the cut is healed, also what was
sent on a connection that its sender has given up since.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

CHUNK_BYTES = 1 << 16


class OneWayProxy:
    """`async with OneWayProxy(port) as proxy:` listens at `proxy.port`. `to_server` and `from_server` are set while
    that direction is open. `server_port`: where new connections lead."""

    def __init__(self, server_port: int) -> None:
        self.server_port = server_port
        self.port = 0
        self.to_server, self.from_server = asyncio.Event(), asyncio.Event()
        self._pumps: dict[asyncio.Task[None], int] = {}

    async def __aenter__(self) -> OneWayProxy:
        self.to_server.set()
        self.from_server.set()
        self._listening = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._listening.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listening.close()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    def drop_others(self) -> None:
        """Ends the connections that lead elsewhere."""
        for pump, port in self._pumps.items():
            if port != self.server_port:
                pump.cancel()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = self.server_port
        try:
            from_server, to_server = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
            return
        for source, sink, is_open in ((reader, to_server, self.to_server), (from_server, writer, self.from_server)):
            pump = asyncio.create_task(_pump(source, sink, is_open))
            self._pumps[pump] = port
            pump.add_done_callback(self._pumps.pop)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, is_open: asyncio.Event) -> None:
    try:
        with suppress(OSError):
            while data := await source.read(CHUNK_BYTES):
                await is_open.wait()
                sink.write(data)
                await sink.drain()
        await is_open.wait()  # that the connection has ended is not seen either
    finally:
        sink.close()
