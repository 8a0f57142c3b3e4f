"""What counts as an acknowledgement: a stand-in for JetStream answers appends with all it could say."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from hanzo_queues.server.journal.base import AppendRefused, AppendUnknown, JournalFull, WrongLastSequence
from hanzo_queues.server.journal.jetstream_append import Appender
from hanzo_queues.server.nats_connection import NatsConnection
from tests.nats_servers import NatsServers, running_nats_servers

STREAM = "HANZO_P0"
SUBJECT = "stand.in"
TIMEOUT_S = 0.2
PATIENCE_S = 20.0


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServers]:
    with running_nats_servers(tmp_path_factory.mktemp("nats"), 1) as running:
        yield running


@pytest.fixture
async def client(servers: NatsServers) -> AsyncIterator[Client]:
    connection = NatsConnection(servers.endpoint, "test", lambda _reason: None)
    await connection.connect(10)
    yield connection.client
    await connection.close()


async def append(client: Client, answer: bytes | None) -> dict[str, str] | None:
    """Appends behind sequence 6. Returns the headers that were sent."""
    sent: list[Msg] = []

    async def stand_in(message: Msg) -> None:
        sent.append(message)
        if answer is not None:
            await message.respond(answer)

    await client.subscribe(SUBJECT, cb=stand_in)
    await client.flush()
    appender = Appender(client, STREAM, SUBJECT)
    await appender.start()
    await appender.append(b"batch", 6, TIMEOUT_S if answer is None else PATIENCE_S)
    assert sent[0].data == b"batch"
    return sent[0].headers


async def test_stored_there_is_durable(client: Client) -> None:
    headers = await append(client, b'{"stream":"HANZO_P0","seq":7}')
    assert headers == {"Nats-Expected-Last-Sequence": "6"}


@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"",
        b"not json",
        b"[]",
        b"{}",
        b'{"stream":"HANZO_P0","seq":6}',
        b'{"stream":"HANZO_P0","seq":8}',
        b'{"stream":"OTHER","seq":7}',
        b'{"stream":"HANZO_P0","seq":7,"duplicate":true}',
        b'{"error":{"code":503,"err_code":10008,"description":"JetStream system temporarily unavailable"}}',
        b'{"error":{"code":503,"err_code":10077,"description":"maximum bytes exceeded"},"seq":7}',
        b'{"error":{"code":500},"stream":"HANZO_P0","seq":7}',
        b'{"error":"nope"}',
        b'{"error":[1]}',
        b'{"error":{"err_code":[10071]}}',
    ],
)
async def test_all_else_is_unknown(client: Client, answer: bytes | None) -> None:
    with pytest.raises(AppendUnknown):
        await append(client, answer)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b'{"error":{"err_code":10071,"description":"wrong last sequence: 9"}}', WrongLastSequence),
        (b'{"error":{"err_code":10164,"description":"wrong last sequence"}}', WrongLastSequence),
        (b'{"error":{"err_code":10054,"description":"message size exceeds maximum allowed"}}', AppendRefused),
        (b'{"error":{"err_code":10023,"description":"insufficient resources"}}', JournalFull),
    ],
)
async def test_refusals_are_told_by_their_code(client: Client, answer: bytes, error: type[AppendRefused]) -> None:
    with pytest.raises(AppendRefused) as refused:
        await append(client, answer)
    assert type(refused.value) is error


async def test_nobody_there_is_unknown(client: Client) -> None:
    appender = Appender(client, STREAM, "nobody.there")
    await appender.start()
    with pytest.raises(AppendUnknown, match="nobody"):
        await appender.append(b"batch", 0, PATIENCE_S)
