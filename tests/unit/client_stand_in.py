"""Answers in place of a server, one exchange at a time, so that a test decides when and what.

It implements no rule of the queue: what the rules do is tested against the real server. Here it is the client's
behaviour that is under test.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson

from hanzo_queues import AsyncQueues
from hanzo_queues.client.http_stream import Answer
from hanzo_queues.client.retry import RetryPolicy

LATER = "2100-01-01T00:00:00.000Z"


@dataclass(eq=False)
class Asked:
    method: str
    target: str
    body: Any
    path: str = field(init=False)
    query: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.target)
        self.path = parts.path
        self.query = {name: values[0] for name, values in parse_qs(parts.query).items()}


Answers = Callable[[Asked], Any]


def answer(json: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status, headers or {}, orjson.dumps(json))


def problem(status: int, code: str, **fields: Any) -> Answer:
    return answer({"code": code, "detail": f"{code} it is", "status": status, **fields}, status)


class StandIn:
    """`answers` gets each request and returns (or awaits) JSON, an Answer, or an exception to raise."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self.asked: list[Asked] = []
        self.slept: list[float] = []
        self._more = asyncio.Event()

    async def exchange(self, method: str, target: str, body: bytes | None, within: float) -> Answer:
        asked = Asked(method, target, None if body is None else orjson.loads(body))
        self.asked.append(asked)
        self._more.set()
        result = self._answers(asked)
        if isinstance(result, Awaitable):
            result = await result
        if isinstance(result, BaseException):
            raise result
        return result if isinstance(result, Answer) else answer(result)

    async def until_asked(self, condition: Callable[[], bool]) -> None:
        """Returns when a request made it true."""
        async with asyncio.timeout(10):
            while not condition():
                self._more.clear()
                await self._more.wait()

    def abandon(self) -> None: ...

    async def close(self) -> None: ...

    async def sleep(self, delay: float) -> None:
        self.slept.append(delay)
        await asyncio.sleep(0)

    def client(self, *, retries_max: int = 8, batch_entries_max: int = 100) -> AsyncQueues:
        """A client that asks this stand-in, and does not wait between tries."""
        client = AsyncQueues("key", batch_entries_max=batch_entries_max, connect=lambda: self)
        client._transport._sleep = self.sleep
        client._transport._policy = RetryPolicy(retries_max, chance=lambda: 1.0)
        return client


def accepted(asked: Asked) -> Any:
    """An enqueue, single or batch, whose ids are the payloads; a payload "bad" is refused alone."""
    if asked.path.endswith("/batch"):
        results = [result_of(entry["payload"]) for entry in asked.body["messages"]]
        return {"results": results, "failed": sum("error" in result for result in results)}
    result = result_of(asked.body["payload"])
    return problem(409, "dedup_conflict") if "error" in result else result


def result_of(payload: Any) -> dict[str, Any]:
    if payload == "bad":
        return {"error": {"code": "dedup_conflict", "detail": "it was another"}}
    return {"id": str(payload), "state": "ready", "duplicate": False}


def message(number: int | str, **fields: Any) -> dict[str, Any]:
    """A message as a receive answers it."""
    return {
        "id": f"m{number}",
        "receipt": f"r{number}",
        "queue": "q",
        "payload": number,
        "priority": 1,
        "metadata": {},
        "enqueuedAt": "2026-01-02T03:04:05.678Z",
        "deliveries": 1,
        "attempts": 0,
        "leasedUntil": LATER,
        **fields,
    }


def queue(name: str = "q", **config: Any) -> dict[str, Any]:
    """A queue as the server answers it."""
    return {
        "name": name,
        "config": {
            "maxRetries": 3,
            "visibilityTimeout": 30,
            "deadLetterQueue": None,
            "rateLimit": None,
            "scheduling": {"mode": "fair", "agingSeconds": 60},
            "backoff": {"initial": 1, "multiplier": 2, "max": 600, "jitter": 0.2},
            "dedupWindow": 300,
            "delay": 0,
            "ttl": None,
            **config,
        },
        "createdAt": "2026-01-02T03:04:05.678Z",
        "counts": {"ready": 1, "blocked": 0, "delayed": 0, "leased": 0, "dead": 0},
    }


