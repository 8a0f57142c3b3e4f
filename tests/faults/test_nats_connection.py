"""A connection to nats-servers, of which one falls silent: another is found, whatever was on its way to the first."""

from __future__ import annotations

import asyncio
from pathlib import Path

from nats.aio.client import Client

from hanzo_queues.server.nats_connection import LastingConnection, NatsEndpoint, write_at_once
from tests.nats_servers import NatsServer, running_nats_servers

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
            await until_connected_to(other, connection)
        finally:
            silent.thaw()
            await connection.close()


async def until_connected_to(server: NatsServer, connection: LastingConnection) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while port_of(client := await connection.client()) != server.port:  # noqa: ASYNC110 - nats-py tells nobody
            await asyncio.sleep(0.01)
    await client.flush()


def port_of(client: Client) -> int | None:
    return None if client.connected_url is None else client.connected_url.port
