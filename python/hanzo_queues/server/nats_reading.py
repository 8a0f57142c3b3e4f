"""What arrives of a connection to nats-server, handed on and not copied from one buffer to the next.

nats-py reads by asyncio's StreamReader: each chunk is added to the reader's buffer, cut out of it, and added to the
parser's. A server that reads 100 MB a second of its journal spends a tenth of a processor on that. Here the parser gets
the reader's buffer itself. For TLS nats-py makes a reader of its own, and all is as it was.
"""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import ParseResult

import nats.aio.client
from nats.aio.transport import TcpTransport
from nats.protocol.parser import Parser

READ_BYTES = 1024 * 1024
"""Of a connection at a time, about. nats-py's 32 KB make a dozen reads of one batch of a journal."""


class _Arrived(bytearray):
    """A buffer that its reader has done with."""


class _Reader(asyncio.StreamReader):
    async def read(self, n: int = -1) -> Any:
        """All that has arrived, whatever `n` is: in the buffer itself."""
        reader: Any = self  # asyncio has no public way to take a reader's buffer
        if reader._exception is not None:
            raise reader._exception
        if not reader._buffer and not reader._eof:
            await reader._wait_for_data("read")
        arrived, reader._buffer = reader._buffer, _Arrived()
        reader._maybe_resume_transport()
        return arrived


class _Transport(TcpTransport):
    async def connect(self, uri: ParseResult, buffer_size: int, connect_timeout: int) -> None:
        loop = asyncio.get_running_loop()
        reader = _Reader(limit=buffer_size)
        async with asyncio.timeout(connect_timeout):
            transport, protocol = await loop.create_connection(
                lambda: asyncio.StreamReaderProtocol(reader), uri.hostname or "", uri.port or 0
            )
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        self._bare_io_reader = self._io_reader = reader
        self._bare_io_writer = self._io_writer = writer


class _Parser(Parser):
    async def parse(self, data: bytes = b"") -> None:
        """As nats-py's; a buffer that nothing is left before becomes the parser's."""
        if isinstance(data, _Arrived) and not self.buf:
            self.buf, data = data, b""
        await super().parse(data)


def read_in_large_pieces() -> None:
    """Every connection of nats-py made from here on. It has no public way to say so for one of them."""
    vars(nats.aio.client).update(DEFAULT_BUFFER_SIZE=READ_BYTES, TcpTransport=_Transport, Parser=_Parser)
