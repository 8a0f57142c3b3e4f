"""Asking a nats-server on loopback whether JetStream works: one short conversation on a connection of its own.

A nats-server listens only when it has read its whole store, so silence and a closed port are told apart. A frozen
server's kernel still accepts connections, so only an answer from JetStream itself counts.
"""

from __future__ import annotations

import asyncio
import json
from enum import Enum

INBOX = "_INBOX.probe"


class Heard(Enum):
    """What a probe heard."""

    ANSWER = "JetStream answered"
    NOTHING = "no answer, or not the right one"
    CLOSED_PORT = "nobody listens"


async def probe_jetstream(port: int, *, server_name: str, token: str, timeout_s: float) -> Heard:
    """Asks the server named `server_name` on 127.0.0.1:`port`, for `timeout_s` seconds at most."""
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                answered = await _converse(reader, writer, server_name, token)
                return Heard.ANSWER if answered else Heard.NOTHING
            finally:
                writer.close()
    except ConnectionRefusedError:
        return Heard.CLOSED_PORT
    except (OSError, TimeoutError, ValueError):
        return Heard.NOTHING


async def _converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server_name: str, token: str) -> bool:
    if _greeted_by(await reader.readline()) != server_name:
        return False
    options = {"auth_token": token, "verbose": False, "pedantic": False, "lang": "probe", "version": "1", "protocol": 1}
    options |= {"headers": True, "no_responders": True}
    writer.write(f"CONNECT {json.dumps(options)}\r\nSUB {INBOX} 1\r\nPUB $JS.API.INFO {INBOX} 0\r\n\r\n".encode())
    while line := await reader.readline():
        if line.startswith((b"HMSG ", b"-ERR ")):  # no responders; refused
            return False
        if line.startswith(b"MSG "):
            return b'"error"' not in await reader.readline()
    return False


def _greeted_by(greeting: bytes) -> str | None:
    if not greeting.startswith(b"INFO "):
        return None
    told = json.loads(greeting[5:])
    return told.get("server_name") if isinstance(told, dict) else None
