"""Sweeps: dead letters redriven, waiting messages cancelled or changed, by filter and in the background."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Literal, TypedDict

from hanzo_queues.client.calls import Calls
from hanzo_queues.client.config import RATE_LIMIT, Names, to_wire
from hanzo_queues.client.models import Json, instant, instant_or_none
from hanzo_queues.client.wire import Seconds, encode_some, queue_target, quoted, seconds, with_query

LOOK_SECONDS_MIN = 0.05
LOOK_SECONDS_MAX = 2.0
"""Pauses between two looks at a sweep that is waited for: they double, since most sweeps are short."""

FILTER: Names = {
    "state": "state",
    "reason": "reason",
    "error": "error",
    "older_than": "olderThan",
    "newer_than": "newerThan",
    "metadata": "metadata",
}


class Filter(TypedDict, total=False):
    """Messages for which all of it is true; an empty one means every message that the action is meant for."""

    state: Literal["ready", "blocked", "delayed", "dead"]
    reason: Literal["retriesExhausted", "leaseEnded", "rejected", "expired"]
    """Why it died."""
    error: str
    """A part of its last error's text."""
    older_than: Seconds
    """It died (or, if it never did, was accepted) at least so many seconds ago."""
    newer_than: Seconds
    """At most so many seconds ago."""
    metadata: Mapping[str, Any]
    """Members its metadata has, with these values."""


class SweepRate(TypedDict):
    """So many messages (`requests`) a period at most, evenly."""

    requests: int
    per: Literal["second", "minute", "hour", "day"]


@dataclass(frozen=True, slots=True)
class Sweep:
    """A walk over the messages of a queue, and how far it is. It goes on when the server restarts."""

    id: str
    queue: str
    action: Literal["redrive", "cancel"] | Mapping[str, Any]
    """For a change: what it sets, as on the wire."""
    state: Literal["running", "done", "cancelled", "failed"]
    dry_run: bool
    total: int | None
    """Messages it could concern when it began, at most: those in the state it is about, or the `ids`. `matched` stays
    below it where a filter asks for more. None: the server did not count them."""
    matched: int
    """Messages that matched and were there when their turn came."""
    moved: int
    """Those it was done to."""
    skipped: int
    """Those that had left their state meanwhile, and ids that are not there."""
    failed: int
    """Those it could not be done to: they stay where they are."""
    failures: Mapping[str, int]
    """Why, and how many: "no_source", "queue_not_found", "queue_full", "group_not_found"."""
    created_at: datetime
    ended_at: datetime | None
    error: str | None
    """Why it failed as a whole."""
    sample: tuple[str, ...]
    """Of a dry run: the ids of the first that matched."""
    destination: str | None
    """Of a redrive to one queue."""

    @property
    def ended(self) -> bool:
        return self.state != "running"

    @classmethod
    def of(cls, json: Json) -> Sweep:
        get = json.get
        return cls(
            json["id"],
            json["queue"],
            json["action"],
            json["state"],
            get("dryRun", False),
            get("total"),
            json["matched"],
            json["moved"],
            json["skipped"],
            json["failed"],
            get("failures", {}),
            instant(json["createdAt"]),
            instant_or_none(get("endedAt")),
            get("error"),
            tuple(get("sample", ())),
            get("destination"),
        )


