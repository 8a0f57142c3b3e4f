"""One request to an ASGI application, without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from urllib.parse import unquote

from starlette.types import ASGIApp, Message

from hanzo_queues.client.http_stream import Answer


class Headers(dict[str, str]):
    """Names in lower case, looked up in any."""

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        """The header's value."""
        return super().get(name.lower(), default)


async def exchange(
    app: ASGIApp, method: str, target: str, body: bytes | None, headers: Mapping[str, str], gone: asyncio.Event
) -> Answer | None:
    """The application's answer. `gone`: set when the client went away; then it may be None, and what the client would
    have been given is given back."""
    path, _, query = target.partition("?")
    sent_headers = dict(headers)
    if body is not None:
        sent_headers = {"content-type": "application/json", "content-length": str(len(body)), **headers}
    scope = {
        "type": "http",
        "method": method,
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in sent_headers.items()],
    }
    unread: list[Message] = [{"type": "http.request", "body": body or b"", "more_body": False}]
    answer: list[Message] = []

    async def receive() -> Message:
        if unread:
            return unread.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        answer.append(message)

    await app(scope, receive, send)
    if not answer:
        return None
    head, content = answer
    told = Headers({name.decode().lower(): value.decode() for name, value in head["headers"]})
    return Answer(head["status"], told, content["body"])
