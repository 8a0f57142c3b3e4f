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

from hanzo_queues.client.connection import Answer
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
    ) -> None:
        self._exchange = exchange
        self._policy = policy
        self._timeout = timeout
        self._sleep = sleep

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
        policy: RetryPolicy | None = None,
    ) -> Any:
        """The answer's JSON. `wait`: seconds the server may take on purpose. Raises QueuesError."""
        policy = policy or self._policy
        failures = 0
        waited = 0.0
        doubt = False
        while True:
            try:
                answer = await self._exchange(method, target, body, self._timeout + wait)
                if answer.status < 300:
                    return orjson.loads(answer.body)
                raise error_of(answer)
            except orjson.JSONDecodeError as error:
                text = "the answer is not JSON: is this the URL of a Hanzo Queues server?"
                raise ApiError(text, outcome="unknown") from error
            except QueuesError as error:
                failures += 1
                delay = policy.next_delay(failures, error, safe=safe, waited=waited)
                if doubt:
                    error.outcome = "unknown"  # whatever the last try met, an earlier one may have been carried out
                if delay is None:
                    if safe or error.outcome == "none":
                        raise
                    raise OutcomeUnknown(f"{UNKNOWN} {error}") from error
                doubt = error.outcome == "unknown"
            waited += delay
            await self._sleep(delay)


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
