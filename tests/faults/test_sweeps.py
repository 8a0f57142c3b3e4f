"""kill -9 in the middle of a redrive: it goes on by itself, and every message comes back once."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp

from examples.local_server import LocalServer
from tests.faults.processes import kill

MESSAGES = 3000
PATIENCE_S = 60


async def post(session: aiohttp.ClientSession, path: str, body: Any) -> Any:
    async with session.post(path, json=body) as answer:
        assert answer.status < 300, await answer.text()
        return await answer.json()


async def get(session: aiohttp.ClientSession, path: str) -> Any:
    async with session.get(path) as answer:
        return await answer.json() if answer.status == 200 else None


async def with_dead(session: aiohttp.ClientSession) -> None:
    await post(session, "/v1/queues", {"name": "q", "config": {"maxRetries": 0, "deadLetterQueue": "dead"}})
    for start in range(0, MESSAGES, 100):
        messages = [{"payload": n, "metadata": {"odd": n % 2}} for n in range(start, start + 100)]
        await post(session, "/v1/queues/q/messages/batch", {"messages": messages})
        held = (await get(session, "/v1/queues/q/messages?maxMessages=100"))["messages"]
        nacks = [{"id": message["id"], "receipt": message["receipt"], "error": "boom"} for message in held]
        assert (await post(session, "/v1/queues/q/settle", {"nacks": nacks}))["failed"] == 0


async def moved(session: aiohttp.ClientSession, redrive: str, count: int) -> Any:
    """The redrive, once it has moved so many."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            told = await get(session, f"/v1/redrives/{redrive}")
            if told is not None and (told["moved"] >= count or told["state"] != "running"):
                return told
            await asyncio.sleep(0.005)


async def test_a_redrive_outlives_its_server() -> None:
    with LocalServer() as server:
        headers = {"Authorization": f"Bearer {server.api_key}"}
        async with aiohttp.ClientSession(server.url, headers=headers) as session:
            await with_dead(session)
            # Paced, so that each blow falls into the middle; by an error's text, so that bytes are read too.
            body = {"filter": {"error": "oo"}, "rate": {"requests": 1000, "per": "second"}}
            redrive = (await post(session, "/v1/queues/dead/redrive", body))["id"]
            for victim, count in (("server", 500), ("nats-server", 1200), ("both", 2000)):
                told = await moved(session, redrive, count)
                assert told["state"] == "running"
                await asyncio.to_thread(kill, server, victim)
            told = await moved(session, redrive, MESSAGES)
            assert (told["moved"], told["failed"]) == (MESSAGES, 0)
            came: list[int] = []
            while held := (await get(session, "/v1/queues/q/messages?maxMessages=100"))["messages"]:
                came += [message["payload"] for message in held]
            assert came == list(range(MESSAGES))
