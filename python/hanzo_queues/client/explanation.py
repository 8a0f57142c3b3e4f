"""Why a message is not being delivered now, as the server explains it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hanzo_queues.client.models import Json, instant_or_none
from hanzo_queues.client.spec import Stage


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that stands in a message's way. What a reason does not have is None."""

    code: str
    """"paused", "delayed", "leased", "expired", "dead", "done", "ordering_key", "key_assigned", "queue_rate_limit",
    "consumer_rate_limit", "key_rate_limit", "queue_in_flight", "key_in_flight" or "behind"."""
    detail: str
    """A sentence for people."""
    until: datetime | None
    """Of "delayed" and "leased": until when."""
    retry_after: float | None
    """Of a limit: seconds until the next message may go."""
    behind: str | None
    """Of "ordering_key": the id of the message that has to be done first."""
    member: str | None
    """Of "key_assigned": the consumer its ordering key sticks to, the only one that gets it."""
    consumer: str | None
    """Of "leased": the id of the consumer that holds it, if it gave one."""
    ahead: int | None
    """Of "behind": how many messages go first; None when they are too many to count."""
    done_at: datetime | None
    """Of "done": when it was acked. This and the next are None when the group left no result that is kept."""
    result_expires_at: datetime | None
    """Of "done": until when its result is kept."""
    fields: Mapping[str, Any]
    """All that the server said, by its names."""

    @classmethod
    def of(cls, json: Json) -> Reason:
        ahead = json.get("ahead")
        return cls(
            json["code"],
            json["detail"],
            instant_or_none(json.get("until")),
            json.get("retryAfter"),
            json.get("behind"),
            json.get("member"),
            json.get("consumer"),
            ahead if isinstance(ahead, int) else None,
            instant_or_none(json.get("doneAt")),
            instant_or_none(json.get("resultExpiresAt")),
            json,
        )


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that keeps a message from being delivered to the next receive."""

    id: str
    queue: str
    group: str
    """The consumer group this is about."""
    state: Stage
    deliverable: bool
    """Nothing but messages ahead of it: a receive that takes enough gets it now."""
    reasons: tuple[Reason, ...]

    @classmethod
    def of(cls, json: Json) -> Explanation:
        return cls(
            json["id"],
            json["queue"],
            json.get("group", "default"),
            json["state"],
            json["deliverable"],
            tuple(Reason.of(reason) for reason in json["reasons"]),
        )
