"""Calls of JetStream's API that end otherwise than with an answer: they were cancelled, or their connection is gone."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from nats.aio.client import Client

from hanzo_queues.server.journal.base import JournalError
from hanzo_queues.server.journal.jetstream_api import JetStreamApi


class Answering:
    """A client whose requests are answered when the test says."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def request(self, *_: object, **__: object) -> Any:
        return await self.answer


async def calling(client: Answering) -> tuple[JetStreamApi, asyncio.Task[Any]]:
    api = JetStreamApi(cast(Client, client), "S", 5.0)
    call = asyncio.create_task(api.call("STREAM.INFO"))
    while not api._asked:  # noqa: ASYNC110
        await asyncio.sleep(0)
    return api, call


@pytest.mark.parametrize("given_up", [False, True])
async def test_a_call_that_is_cancelled_as_it_ends_is_cancelled(given_up: bool) -> None:
    """Whoever was told to stop would go on beside its successor."""
    client = Answering()
    api, call = await calling(client)
    [asked] = api._asked
    asked.add_done_callback(lambda _: call.cancel())
    if given_up:
        api.give_up()
    else:
        client.answer.set_result(SimpleNamespace(data=b"{}", headers=None))
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_a_cancelled_call_asks_no_longer() -> None:
    api, call = await calling(Answering())
    [asked] = api._asked
    call.cancel()
    await asyncio.wait([call, asked])
    assert call.cancelled()
    assert asked.cancelled()


async def test_a_call_whose_connection_is_lost_fails_at_once() -> None:
    api, call = await calling(Answering())
    api.give_up()
    with pytest.raises(JournalError, match="connection to nats-server was lost"):
        await call
