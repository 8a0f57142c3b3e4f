"""A queue as the server shows it: its settings, and how many messages it has. As models.py, of queues."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hanzo_queues.client.config import QueueConfig, from_wire
from hanzo_queues.client.models import Json, instant, known


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """How many messages of a queue are in each state, at the moment of the answer."""

    ready: int = 0
    blocked: int = 0
    """Behind an earlier message of their ordering key."""
    delayed: int = 0
    leased: int = 0
    dead: int = 0

    @classmethod
    def of(cls, json: Json) -> QueueCounts:
        return cls(**known(cls, json))


@dataclass(frozen=True, slots=True)
class Paused:
    """What of a queue is paused."""

    enqueue: bool = False
    receive: bool = False


@dataclass(frozen=True, slots=True)
class QueueInfo:
    """A queue."""

    name: str
    config: QueueConfig
    created_at: datetime
    counts: QueueCounts
    paused: Paused = Paused()
    oldest_ready_age: float | None = None
    """Seconds for which the message has been ready that has been for the longest. None: none is ready."""

    @classmethod
    def of(cls, json: Json) -> QueueInfo:
        return cls(
            json["name"],
            from_wire(json["config"]),
            instant(json["createdAt"]),
            QueueCounts.of(json.get("counts", {})),
            Paused(**known(Paused, json.get("paused", {}))),
            json.get("oldestReadyAge"),
        )