def settled(asked: Asked) -> dict[str, Any]:
    """Every ack, nack, release and extend succeeds."""
    body = asked.body
    return {
        "acks": [{"state": "acked", "already": False} for _ in body.get("acks", ())],
        "nacks": [{"state": "ready", "dueAt": LATER} for _ in body.get("nacks", ())],
        "releases": [{"state": "ready"} for _ in body.get("releases", ())],
        "extends": [{"leasedUntil": LATER} for _ in body.get("extends", ())],
        "failed": 0,
    }


class Gate:
    """Holds each answer until the test lets it go."""

    def __init__(self) -> None:
        self.arrived: asyncio.Queue[Asked] = asyncio.Queue()
        self.open = asyncio.Semaphore(0)

    async def answer(self, asked: Asked) -> Any:
        self.arrived.put_nowait(asked)
        await self.open.acquire()
        return settled(asked) if asked.path.endswith("/settle") else accepted(asked)


class Broker(StandIn):
    """A stand-in that hands out the messages a test puts, and records how they were settled."""

    def __init__(self, visibility_timeout: float = 30, session_timeout: float = 30) -> None:
        super().__init__(self._answer)
        self.messages: asyncio.Queue[Any] = asyncio.Queue()
        self.acks: list[dict[str, Any]] = []
        self.nacks: list[dict[str, Any]] = []
        self.releases: list[dict[str, Any]] = []
        self.extends: list[dict[str, Any]] = []
        self.settled = asyncio.Condition()
        self.members: list[tuple[str, str]] = []
        self.ack_error: Answer | None = None
        self.extend_error: dict[str, Any] | None = None
        self._visibility_timeout = visibility_timeout
        self._session_timeout = session_timeout

    async def _answer(self, asked: Asked) -> Any:
        if asked.path.endswith("/settle"):
            return await self._settle(asked)
        if asked.path.endswith("/ack"):
            return await self._ack_alone(asked)
        if "/members/" in asked.path:
            return await self._member(asked)
        if not asked.path.endswith("/messages"):
            return queue(visibilityTimeout=self._visibility_timeout, sessionTimeout=self._session_timeout)
        first = await self.messages.get()
        if isinstance(first, Answer | BaseException):
            return first
        found = [first]
        while not self.messages.empty() and len(found) < int(asked.query["maxMessages"]):
            found.append(self.messages.get_nowait())
        return {"messages": found}

    async def _settle(self, asked: Asked) -> Any:
        async with self.settled:
            self.acks += asked.body.get("acks", ())
            self.nacks += asked.body.get("nacks", ())
            self.releases += asked.body.get("releases", ())
            self.extends += asked.body.get("extends", ())
            self.settled.notify_all()
        result = settled(asked)
        if self.extend_error is not None:
            result["extends"] = [{"error": self.extend_error} for _ in result["extends"]]
        return result

    async def _ack_alone(self, asked: Asked) -> Any:
        if self.ack_error is not None:
            return self.ack_error
        async with self.settled:
            self.acks.append({"id": asked.path.split("/")[3], **asked.body})
            self.settled.notify_all()
        return {"state": "acked", "already": False}

    async def _member(self, asked: Asked) -> Any:
        async with self.settled:
            self.members.append((asked.method, asked.path))
            self.settled.notify_all()
        return {"sessionUntil": LATER} if asked.method == "PUT" else {"released": 0}

    async def until(self, condition: Callable[[], bool]) -> None:
        """Returns when a settlement made it true."""
        async with asyncio.timeout(10), self.settled:
            await self.settled.wait_for(condition)


@asynccontextmanager
async def running(client: AsyncQueues, grace: float = 10) -> AsyncIterator[asyncio.Task[None]]:
    run = asyncio.create_task(client.run(grace=grace))
    try:
        yield run
    finally:
        client.stop()
        async with asyncio.timeout(10):
            await asyncio.gather(run, return_exceptions=True)
    run.result()


async def turns(number: int) -> None:
    """Lets everything that can go on without the outside do so."""
    for _ in range(number):
        await asyncio.sleep(0)