class SweepCalls(Calls):
    """The part of a client that sweeps."""

    async def redrive(
        self,
        queue: str,
        *,
        ids: Sequence[str] | None = None,
        filter: Filter | None = None,
        destination: str | None = None,
        rate: SweepRate | None = None,
        max_messages: int | None = None,
        dry_run: bool = False,
    ) -> Sweep:
        """Starts to move dead letters back to where they died: with new ids, ready at once, attempts from 0. Messages
        of a dead-letter queue, or those in a queue's state "dead"; without `ids` and `filter`, all of them. None is
        lost or doubled.

        ids           up to 1000 messages of this queue, by id
        filter        as in `Filter`; not with `ids`
        destination   a queue for all of them, whose consumer groups all get them; default the queue, and group, each
                      one died in
        rate          at most so many a period, such as {"requests": 50, "per": "second"}; default: no limit
        max_messages  messages moved at most
        dry_run       only counts, and shows a `sample`

        It is under way when this returns: see `wait_for_sweep`, `get_sweep`, `cancel_sweep`. Raises QueueNotFound,
        SweepsExhausted, RequestInvalid, and OutcomeUnknown when the answer was lost: another redrive finds what the
        first one left.
        """
        if isinstance(ids, str):
            raise TypeError("ids is one string; it must be a list of message ids")
        target = queue_target(queue, "/redrive")
        body = {"ids": None if ids is None else list(ids), "destination": destination}
        return await self._start(target, body, filter, rate, max_messages, dry_run)

    async def cancel_messages(
        self,
        queue: str,
        filter: Filter,
        *,
        rate: SweepRate | None = None,
        max_messages: int | None = None,
        dry_run: bool = False,
    ) -> Sweep:
        """Starts to delete the messages that match: those that wait, unless the filter names a state. Those that
        consumers hold, and those that arrive later, are left alone. Arguments, errors and progress as of `redrive`."""
        target = queue_target(queue, "/sweep")
        return await self._start(target, {"action": "cancel"}, filter, rate, max_messages, dry_run)

    async def update_messages(
        self,
        queue: str,
        filter: Filter,
        *,
        delay: Seconds | None = None,
        priority: int | None = None,
        rate: SweepRate | None = None,
        max_messages: int | None = None,
        dry_run: bool = False,
    ) -> Sweep:
        """Starts to change the waiting messages that match, as `update_message` does one; a delay counts from when
        each has its turn. Arguments, errors and progress as of `redrive`."""
        change = {"delay": None if delay is None else seconds(delay), "priority": priority}
        action = {name: value for name, value in change.items() if value is not None}
        if not action:
            raise ValueError("nothing to change: give a delay, a priority, or both")
        return await self._start(queue_target(queue, "/sweep"), {"action": action}, filter, rate, max_messages, dry_run)

    async def _start(
        self,
        target: str,
        asked: Mapping[str, object],
        filter: Filter | None,
        rate: SweepRate | None,
        max_messages: int | None,
        dry_run: bool,
    ) -> Sweep:
        body = encode_some(
            **asked,
            filter=None if filter is None else to_wire(filter, FILTER, "filter"),
            rate=None if rate is None else to_wire(rate, RATE_LIMIT, "rate"),
            max=max_messages,
            dryRun=dry_run or None,
        )
        return Sweep.of(await self._transport.call("POST", target, body, safe=False))

    async def get_sweep(self, sweep: Sweep | str) -> Sweep:
        """How far a sweep, or the one with this id, is. Known for 7 days after its end. Raises SweepNotFound."""
        return Sweep.of(await self._transport.call("GET", _target(sweep), safe=True))

    async def list_sweeps(self) -> list[Sweep]:
        """The redrives and sweeps of all queues that are under way, and those that ended in the last 7 days."""
        found: list[Sweep] = []
        after: str | None = None
        while True:
            answer = await self._transport.call("GET", with_query("/v1/sweeps", {"after": after}), safe=True)
            found += [Sweep.of(sweep) for sweep in answer["sweeps"]]
            after = answer.get("next")
            if after is None:
                return found

    async def cancel_sweep(self, sweep: Sweep | str) -> Sweep:
        """Stops a sweep: it does nothing more when this returns, and what it did stays. One that has ended stays as
        it is. Raises SweepNotFound."""
        return Sweep.of(await self._transport.call("DELETE", _target(sweep), safe=True))

    async def wait_for_sweep(
        self,
        sweep: Sweep | str,
        *,
        timeout: Seconds | None = None,  # noqa: ASYNC109 (who blocks has no other way)
        on_progress: Callable[[Sweep], object] | None = None,
    ) -> Sweep:
        """Waits for the end of a sweep and returns it; its `state` says how it ended.

        timeout      seconds; default: for ever. Then TimeoutError is raised, and the sweep goes on
        on_progress  called with the sweep at each look, every two seconds at least
        """
        for look in looks(sweep, timeout):
            seen = await look(self)
            if on_progress is not None:
                on_progress(seen)
            if seen.ended:
                return seen
        raise AssertionError("there is always another look")


def looks(sweep: Sweep | str, timeout: Seconds | None) -> Iterator[Callable[[SweepCalls], Coroutine[Any, Any, Sweep]]]:
    """Looks at a sweep, each a while after the one before. Past `timeout` seconds they raise TimeoutError."""
    until = None if timeout is None else time.monotonic() + seconds(timeout)
    pause = 0.0
    while True:
        yield partial(_look, sweep=sweep, pause=pause, until=until)
        pause = min(max(pause * 2, LOOK_SECONDS_MIN), LOOK_SECONDS_MAX)


async def _look(calls: SweepCalls, *, sweep: Sweep | str, pause: float, until: float | None) -> Sweep:
    async with asyncio.timeout(None if until is None else until - time.monotonic()):
        if pause:
            await calls._pause(pause)
        return await calls.get_sweep(sweep)


def _target(sweep: Sweep | str) -> str:
    return f"/v1/sweeps/{quoted(sweep.id if isinstance(sweep, Sweep) else sweep)}"
