"""Requests as the rest of the SDK makes them: JSON in, JSON or an error out, repeated where that is right.

The one place that repeats requests, and the one that turns an answer into an error. A request says whether it is
`safe`: harmless to repeat even when an earlier try was carried out. For one that is not, a lost answer becomes
`OutcomeUnknown`, never a silent second try.
"""

from __future__ import annotations

import asyncio
import email.utils
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import orjson

from hanzo_queues.client.called import Called, OnCall, operation_of, tell
from hanzo_queues.client.http_stream import Answer
from hanzo_queues.client.retry import RetryPolicy
from hanzo_queues.errors import BY_CODE, ApiError, OutcomeUnknown, QueuesError

TIMEOUT = 30.0
"""Seconds a request may take, a long poll's wait not counted."""


UNKNOWN = (
    "whether the request was carried out is unknown: look before you repeat it. (An enqueue with a dedup_id is "
    "safe to repeat, and the client repeats it by itself.) Cause:"
)


class Exchange(Protocol):
    """What carries one request: the connection, or a test's stand-in."""

    async def __call__(self, method: str, target: str, body: bytes | None, within: float) -> Answer: ...


class Transport:
    """Requests to one server."""

    def __init__(
        self,
        exchange: Exchange,
        policy: RetryPolicy,
        *,
        timeout: float = TIMEOUT,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        on_call: OnCall | None = None,
    ) -> None:
        self._exchange = exchange
        self._policy = policy
        self._timeout = timeout
        self._sleep = sleep
        self._on_call = on_call

    async def back_off(self, failures: int, error: QueuesError, waited: float) -> float | None:
        """Waits before a repetition of what was refused, and tells how long; None: there is none, as for a request."""
        delay = self._policy.next_delay(failures, error, safe=True, waited=waited)
        if delay is not None:
            await self._sleep(delay)
        return delay

    async def call(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        *,
        safe: bool,
        wait: float = 0.0,
        messages: int = 0,
        policy: RetryPolicy | None = None,
    ) -> Any:
        """The answer's JSON. `wait`: seconds the server may take on purpose; `messages`: how many it is about. Raises
        QueuesError."""
        tries = _Tries(self._exchange, method, target, body, self._timeout + wait)
        if self._on_call is None:
            return await self._repeat(tries, safe, policy or self._policy)
        began, answer, raised = time.monotonic(), None, None
        try:
            answer = await self._repeat(tries, safe, policy or self._policy)
            return answer
        except BaseException as error:
            raised = error
            raise
        finally:
            operation, queue = operation_of(method, target)
            if operation == "receive" and answer is not None:
                messages = len(answer["messages"])
            took = time.monotonic() - began
            tell(self._on_call, Called(operation, queue, messages, tries.number, took, raised))

    async def _repeat(self, tries: _Tries, safe: bool, policy: RetryPolicy) -> Any:
        waited = 0.0
        doubt = False
        while True:
            try:
                return await tries.next()
            except QueuesError as error:
                delay = policy.next_delay(tries.number, error, safe=safe, waited=waited)
                if doubt:
                    error.outcome = "unknown"  # whatever the last try met, an earlier one may have been carried out
                if delay is None:
                    if safe or error.outcome == "none":
                        raise
                    raise OutcomeUnknown(f"{UNKNOWN} {error}") from error
                doubt = error.outcome == "unknown"
            waited += delay
            await self._sleep(delay)


class _Tries:
    """The tries of one request, all the same."""

    __slots__ = ("_exchange", "_request", "number")

    def __init__(self, exchange: Exchange, method: str, target: str, body: bytes | None, within: float) -> None:
        self._exchange = exchange
        self._request = (method, target, body, within)
        self.number = 0
        """Those that began."""

    async def next(self) -> Any:
        """The answer's JSON. Raises QueuesError."""
        self.number += 1
        answer = await self._exchange(*self._request)
        if answer.status >= 300:
            raise error_of(answer)
        try:
            return orjson.loads(answer.body)
        except orjson.JSONDecodeError as error:
            text = "the answer is not JSON: is this the URL of a Hanzo Queues server?"
            raise ApiError(text, status=answer.status, outcome="unknown") from error


def error_of(answer: Answer) -> ApiError:
    """The error an answer stands for, whoever wrote it: the server, or a proxy before it."""
    problem = _problem(answer.body)
    code = str(problem.get("code", ""))
    asked = problem.get("retryAfter")
    kind = BY_CODE.get(code, ApiError)
    # Without the server's word, only these statuses mean that the request was not carried out.
    refused = answer.status < 500
    return kind(
        str(problem.get("detail") or problem.get("title") or answer.body[:200].decode("utf-8", "replace")),
        status=answer.status,
        code=code,
        retryable=problem.get("retryable"),
        outcome=problem.get("outcome") or (None if code in BY_CODE else "none" if refused else "unknown"),
        retry_after=float(asked) if isinstance(asked, int | float) else retry_after_of(answer.headers),
        errors=tuple(fault for fault in problem.get("errors") or () if isinstance(fault, dict)),
        request_id=problem.get("requestId") or answer.headers.get("X-Request-Id"),
        body=problem,
    )


def _problem(body: bytes) -> dict[str, Any]:
    try:
        problem = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return problem if isinstance(problem, dict) else {}


def retry_after_of(headers: Mapping[str, str], now: Callable[[], float] = time.time) -> float | None:
    """The Retry-After header in seconds from now: a number, or an HTTP date."""
    text = headers.get("Retry-After")
    if text is None:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - now())
    except ValueError:
        return None
