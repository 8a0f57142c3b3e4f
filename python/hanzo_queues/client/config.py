"""A queue's config between Python's names and the wire's.

The one place that knows both spellings. An unknown key is an error that names the nearest right one: a misspelt
setting must never be silence. Values are the server's to judge.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Names = dict[str, "tuple[str, Names] | str"]

RATE_LIMIT: Names = {"requests": "requests", "per": "per", "burst": "burst"}
BACKOFF: Names = {"initial": "initial", "multiplier": "multiplier", "max": "max", "jitter": "jitter"}

# Python name -> wire name, with the names inside it for a nested one.
NAMES: Names = {
    "max_retries": "maxRetries",
    "visibility_timeout": "visibilityTimeout",
    "dead_letter_queue": "deadLetterQueue",
    "rate_limit": ("rateLimit", RATE_LIMIT),
    "consumer_rate_limit": ("consumerRateLimit", RATE_LIMIT),
    "key_rate_limit": ("keyRateLimit", RATE_LIMIT),
    "ingress_limit": ("ingressLimit", RATE_LIMIT),
    "fairness": ("fairness", {"weights": "weights", "max_in_flight": "maxInFlight"}),
    "max_messages": "maxMessages",
    "max_in_flight": "maxInFlight",
    "scheduling": ("scheduling", {"mode": "mode", "aging_seconds": "agingSeconds"}),
    "backoff": ("backoff", BACKOFF),
    "dedup_window": "dedupWindow",
    "delay": "delay",
    "ttl": "ttl",
    "dead_retention": "deadRetention",
    "result_retention": "resultRetention",
    "session_timeout": "sessionTimeout",
}


def to_wire(config: Mapping[str, Any], names: Names = NAMES, inside: str = "config") -> dict[str, Any]:
    """The config as the server reads it. Raises ValueError for an unknown key, TypeError for a wrong shape."""
    if not isinstance(config, Mapping):
        raise TypeError(f"{inside} is a {type(config).__name__}; it must be a mapping, such as {{...}}")
    wire: dict[str, Any] = {}
    for key, value in config.items():
        name = names.get(key) if isinstance(key, str) else None
        if name is None:
            raise ValueError(_unknown(key, names, inside))
        if isinstance(name, str):
            wire[name] = value
        else:
            wire[name[0]] = None if value is None else to_wire(value, name[1], f"{inside}[{key!r}]")
    return wire


def _unknown(key: object, names: Names, inside: str) -> str:
    known = ", ".join(names)
    for python, name in names.items():
        if key == (name if isinstance(name, str) else name[0]):
            return f"{inside} has no key {key!r}: in Python it is {python!r}"
    near = difflib.get_close_matches(str(key).lower(), names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{inside} has no key {key!r}: {hint}Known: {known}"


@dataclass(frozen=True, slots=True)
class RateLimit:
    """So many `requests` per `per`, with `burst` at once after a pause. On dispatch, retries count too."""

    requests: int
    per: Literal["second", "minute", "hour", "day"]
    burst: int


@dataclass(frozen=True, slots=True)
class Fairness:
    """How the fairness keys of one priority share the queue: `weights` by key, 1 for every other key, and at most
    `max_in_flight` messages of one key leased at the same time (None: no bound)."""

    weights: Mapping[str, int] = field(default_factory=dict)
    max_in_flight: int | None = None


@dataclass(frozen=True, slots=True)
class Scheduling:
    """Choice among priorities: "fair" lets waiting `aging_seconds` count as one level, "strict" never does."""

    mode: Literal["fair", "strict"] = "fair"
    aging_seconds: float | None = 60


@dataclass(frozen=True, slots=True)
class Backoff:
    """Seconds before the next delivery after a failed attempt: `initial * multiplier ** (attempts - 1)`, at
    most `max`, then drawn from `1 - jitter` of it to all of it."""

    initial: float = 1
    multiplier: float = 2
    max: float = 600
    jitter: float = 0.2


@dataclass(frozen=True, slots=True)
class QueueConfig:
    """A queue's settings as the server holds them. All times are seconds."""

    max_retries: int = 3
    """Deliveries that may follow a failed first one."""
    visibility_timeout: float = 30
    """Length of a lease when the receive names none."""
    dead_letter_queue: str | None = None
    """Where a message goes that can't be delivered. None: it stays, in state "dead"."""
    rate_limit: RateLimit | None = None
    """Limit on dispatch. None: no limit."""
    consumer_rate_limit: RateLimit | None = None
    """Limit on dispatch to each consumer."""
    key_rate_limit: RateLimit | None = None
    """Limit on dispatch of each fairness key."""
    ingress_limit: RateLimit | None = None
    """Limit on acceptance."""
    fairness: Fairness = field(default_factory=Fairness)
    max_messages: int | None = None
    """Messages the queue holds at most. None: no bound."""
    max_in_flight: int | None = None
    """Messages leased at the same time at most. None: no bound."""
    scheduling: Scheduling = field(default_factory=Scheduling)
    backoff: Backoff = field(default_factory=Backoff)
    dedup_window: float = 300
    """How long a dedup id is remembered. 0: not at all."""
    delay: float = 0
    """Delay of a message whose enqueue names none."""
    ttl: float | None = None
    """Time to live of a message whose enqueue names none. None: for ever."""
    dead_retention: float | None = None
    """How long a message stays in state "dead", and a dead letter in this queue, since its death. None: for ever."""
    result_retention: float = 86400
    """How long the result of an ack is kept. 0: not at all."""
    session_timeout: float = 30
    """After so long without a sign of life a member of a consumer group is gone."""


KINDS: dict[str, type[Any]] = {
    "rate_limit": RateLimit,
    "consumer_rate_limit": RateLimit,
    "key_rate_limit": RateLimit,
    "ingress_limit": RateLimit,
    "fairness": Fairness,
    "scheduling": Scheduling,
    "backoff": Backoff,
}


def from_wire(wire: Mapping[str, Any]) -> QueueConfig:
    """The config as Python sees it. Keys only a newer server knows are left out."""
    values = _renamed(wire, NAMES)
    for key, kind in KINDS.items():
        if values.get(key) is not None:
            values[key] = kind(**values[key])
    return QueueConfig(**values)


def _renamed(wire: Mapping[str, Any], names: Names) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for python, name in names.items():
        inner = None if isinstance(name, str) else name[1]
        key = name if isinstance(name, str) else name[0]
        if key in wire:
            value = wire[key]
            values[python] = _renamed(value, inner) if inner and value is not None else value
    return values
