"""An answer written at once is the answer that ASGI's two messages make, byte for byte."""

from __future__ import annotations

import asyncio
import importlib.util
import re
import sys
from types import ModuleType
from typing import Any

import pytest

from hanzo_queues.server import whole_answer
from tests.contract.http_server import AUTHORIZED, Served, served

REQUESTS = [
    ("GET", "/v1/queues/q", b"", ""),
    ("HEAD", "/v1/queues/q", b"", ""),
    ("GET", "/v1/queues/absent", b"", ""),
    ("POST", "/v1/queues/q/messages/batch", b'{"messages": []}', ""),
    ("GET", "/health/live", b"", "Connection: close\r\n"),
    ("POST", "/nowhere", b"x" * 100_000, ""),
]


async def exchanged(server: Served, method: str, path: str, body: bytes, header: str) -> bytes:
    """The raw bytes of two answers on one connection: the request's, and that of one that closes it."""
    head = f"Host: x\r\nAuthorization: {AUTHORIZED['Authorization']}\r\nX-Request-Id: same\r\n"
    kind = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    first = f"{method} {path} HTTP/1.1\r\n{head}{header}{kind}\r\n"
    last = f"GET /nowhere HTTP/1.1\r\n{head}Connection: close\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(first.encode() + body + last.encode())
    answers = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return re.sub(rb"date: [^\r]*", b"date:", answers)


def sorted_head(answers: bytes) -> list[list[bytes]]:
    """Lines in no order within each answer: the order of headers says nothing."""
    return [sorted(part.split(b"\r\n")) for part in answers.split(b"HTTP/1.1 ")]


@pytest.mark.parametrize(("method", "path", "body", "header"), REQUESTS)
async def test_both_ways_send_the_same(
    method: str, path: str, body: bytes, header: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served() as server:
        await server.made_queue("q")
        at_once = await exchanged(server, method, path, body, header)
        monkeypatch.setattr(whole_answer, "Cycle", None)
        by_messages = await exchanged(server, method, path, body, header)
        assert sorted_head(at_once) == sorted_head(by_messages)
        assert at_once.count(b"HTTP/1.1 ") == (1 if "close" in header else 2)
        assert b"x-request-id: same" in at_once


async def test_this_uvicorn_has_what_is_written_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were uvicorn to change inside, answers would take the slow way in silence."""
    written: list[int] = []
    write = whole_answer._write

    def counted(cycle: object, status: int, *rest: Any) -> None:
        written.append(status)
        write(cycle, status, *rest)

    monkeypatch.setattr(whole_answer, "_write", counted)
    async with served() as server:
        await server.call("GET", "/health/live")
    assert written == [200]


def test_a_uvicorn_that_is_different_inside_is_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers go the way of ASGI then."""
    monkeypatch.setitem(sys.modules, "uvicorn.protocols.http.httptools_impl", ModuleType("httptools_impl"))
    assert whole_answer.__file__ is not None
    spec = importlib.util.spec_from_file_location("another_whole_answer", whole_answer.__file__)
    assert spec is not None
    assert spec.loader is not None
    another = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(another)
    assert another.Cycle is None
