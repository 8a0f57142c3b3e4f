"""PGMQ on PostgreSQL: the functions of its extension, installed from the SQL that its Python package carries, called
through asyncpg with a connection a task."""

from __future__ import annotations

import json
from importlib.resources import files

import asyncpg

QUEUE = "bench"
LEASE_SECONDS = 300


class DRIVER:
    async def open(self, address: str, tasks: int) -> None:
        self._connections = [await asyncpg.connect(address) for _ in range(tasks)]

    async def prepare(self) -> None:
        await self._connections[0].execute(files("pgmq").joinpath("sql/pgmq.sql").read_text())
        await self._connections[0].execute("select pgmq.create($1)", QUEUE)

    async def send(self, number: int, payload: str) -> str:
        connection = self._connections[number]
        return str(await connection.fetchval("select pgmq.send($1, $2::jsonb)", QUEUE, json.dumps(payload)))

    async def send_batch(self, number: int, payloads: list[str]) -> list[str]:
        bodies = [json.dumps(payload) for payload in payloads]
        rows = await self._connections[number].fetch("select pgmq.send_batch($1, $2::jsonb[])", QUEUE, bodies)
        return [str(row[0]) for row in rows]

    async def take(self, number: int, count: int) -> list[str]:
        connection = self._connections[number]
        reading = "select msg_id, message from pgmq.read($1, $2::integer, $3::integer)"
        rows = await connection.fetch(reading, QUEUE, LEASE_SECONDS, count)
        ids = [row["msg_id"] for row in rows]
        if ids:
            await connection.fetch("select pgmq.delete($1, $2::bigint[])", QUEUE, ids)
        return [str(id) for id in ids]

    async def close(self) -> None:
        for connection in self._connections:
            await connection.close()
