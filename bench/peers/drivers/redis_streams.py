"""Redis Streams: XADD, XREADGROUP and XACK, with a connection a task. What is acknowledged stays in the stream, which
is what costs Redis least."""

from __future__ import annotations

import asyncio

from redis.asyncio import Redis

STREAM = "bench"
GROUP = "bench"


class DRIVER:
    async def open(self, address: str, tasks: int) -> None:
        self._clients = [Redis.from_url(address, single_connection_client=True) for _ in range(tasks)]
        await asyncio.gather(*(client.initialize() for client in self._clients))

    async def prepare(self) -> None:
        await self._clients[0].xgroup_create(STREAM, GROUP, id="0", mkstream=True)

    async def send(self, number: int, payload: str) -> str:
        return str((await self._clients[number].xadd(STREAM, {"payload": payload})).decode())

    async def send_batch(self, number: int, payloads: list[str]) -> list[str]:
        pipeline = self._clients[number].pipeline(transaction=False)
        for payload in payloads:
            pipeline.xadd(STREAM, {"payload": payload})
        return [id.decode() for id in await pipeline.execute()]

    async def take(self, number: int, count: int) -> list[str]:
        client = self._clients[number]
        answer = await client.xreadgroup(GROUP, f"consumer-{number}", {STREAM: ">"}, count=count)
        # RESP2 has a list of pairs, RESP3 a mapping
        streams = answer.values() if isinstance(answer, dict) else (entries for _, entries in answer or ())
        ids = [id for entries in streams for id in _ids(entries)]
        if ids:
            await client.xack(STREAM, GROUP, *ids)
        return [id.decode() for id in ids]

    async def close(self) -> None:
        await asyncio.gather(*(client.aclose() for client in self._clients))


def _ids(entries: list[object]) -> list[bytes]:
    """Of `[(id, fields), ...]`, which RESP3 wraps once more."""
    found: list[bytes] = []
    for entry in entries:
        if isinstance(entry, tuple | list):
            found += [entry[0]] if isinstance(entry[0], bytes) else _ids(list(entry))
    return found
