"""What the SDK hands out: plain, typed values, made from the server's JSON.

Instants are aware datetimes in UTC, durations are seconds. Fields a newer server adds are left out. Must not know
how the JSON came.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

from hanzo_queues.client.config import Backoff
from hanzo_queues.client.spec import DeathReason, NackState, ReleaseState, Stage, State
from hanzo_queues.errors import BY_CODE, ApiError

Json = Mapping[str, Any]


def instant(text: str) -> datetime:
    """An RFC 3339 instant."""
    return datetime.fromisoformat(text)


def instant_or_none(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def known(kind: type[Any], json: Json) -> dict[str, Any]:
    """The fields of `json` that `kind` has under the same name."""
    return {name: json[name] for name in kind.__slots__ if name in json}


_new: Any = tuple.__new__
"""Of named tuples: without the call that gives each field its name."""


class EnqueueResult(NamedTuple):  # made once a message: a frozen dataclass takes five times as long
    """An accepted message: it is durable."""

    id: str
    duplicate: bool
    """True: nothing was stored now, `id` is the message accepted earlier under this dedup id (it may be one
    this very call stored, when its first answer was lost and the client repeated it)."""
    state: Stage | None
    """Of a duplicate the state of that earlier message now: "done" also when it is gone."""
    result: Any = None
    """Of a duplicate: what was kept with the ack of that earlier message."""
    has_result: bool = False
    """A result is kept; it may be None."""

    @staticmethod
    def of(json: Json) -> EnqueueResult:
        if len(json) == 3 and "state" in json:  # as most are
            plain: EnqueueResult = _new(EnqueueResult, (json["id"], json["duplicate"], json["state"], None, False))
            return plain
        has_result = "result" in json
        result = json["result"] if has_result else None
        fields = json["id"], json["duplicate"], json.get("state"), result, has_result
        made: EnqueueResult = _new(EnqueueResult, fields)
        return made


class EntryResult(NamedTuple):
    """What became of one entry of a batch: it has either an `id` or an `error`. The rest is as in `EnqueueResult`."""

    id: str | None
    duplicate: bool
    state: Stage | None
    error: ApiError | None
    result: Any = None
    has_result: bool = False

    @staticmethod
    def of(json: Json) -> EntryResult:
        if "error" in json:
            return EntryResult(None, False, None, entry_error(json["error"]))
        has_result = "result" in json
        result = json["result"] if has_result else None
        fields = json["id"], json["duplicate"], json.get("state"), None, result, has_result
        made: EntryResult = _new(EntryResult, fields)
        return made


def batch_results(json: Json) -> tuple[EntryResult, ...]:
    """The results of a batch, in order."""
    return tuple(EntryResult.of(result) for result in json.get("results", ()))


def entry_error(json: Json) -> ApiError:
    """The error of one entry of a batch."""
    code = json.get("code", "")
    return BY_CODE.get(code, ApiError)(json.get("detail", ""), code=code, retry_after=json.get("retryAfter"))


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Why a message could not be delivered, and where it came from."""

    reason: DeathReason
    """"leaseEnded": its last attempt was a lease that ended."""
    error: str | None
    """The last error's text."""
    source_queue: str
    source_id: str
    deliveries: int
    attempts: int
    first_failure_at: datetime | None
    """None: it never failed (it expired)."""
    last_failure_at: datetime | None
    source_group: str
    """The consumer group it died in."""
    redrives: int
    """How often it was redriven since it died first."""

    @classmethod
    def of(cls, json: Json) -> DeadLetter:
        return cls(
            json["reason"],
            json.get("error"),
            json["sourceQueue"],
            json["sourceId"],
            json["deliveries"],
            json["attempts"],
            instant_or_none(json.get("firstFailureAt")),
            instant_or_none(json.get("lastFailureAt")),
            json.get("sourceGroup", "default"),
            json.get("redrives", 0),
        )


@dataclass(slots=True)
class Message:
    """A message handed to you: yours until `leased_until`, or until you ack or nack it."""

    id: str
    queue: str
    payload: Any
    """The JSON value that was enqueued."""
    metadata: dict[str, Any]
    priority: int
    """0 to 255, higher is sooner."""
    receipt: str
    """Proof of this lease; opaque."""
    deliveries: int
    """How often it was handed out, this time included."""
    attempts: int
    """Deliveries before this one that failed."""
    enqueued_at: datetime
    leased_until: datetime
    """The lease's end as given by the receive."""
    expires_at: datetime | None
    dedup_id: str | None
    ordering_key: str | None
    fairness_key: str | None
    traceparent: str | None
    last_error: str | None
    """What the last failed attempt left, if any did."""
    first_failure_at: datetime | None
    """None: it has not failed since it is here."""
    last_failure_at: datetime | None
    dead_letter: DeadLetter | None
    """Present when this is a dead letter."""

    @classmethod
    def of(cls, json: Json) -> Message:
        if len(json) == PLAIN_FIELDS:  # as most are
            return cls(
                json["id"], json["queue"], json["payload"], json["metadata"], json["priority"], json["receipt"],
                json["deliveries"], json["attempts"], instant(json["enqueuedAt"]), instant(json["leasedUntil"]),
                None, None, None, None, None, None, None, None, None,
            )  # fmt: skip
        get = json.get
        dead_letter = get("deadLetter")
        return cls(
            json["id"],
            json["queue"],
            json["payload"],
            json["metadata"],
            json["priority"],
            json["receipt"],
            json["deliveries"],
            json["attempts"],
            instant(json["enqueuedAt"]),
            instant(json["leasedUntil"]),
            instant_or_none(get("expiresAt")),
            get("dedupId"),
            get("orderingKey"),
            get("fairnessKey"),
            get("traceparent"),
            get("lastError"),
            instant_or_none(get("firstFailureAt")),
            instant_or_none(get("lastFailureAt")),
            None if dead_letter is None else DeadLetter.of(dead_letter),
        )


