"""A connection to nats-servers, of which one falls silent: another is found, whatever was on its way to the first."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop
from nats.aio.client import Client

from hanzo_queues.server.nats_connection import (
    LastingConnection,
    NatsConnection,
    NatsEndpoint,
    NatsUnreachable,
    _abort,
    write_at_once,
)
from tests.faults.one_way_proxy import OneWayProxy
from tests.nats_servers import running_nats_servers

PATIENCE_S = 15.0
BYTES = 1 << 20
COUNT = 40
"""More than the buffers of both systems hold."""


async def test_what_a_frozen_server_does_not_read_is_not_waited_for(tmp_path: Path) -> None:
    """To close a socket in order is to write what is left first: to a server that never reads that takes for ever."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with running_nats_servers(tmp_path / "one", 1) as one, running_nats_servers(tmp_path / "two", 1) as two:
        lost = asyncio.Event()
        connection = LastingConnection(
            NatsEndpoint(one.endpoint.urls + two.endpoint.urls),
            "test", timeout_s=PATIENCE_S, on_down=lambda _reason: lost.set(),
        )  # fmt: skip
        client = await connection.client()
        silent, other = sorted((one.servers[0], two.servers[0]), key=lambda server: server.port != port_of(client))
        silent.freeze()
        try:
            for _ in range(COUNT):
                write_at_once(client, (b"PUB to.nobody %d\r\n" % BYTES, bytes(BYTES), b"\r\n"))
            await asyncio.wait_for(lost.wait(), PATIENCE_S)
            await until_connected_to_port(other.port, connection)
        finally:
            silent.thaw()
            await connection.close()


LOOPS = pytest.mark.parametrize("loop_factory", [uvloop.new_event_loop, asyncio.new_event_loop])
Loops = Callable[[], asyncio.AbstractEventLoop]


@LOOPS
@pytest.mark.parametrize("is_cut_off", [False, True])
def test_a_connection_to_who_does_not_read_is_closed_all_the_same(
    tmp_path: Path, loop_factory: Loops, is_cut_off: bool
) -> None:
    """To close it in order is to write what is left; it has a second for that, and is cut off then, if it was not
    before. That this was not written is nobody's error: a SIGTERM ended with a trace."""

    async def close_one_that_is_full() -> None:
        connection = NatsConnection(servers.endpoint, "test", reasons.append)
        await connection.connect(PATIENCE_S)
        servers.servers[0].freeze()
        try:
            for _ in range(COUNT):
                write_at_once(connection.client, (b"PUB to.nobody %d\r\n" % BYTES, bytes(BYTES), b"\r\n"))
            for _ in range(3):  # the first is with the socket, which takes no more; the others wait
                await connection.client.publish("to.nobody", b"")
                await asyncio.sleep(0.01)
            if is_cut_off:
                _abort(connection.client)
                await asyncio.sleep(0)
            await asyncio.wait_for(connection.close(), PATIENCE_S)
        finally:
            servers.servers[0].thaw()
        assert connection.is_over

    reasons: list[str] = []
    with running_nats_servers(tmp_path, 1) as servers, asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(close_one_that_is_full())
    assert reasons == [], "who closes it need not be told"


async def until_connected_to_port(port: int, connection: LastingConnection) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while port_of(client := await connection.client()) != port:  # noqa: ASYNC110 - nats-py tells nobody
            await asyncio.sleep(0.01)
    await client.flush()


def port_of(client: Client) -> int | None:
    return None if client.connected_url is None else client.connected_url.port


async def test_a_reconnection_that_met_a_bug_is_not_waited_for(tmp_path: Path) -> None:
    """nats-py ends its attempts at a greeting that is none, and never says so."""

    async def greet_badly(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"INFO\r\n")
        await writer.drain()

    with running_nats_servers(tmp_path, 1) as servers:
        stranger = await asyncio.start_server(greet_badly, "127.0.0.1", 0)
        async with OneWayProxy(servers.servers[0].port) as proxy:
            lost = asyncio.Event()
            connection = LastingConnection(
                NatsEndpoint((f"nats://127.0.0.1:{proxy.port}",)),
                "test", timeout_s=PATIENCE_S, on_down=lambda _reason: lost.set(),
            )  # fmt: skip
            client = await connection.client()
            proxy.server_port = stranger.sockets[0].getsockname()[1]
            proxy.drop_others()
            await asyncio.wait_for(lost.wait(), PATIENCE_S)
            task = client._reconnection_task
            assert task is not None
            await asyncio.wait([task], timeout=PATIENCE_S)
            assert isinstance(task.exception(), ValueError)  # else another test's log would have it
            proxy.server_port = servers.servers[0].port
            proxy.drop_others()
            await until_connected_to_port(proxy.port, connection)
            await connection.close()
        stranger.close()


async def test_an_attempt_whose_time_is_up_in_the_moment_of_an_answer_is_over() -> None:
    """nats-py forgot that it was cancelled then, and tried for ever."""
    timeout_s = 0.5
    pauses = [timeout_s]

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"server_id":"s","version":"2.12.7","max_payload":1000}\r\n')
        await reader.readuntil(b"PING\r\n")
        writer.write(b"-ERR 'Authorization Violation'\r\n")
        while pauses:  # what is up then, and what has come, the loop finds in one turn
            time.sleep(pauses.pop())  # noqa: ASYNC251
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        endpoint = NatsEndpoint((f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}",))
        connecting = asyncio.create_task(NatsConnection(endpoint, "test", lambda _reason: None).connect(timeout_s))
        await asyncio.wait([connecting], timeout=PATIENCE_S)
        assert connecting.done(), "its time is over"
        with pytest.raises(NatsUnreachable, match="Authorization Violation"):
            await connecting
