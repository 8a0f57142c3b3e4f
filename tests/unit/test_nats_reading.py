"""What nats-server sends is read right, in whatever pieces it comes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from hanzo_queues.server.nats_connection import NatsConnection, NatsEndpoint
from hanzo_queues.server.nats_reading import READ_BYTES, _Parser, _Reader, subscribe_directly

INFO = b'INFO {"server_id":"x","version":"2.12.7","headers":true,"max_payload":8388608}\r\n'
SIZES = [0, 1, 2, 3000, 70_000, READ_BYTES, 3 * READ_BYTES]
LAST = b"+OK\r\n"
HEADER = b"NATS/1.0\r\nNats-Sequence: 7\r\n\r\n"


def stated(payloads: list[bytes]) -> bytes:
    """Messages as nats-server sends them, every other one with a header, and a ping in between."""
    sent = b""
    for number, payload in enumerate(payloads):
        if number % 2:
            sent += b"HMSG to.me 1 %d %d\r\n" % (len(HEADER), len(HEADER) + len(payload)) + HEADER + payload + b"\r\n"
        else:
            sent += b"MSG to.me 1 %d\r\n" % len(payload) + payload + b"\r\nPING\r\n"
    return sent


class Peer:
    """Says what a nats-server says until a client is connected and has subscribed; then `sent`, piece by piece."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.pongs = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(INFO)
        async for line in reader:
            if line.startswith(b"PING"):
                writer.write(b"PONG\r\n")
            self.pongs += line.startswith(b"PONG")
            if line.startswith(b"SUB"):
                for piece in self.sent:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
        writer.close()


@pytest.fixture
async def peer() -> AsyncIterator[tuple[Peer, Client]]:
    peer = Peer()
    async with await asyncio.start_server(peer.serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        connection = NatsConnection(NatsEndpoint((f"nats://127.0.0.1:{port}",)), "test", lambda _reason: None)
        await connection.connect(5)
        yield peer, connection.client
        await connection.close()


async def all_sent(client: Client) -> list[Msg]:
    """Subscribes, and gives what came until the last message, which has five bytes."""
    arrived: list[Msg] = []
    last = asyncio.Event()

    def receive(message: Msg) -> None:
        arrived.append(message)
        if message.data == LAST:
            last.set()

    await subscribe_directly(client, "to.me", receive)
    async with asyncio.timeout(10):
        await last.wait()
    return arrived


def pieces_of(sent: bytes, most: int, seed: int) -> list[bytes]:
    chosen = random.Random(seed)
    pieces, at = [], 0
    while at < len(sent):
        size = chosen.randint(1, most)
        pieces.append(sent[at : at + size])
        at += size
    return pieces


@pytest.mark.parametrize("most", [50_000, 300_000, 10_000_000])
async def test_messages_arrive_as_they_were_sent(peer: tuple[Peer, Client], most: int) -> None:
    server, client = peer
    payloads = [random.Random(number).randbytes(size) for number, size in enumerate(SIZES)] + [LAST]
    server.sent = pieces_of(stated(payloads), most, seed=most)
    arrived = await all_sent(client)
    assert [message.data for message in arrived] == payloads
    assert [message.header for message in arrived] == [None, {"Nats-Sequence": "7"}] * (len(payloads) // 2)
    await client.flush(10)
    assert server.pongs == len(payloads) // 2


async def test_small_pieces_arrive_too(peer: tuple[Peer, Client]) -> None:
    server, client = peer
    payloads = [bytes([number]) * number for number in range(40)] + [LAST]
    server.sent = pieces_of(stated(payloads), 3, seed=1)
    arrived = await all_sent(client)
    assert [message.data for message in arrived] == payloads


async def test_what_comes_whole_is_handed_on_where_it_arrives(peer: tuple[Peer, Client]) -> None:
    """No task has to run first. What comes behind the rest of something else waits for its turn."""
    _, client = peer
    arrived: list[tuple[str, bytes]] = []
    await subscribe_directly(client, "to.me", lambda message: arrived.append((message.subject, message.data)))
    reader = client._transport._io_reader  # type: ignore[union-attr]
    whole = b"MSG to.me 1 3\r\none\r\n"
    reader.feed_data(whole + b"MSG to.me 1 0\r\n\r\nMSG to.me 1 %d\r\n" % (2 * len(whole)))
    assert arrived == [("to.me", b"one"), ("to.me", b"")]
    reader.feed_data(whole)  # looks like a message, but is the beginning of one's payload
    await asyncio.sleep(0)
    reader.feed_data(whole)
    reader.feed_data(b"\r\nMSG to.me 1 4\r\nlast\r\n")
    assert len(arrived) == 2
    await asyncio.sleep(0)
    assert [data for _, data in arrived[2:]] == [whole + whole, b"last"]


async def test_what_was_read_is_parsed_where_it_is() -> None:
    """No copy is made of what arrives: the parser holds the very buffer it arrived in."""
    reader = _Reader()
    reader.feed_data(b"PONG\r\n")
    await reader.read(1)  # in a buffer of asyncio's, the first one
    reader.feed_data(b"MSG to.me 1 100\r\nthe begin")
    reader.feed_data(b"ning")
    arrived = await reader.read(1)
    parser = _Parser()
    await parser.parse(arrived)
    assert parser.buf is arrived
    assert arrived == b"the beginning"


async def test_an_end_is_an_end(peer: tuple[Peer, Client]) -> None:
    _, client = peer
    assert client.is_connected
    writer = client._transport._io_writer  # type: ignore[union-attr]
    writer.transport.abort()
    async with asyncio.timeout(5):
        while client.is_connected:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
