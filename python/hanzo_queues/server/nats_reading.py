"""What arrives of a connection to nats-server, handed on and not copied from one buffer to the next.

nats-py reads by asyncio's StreamReader: each chunk is added to the reader's buffer, cut out of it, and added to the
parser's. A server that reads 100 MB a second of its journal spends a tenth of a processor on that. Here the parser gets
the reader's buffer itself.

And it reads by a task, and its parser tries one pattern after the other: for an acknowledgement, of which each commit
waits for one, that is more work than all that the writer does. So messages of direct subscriptions that come whole, and
before which nothing is left, are handed on where they arrive. For TLS nats-py makes a reader of its own, and all is as
it was.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import ParseResult

import nats.aio.client
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.aio.transport import TcpTransport
from nats.protocol.parser import AWAITING_CONTROL_LINE, Parser

READ_BYTES = 1024 * 1024
"""Of a connection at a time, about. nats-py's 32 KB make a dozen reads of one batch of a journal."""


class _Arrived(bytearray):
    """A buffer that its reader has done with."""


MESSAGE = re.compile(rb"MSG (\S+) (\d+) (\d+)\r\n")
"""What is said before a message that asks for no answer and has no header."""


class _Sink:
    """Looks like the future nats-py resolves with a subscription's message, but takes any number of them: a message
    reaches `receive` without a queue and a task in between."""

    def __init__(self, receive: Callable[[Msg], None]) -> None:
        self.set_result = receive

    def cancelled(self) -> bool:
        return False


async def subscribe_directly(client: Client, subject: str, receive: Callable[[Msg], None]) -> Subscription:
    """Every message on `subject` is given to `receive` as it is read. `receive` must not raise."""
    return await client.subscribe(subject, future=cast("asyncio.Future[Any]", _Sink(receive)))


def hand_on_directly(client: Client) -> None:
    """From here on, what comes by the connection that `client` has now."""
    reader = getattr(client._transport, "_io_reader", None)
    if isinstance(reader, _Reader):
        reader.client = client


class _Reader(asyncio.StreamReader):
    client: Client | None = None
    """Whose messages are handed on."""

    def feed_data(self, data: Any) -> None:
        reader: Any = self
        client = self.client
        if client is not None and client.is_connected and not reader._buffer and _is_between(client._ps):
            data = data[_handed_on(client, data) :]
        if data:
            super().feed_data(data)

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


def _is_between(parser: Parser) -> bool:
    """Whether nothing is left of what it was given."""
    return not parser.buf and parser.state == AWAITING_CONTROL_LINE


def _handed_on(client: Client, data: bytes) -> int:
    """Gives the messages at the beginning of `data` to who subscribed directly; how many bytes they are."""
    done = 0
    while (said := MESSAGE.match(data, done)) is not None:
        begin, (subject, sid, size) = said.end(), said.groups()
        end = begin + int(size)
        sink = getattr(client._subs.get(int(sid)), "_future", None)
        if end + 2 > len(data) or type(sink) is not _Sink:
            break
        sink.set_result(Msg(client, subject.decode(), "", data[begin:end]))
        done = end + 2
    return done


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
