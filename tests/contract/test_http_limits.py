"""Limits on dispatch: an empty receive says what held it back and when to come back, and waiting costs nothing."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.contract.http_server import Served, served
from tests.contract.test_http_process import serving

HOURLY = {"requests": 10, "per": "hour", "burst": 1}


async def empty(server: Served, query: str = "") -> Any:
    reply = await server.call("GET", f"/v1/queues/q/messages{query}")
    answer = reply.json
    assert (reply.status, answer.pop("messages")) == (200, [])
    return answer


@pytest.mark.parametrize(
    ("setting", "by"), [("rateLimit", "queue"), ("consumerRateLimit", "consumer"), ("keyRateLimit", "key")]
)
async def test_an_empty_receive_says_which_limit_held_it_back(setting: str, by: str) -> None:
    async with served() as server:
        await server.made_queue("q", **{setting: HOURLY})
        for _ in range(2):
            await server.enqueued("q", fairnessKey="tenant")
        assert len(await server.received("q", "?maxMessages=5&consumerId=a")) == 1
        limited = await empty(server, "?consumerId=a")
        assert limited.pop("limitedBy") == by
        assert 350 < limited.pop("retryAfter") <= 360
        assert limited == {}
        await server.enqueued("q", fairnessKey="another")
        others = await server.received("q", "?maxMessages=5&consumerId=b")
        assert len(others) == {"queue": 0, "consumer": 1, "key": 1}[by]


async def test_a_key_at_its_cap_waits_for_its_own_and_a_poll_gets_what_follows() -> None:
    async with served() as server:
        await server.made_queue("q", fairness={"maxInFlight": 1})
        for _ in range(2):
            await server.enqueued("q", fairnessKey="tenant")
        (first,) = await server.received("q", "?maxMessages=5")
        assert await empty(server) == {"limitedBy": "key"}
        polling = asyncio.create_task(server.received("q", "?waitTime=30"))
        acked = await server.call("POST", f"/v1/messages/{first['id']}/ack", {"receipt": first["receipt"]})
        assert acked.status == 200
        assert len(await asyncio.wait_for(polling, 10)) == 1


def cpu_s(pid: int) -> float:
    """Seconds of CPU time that a process used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
async def test_polls_of_a_backlog_whose_keys_are_limited_leave_the_process_idle(tmp_path: Path) -> None:
    """LIMITED_BATCHES: batches of a hundred messages behind a hundred keys."""
    batches, headers = int(os.environ.get("LIMITED_BATCHES", "50")), {"Authorization": "Bearer test-api-key"}
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        serving(tmp_path, HANZO_API_KEYS="test-api-key") as process,
        aiohttp.ClientSession(process.url, headers=headers, connector=connector) as session,
    ):
        config = {"keyRateLimit": HOURLY, "visibilityTimeout": 600}
        assert (await session.post("/v1/queues", json={"name": "q", "config": config})).status == 201
        for _ in range(batches):
            batch = [{"payload": number, "fairnessKey": f"tenant-{number}"} for number in range(100)]
            assert (await session.post("/v1/queues/q/messages/batch", json={"messages": batch})).status == 200
        first = await (await session.get("/v1/queues/q/messages?maxMessages=100")).json()
        assert len(first["messages"]) == 100
        polls = [asyncio.create_task(session.get("/v1/queues/q/messages?waitTime=20")) for _ in range(100)]
        # Whoever asks after them is answered after them.
        await asyncio.sleep(0.5)
        limited = await (await session.get("/v1/queues/q/messages")).json()
        assert limited["limitedBy"] == "key"
        began_s = cpu_s(process.process.pid)
        await asyncio.sleep(2)
        used_s = cpu_s(process.process.pid) - began_s
        print(f"{100 * batches} messages behind 100 limited keys, 100 polls: {used_s:.2f} s of CPU time in 2 s")
        assert not any(poll.done() for poll in polls)
        assert used_s < 0.3
        for poll in polls:
            poll.cancel()
