"""Ten consumers are restarted one after the other under load: no message out of order, none twice, no pause.

What the machine itself costs is measured first, with nobody restarted; a pause is what restarts add to that.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.contract.http_server import Served, served

QUEUE = "rolling"
CONSUMERS = 10
KEYS = 50
MESSAGES_A_SECOND = 200
HANDLING_S = 0.01
CALM_S = 2.0
PAUSE_S_MAX = 0.1


@dataclass
class Account:
    """What was sent, what was handled in which order, and how long each message waited."""

    sent: Counter[str] = field(default_factory=Counter)
    handled: dict[str, list[int]] = field(default_factory=dict)
    waits: list[float] = field(default_factory=list)
    complete: bool = False
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def handle(self, key: str, number: int, wait_s: float) -> None:
        self.handled.setdefault(key, []).append(number)
        self.waits.append(wait_s)
        self.look()

    def look(self) -> None:
        if self.complete and sum(map(len, self.handled.values())) >= sum(self.sent.values()):
            self.done.set()

    def longest_wait(self) -> float:
        longest, self.waits = max(self.waits), []
        return longest


async def produce(server: Served, account: Account, stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    begun, number = loop.time(), 0
    while not stop.is_set():
        key = f"key-{number % KEYS}"
        payload = {"number": account.sent[key], "at": loop.time()}
        account.sent[key] += 1
        await server.enqueued(QUEUE, payload=payload, orderingKey=key)
        number += 1
        await asyncio.sleep(max(0.0, begun + number / MESSAGES_A_SECOND - loop.time()))


async def consume(server: Served, account: Account, name: str, stop: asyncio.Event) -> None:
    """As a good consumer does it: finishes the message at hand, then leaves and so gives back those not begun."""
    loop = asyncio.get_running_loop()
    path = f"/v1/queues/{QUEUE}/groups/default/members/{name}"
    while not stop.is_set():
        poll = asyncio.create_task(server.received(QUEUE, f"?consumerId={name}&waitTime=20&maxMessages=10"))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait((poll, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not poll.done():
            poll.cancel()
            break
        for message in poll.result():
            if stop.is_set():
                break
            await asyncio.sleep(HANDLING_S)
            payload = message["payload"]
            account.handle(message["orderingKey"], payload["number"], loop.time() - payload["at"])
            acked = await server.call("POST", f"/v1/messages/{message['id']}/ack", {"receipt": message["receipt"]})
            assert acked.status == 200, acked.text
    assert (await server.call("DELETE", path)).status == 200


@asynccontextmanager
async def consumer(server: Served, account: Account, name: str) -> AsyncIterator[None]:
    stop = asyncio.Event()
    running = asyncio.create_task(consume(server, account, name, stop))
    try:
        yield
    finally:
        stop.set()
        await running


async def restart(server: Served, account: Account, name: str, stopped: asyncio.Event, begun: asyncio.Event) -> None:
    """One consumer's life: it runs until told, is away for a moment, and comes back under its name."""
    async with consumer(server, account, name):
        begun.set()
        await stopped.wait()
    begun.clear()
    await asyncio.sleep(0.05)
    begun.set()
    async with consumer(server, account, name):
        async with asyncio.timeout(60):
            await account.done.wait()


async def test_a_rolling_restart_of_ten_consumers_under_load() -> None:
    async with served() as server:
        await server.made_queue(QUEUE)
        account, ending = Account(), asyncio.Event()
        signals = {f"consumer-{number}": (asyncio.Event(), asyncio.Event()) for number in range(CONSUMERS)}
        lives = [
            asyncio.create_task(restart(server, account, name, stopped, begun))
            for name, (stopped, begun) in signals.items()
        ]
        producing = asyncio.create_task(produce(server, account, ending))
        await asyncio.sleep(CALM_S / 2)
        account.waits = []
        await asyncio.sleep(CALM_S)
        calm = account.longest_wait()
        for stopped, begun in signals.values():
            begun.clear()
            stopped.set()
            async with asyncio.timeout(10):
                await begun.wait()
            await asyncio.sleep(0.1)
        restarting = account.longest_wait()
        ending.set()
        await producing
        account.complete = True
        account.look()
        await asyncio.gather(*lives)
    print(f"longest wait: {calm * 1000:.0f} ms while calm, {restarting * 1000:.0f} ms while restarting")
    assert account.handled == {key: list(range(count)) for key, count in account.sent.items()}
    assert restarting < calm + PAUSE_S_MAX