PLAIN_FIELDS = 10
"""Of a message of which there is nothing more to say."""


class Received(list[Message]):
    """The messages of one receive. When something held others back, `limited_by` names it ("paused", "queue",
    "consumer", "key", "inFlight" or "keyAssigned": all that is ready has ordering keys that stick to other members of
    the group), and `retry_after` says in how many seconds a receive can succeed, where that is a matter of time; else
    both are None."""

    limited_by: str | None = None
    retry_after: float | None = None


AT_NAMES = {
    "ready": "readyAt",
    "blocked": "readyAt",
    "delayed": "dueAt",
    "leased": "leasedUntil",
    "dead": "deadAt",
}


@dataclass(frozen=True, slots=True)
class MessageView:
    """A message as seen from outside; looking leases nothing."""

    id: str
    queue: str
    state: State
    at: datetime | None
    """Ready, blocked: since when. Delayed: due when. Leased: until when. Dead: since when."""
    payload: Any
    metadata: dict[str, Any]
    priority: int
    deliveries: int
    attempts: int
    enqueued_at: datetime
    expires_at: datetime | None
    dedup_id: str | None
    ordering_key: str | None
    fairness_key: str | None
    traceparent: str | None
    last_error: str | None
    """What the last failed attempt left, if any did. Of a dead message, `dead_letter` tells."""
    first_failure_at: datetime | None
    """None: it has not failed since it is here, or is dead."""
    last_failure_at: datetime | None
    dead_letter: DeadLetter | None
    max_retries: int | None
    """Its own, in place of its queue's, if it has any; so is `backoff`. They rest while it is a dead letter."""
    backoff: Backoff | None
    groups: Mapping[str, Stage]
    """Its state in each consumer group, where there are further ones; the other fields are those of the first group
    that holds it still."""

    @classmethod
    def of(cls, json: Json) -> MessageView:
        get = json.get
        dead_letter, backoff = get("deadLetter"), get("backoff")
        return cls(
            json["id"],
            json["queue"],
            json["state"],
            instant_or_none(get(AT_NAMES.get(json["state"], ""))),
            json["payload"],
            json["metadata"],
            json["priority"],
            json["deliveries"],
            json["attempts"],
            instant(json["enqueuedAt"]),
            instant_or_none(get("expiresAt")),
            get("dedupId"),
            get("orderingKey"),
            get("fairnessKey"),
            get("traceparent"),
            get("lastError"),
            instant_or_none(get("firstFailureAt")),
            instant_or_none(get("lastFailureAt")),
            None if dead_letter is None else DeadLetter.of(dead_letter),
            get("maxRetries"),
            None if backoff is None else Backoff(**known(Backoff, backoff)),
            get("groups", {}),
        )


@dataclass(frozen=True, slots=True)
class DoneMessage:
    """A message that was acked with a result, while that is kept. Nothing else of it is."""

    id: str
    queue: str
    state: Literal["done"]
    done_at: datetime
    result: Any
    """The JSON value that was given with the ack."""
    result_expires_at: datetime

    @classmethod
    def of(cls, json: Json) -> DoneMessage:
        return cls(
            json["id"],
            json["queue"],
            "done",
            instant(json["doneAt"]),
            json["result"],
            instant(json["resultExpiresAt"]),
        )


class Peeked(list[MessageView]):
    """One page of messages. `next`: where the next page begins (`after`); None when there is none."""

    next: str | None = None


@dataclass(frozen=True, slots=True)
class AckResult:
    """The message is done. `already`: an earlier ack of the same lease had done it."""

    already: bool
    enqueued: tuple[EnqueueResult, ...] = ()
    """The messages enqueued with it, in order; also when `already`, as long as the server remembers them."""

    @classmethod
    def of(cls, json: Json) -> AckResult:
        enqueued = json.get("enqueued")
        if not enqueued:
            return ACKED_ALREADY if json["already"] else ACKED
        return cls(json["already"], tuple(map(EnqueueResult.of, enqueued)))


ACKED = AckResult(already=False)
ACKED_ALREADY = AckResult(already=True)


@dataclass(frozen=True, slots=True)
class ReleaseResult:
    """Where the message went."""

    state: ReleaseState
    """"settled": an earlier release or nack of the same lease had done it."""
    due_at: datetime | None
    """When it may be delivered again, if that is not now."""
    dead_letter_id: str | None = None
    """Its id in the dead-letter queue, when its time to live was over."""

    @classmethod
    def of(cls, json: Json) -> ReleaseResult:
        return cls(json["state"], instant_or_none(json.get("dueAt")), json.get("deadLetterId"))


@dataclass(frozen=True, slots=True)
class NackResult:
    """Where the message went."""

    state: NackState
    """"settled": an earlier nack of the same lease had done it."""
    due_at: datetime | None
    """When it may be delivered again."""
    dead_letter_id: str | None
    """Its id in the dead-letter queue."""

    @classmethod
    def of(cls, json: Json) -> NackResult:
        return cls(json["state"], instant_or_none(json.get("dueAt")), json.get("deadLetterId"))
