"""Errors as clients see them: RFC 9457 problems, made from a code of spec/errors.toml and a detail.

Owns the shape of a problem and of the exception that routes raise. Must not know HTTP beyond status and headers.
Every code that leaves the server is in the catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

from hanzo_queues.server.faults import Outcome
from hanzo_queues.server.spec_files import read_spec_table

Header = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Kind:
    """One entry of the catalogue."""

    code: str
    status: int
    title: str
    cause: str
    fix: str
    retryable: bool
    outcome: Outcome
    retry_after: float | None = None


KINDS: Mapping[str, Kind] = {code: Kind(code=code, **entry) for code, entry in read_spec_table("errors.toml").items()}


class Refused(Exception):
    """A request that does not get past the edge. `errors` are `{pointer, detail}`, as in a problem."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Sequence[Header] = (),
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.errors = errors
        self.headers = headers


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem, rendered."""

    status: int
    headers: tuple[Header, ...]
    body: bytes


def problem(
    code: str,
    detail: str,
    request_id: str,
    *,
    errors: Sequence[Mapping[str, str]] = (),
    retry_after_s: float | None = None,
    outcome: Outcome | None = None,
    members: bytes = b"",
) -> Problem:
    """The answer for `code`. `detail` is for people; when it is empty the catalogue's cause stands in. `outcome`
    replaces the catalogue's. `members` is a rendered JSON object whose members the problem gets too."""
    kind = KINDS[code]
    fields: dict[str, object] = {
        "type": f"urn:hanzo-queues:problem:{code}",
        "title": kind.title,
        "status": kind.status,
        "code": code,
        "detail": detail or kind.cause,
        "fix": kind.fix,
        "retryable": kind.retryable,
        "outcome": outcome or kind.outcome,
        "requestId": request_id,
    }
    headers: tuple[Header, ...] = ((b"content-type", b"application/problem+json"), (b"cache-control", b"no-store"))
    wait_s = kind.retry_after if retry_after_s is None else retry_after_s
    if wait_s is not None:
        fields["retryAfter"] = wait_s
        headers += ((b"retry-after", b"%d" % max(1, -int(-wait_s // 1))),)
    if errors:
        fields["errors"] = list(errors)
    return Problem(kind.status, headers, _joined(orjson.dumps(fields), members))


def _joined(first: bytes, second: bytes) -> bytes:
    """Two JSON objects as one: the second's members after the first's."""
    return first if len(second) <= 2 else first[:-1] + b"," + second[1:]
