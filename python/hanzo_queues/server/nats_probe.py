"""Asking a nats-server on loopback whether JetStream works: one short conversation on a connection of its own.

A frozen server's kernel still accepts connections, so only an answer from JetStream itself counts.
"""

from __future__ import annotations

import asyncio
import json

INBOX = "_INBOX.probe"


async def jetstream_answers(port: int, *, server_name: str, token: str, timeout_s: float) -> bool:
    """True when the server named `server_name` on 127.0.0.1:`port` answered for JetStream in `timeout_s` seconds."""
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                return await _converse(reader, writer, server_name, token)
            finally:
                writer.close()
    except (OSError, TimeoutError, ValueError):
        return False


async def _converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server_name: str, token: str) -> bool:
    greeting = await reader.readline()
    if not greeting.startswith(b"INFO ") or json.loads(greeting[5:]).get("server_name") != server_name:
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
