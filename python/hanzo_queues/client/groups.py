"""Consumer groups and their members: made, looked at, left, deleted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hanzo_queues.client.calls import Calls
from hanzo_queues.client.models import Json, instant
from hanzo_queues.client.queue_info import QueueCounts
from hanzo_queues.client.wire import encode, queue_target, quoted


@dataclass(frozen=True, slots=True)
class Member:
    """A consumer of a group, known by its polls and heartbeats."""

    id: str
    joined_at: datetime
    last_seen_at: datetime
    leased: int
    """Messages it holds."""
    keys: int
    """Ordering keys that stick to it now."""

    @classmethod
    def of(cls, json: Json) -> Member:
        return cls(
            json["id"], instant(json["joinedAt"]), instant(json["lastSeenAt"]), json["leased"], json.get("keys", 0)
        )


@dataclass(frozen=True, slots=True)
class Group:
    """A consumer group: it gets its own copy of every message enqueued after it was made."""

    name: str
    queue: str
    created_at: datetime
    counts: QueueCounts
    """Its copies, by state."""
    lag: int
    """Copies it has yet to take: ready, blocked and delayed."""
    members: tuple[Member, ...]
    oldest_ready_age: float | None = None
    """Seconds for which the copy has been ready that has been for the longest. None: none is ready."""

    @classmethod
    def of(cls, json: Json) -> Group:
        return cls(
            json["name"],
            json["queue"],
            instant(json["createdAt"]),
            QueueCounts.of(json["counts"]),
            json["lag"],
            tuple(Member.of(member) for member in json.get("members", ())),
            json.get("oldestReadyAge"),
        )


class GroupCalls(Calls):
    """The part of a client that administers consumer groups."""

    async def create_group(self, queue: str, name: str) -> Group:
        """Makes a consumer group, or finds it there; safe to call at every start. It gets a copy of every message
        enqueued from now on, and a message is gone when every group is done with it. Every queue has the group
        "default". Raises QueueNotFound, GroupNameInvalid, GroupsExhausted."""
        return Group.of(await self._transport.call("POST", _target(queue), encode({"name": name}), safe=True))

    async def list_groups(self, queue: str) -> list[Group]:
        """The consumer groups of a queue, "default" first. Raises QueueNotFound."""
        answer = await self._transport.call("GET", _target(queue), safe=True)
        return [Group.of(group) for group in answer["groups"]]

    async def get_group(self, queue: str, name: str = "default") -> Group:
        """A consumer group: its counts, its lag, its members. Raises QueueNotFound, GroupNotFound."""
        return Group.of(await self._transport.call("GET", _target(queue, name), safe=True))

    async def delete_group(self, queue: str, name: str) -> int:
        """Deletes a consumer group with its copies, and returns how many these were; other groups keep theirs.
        Raises QueueNotFound, GroupNotFound, GroupIsDefault, and OutcomeUnknown when the answer was lost."""
        answer = await self._transport.call("DELETE", _target(queue, name), safe=False)
        return int(answer["messages"])

    async def heartbeat(self, queue: str, consumer_id: str, *, group: str = "default") -> datetime:
        """Keeps a member's session alive without a poll, and returns when it ends without a further sign of life:
        the queue's `session_timeout` from now. Consumers do it by themselves; it is for those that receive by hand.
        Raises QueueNotFound, GroupNotFound."""
        answer = await self._transport.call("PUT", _target(queue, group, consumer_id), safe=True)
        return instant(answer["sessionUntil"])

    async def leave_group(self, queue: str, consumer_id: str, *, group: str = "default") -> int:
        """Ends a member's session: its ordering keys go to the other members, its leases are given back with no
        attempt counted, and their number is returned. Consumers do it by themselves when they stop. Safe to repeat.
        Raises QueueNotFound, GroupNotFound."""
        answer = await self._transport.call("DELETE", _target(queue, group, consumer_id), safe=True)
        return int(answer["released"])


def _target(queue: str, group: str | None = None, member: str | None = None) -> str:
    path = "/groups"
    if group is not None:
        path += f"/{quoted(group)}"
    if member is not None:
        path += f"/members/{quoted(member)}"
    return queue_target(queue, path)
