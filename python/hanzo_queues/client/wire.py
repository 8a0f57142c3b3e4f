"""How arguments become the JSON the server reads.

The one place that knows the wire's names of a message's fields. Arguments left out are not sent: the default is the
server's. Values are the server's to judge, but what JSON can't hold is refused here, with a way out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote, quote_plus

import orjson

from hanzo_queues.client.config import BACKOFF, to_wire

Seconds = float | timedelta
"""A duration: seconds (fractions allowed), or a timedelta."""

NOT_GIVEN: Any = type("NotGiven", (), {"__repr__": lambda self: "NOT_GIVEN"})()
"""An argument that was left out, where None is a value."""

MESSAGE_NAMES = {
    "payload": "payload",
    "priority": "priority",
    "delay": "delay",
    "dedup_id": "dedupId",
    "dedup_until": "dedupUntil",
    "ordering_key": "orderingKey",
    "fairness_key": "fairnessKey",
    "metadata": "metadata",
    "ttl": "ttl",
    "max_retries": "maxRetries",
    "backoff": "backoff",
    "traceparent": "traceparent",
}
FOLLOW_UP_NAMES = {"queue": "queue", **MESSAGE_NAMES}

PLAIN = re.compile(r"[A-Za-z0-9_.~-]*")
"""What is the same in a URL. Nearly all is, and to quote it would be a tenth of what a poll costs. (What matched is a
str: a member of an enum of strings is its value.)"""


def seconds(duration: Seconds) -> float:
    return duration.total_seconds() if isinstance(duration, timedelta) else duration


def milliseconds_kept(duration: Seconds) -> float:
    """Seconds as a query takes them: computed ones, such as what is left of a deadline, have more decimals."""
    return round(seconds(duration), 3)


def encode(value: object) -> bytes:
    """JSON. Raises TypeError that says what can't be in it."""
    try:
        return orjson.dumps(value, default=_refuse)
    except orjson.JSONEncodeError as error:
        raise TypeError(str(error.__cause__ or error)) from None


def _refuse(value: object) -> object:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return value._asdict()  # a named tuple, as what an enqueue returns is
    if isinstance(value, bytes | bytearray | memoryview):
        raise TypeError(
            "what is sent is JSON, which can't hold bytes: send base64.b64encode(data).decode() and decode it in the "
            "handler, or store the bytes elsewhere and send where they are"
        )
    raise TypeError(f"what is sent is JSON, which can't hold a {type(value).__name__}: send a dict, list, str, ...")


def message(fields: Mapping[str, Any], *, follow_up: bool = False) -> dict[str, object]:
    """One message to enqueue, a `follow_up` with its queue, by the wire's names. Raises ValueError."""
    names = FOLLOW_UP_NAMES if follow_up else MESSAGE_NAMES
    wire: dict[str, object] = {}
    for key, value in fields.items():
        name = names.get(key)
        if name is None:
            raise ValueError(f"a message has no field {key!r}. Known: {', '.join(names)}")
        if key == "payload":
            wire[name] = value
        elif value is not None:
            wire[name] = to_wire(value, BACKOFF, key) if key == "backoff" else _finite(key, value)
    if "payload" not in wire:
        raise ValueError("a message needs a payload (it may be None)")
    if follow_up and "queue" not in wire:
        raise ValueError("a message to enqueue with an ack needs its queue")
    return wire


def encode_message(fields: Mapping[str, Any], *, follow_up: bool = False) -> bytes:
    """One message to enqueue; keys as in Python. Raises TypeError and ValueError."""
    return encode(message(fields, follow_up=follow_up))


def encode_some(**fields: object) -> bytes:
    """A JSON object of the fields that are not None, names as on the wire."""
    return encode({name: _finite(name, value) for name, value in fields.items() if value is not None})


def _finite(name: str, value: object) -> object:
    """JSON would make it null, which means the default."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name} is {value}; it must be a number")
    return value


def join(entries: Iterable[bytes]) -> bytes:
    """A JSON array of entries that are JSON already."""
    return enclosed(b"[", list(entries), b"]")


def enclosed(before: bytes, entries: list[bytes], after: bytes) -> bytes:
    """Entries, one at least, that are JSON already, with commas between and something around. Copied once: a request
    is large."""
    entries[0] = before + entries[0]
    entries[-1] += after
    return b",".join(entries)


def queue_target(queue: str, rest: str = "", **query: object) -> str:
    """Path and query of something of a queue."""
    if not isinstance(queue, str) or not queue:
        raise TypeError(f"queue is {queue!r}; it must be a queue's name")
    return with_query(f"/v1/queues/{quoted(queue)}{rest}", query)


def message_target(message_id: str, rest: str = "") -> str:
    if not isinstance(message_id, str) or not message_id:
        raise TypeError(f"message_id is {message_id!r}; it must be a message's id")
    return f"/v1/messages/{quoted(message_id)}{rest}"


def quoted(part: str) -> str:
    """One part of a path."""
    plain = PLAIN.fullmatch(part)
    return plain[0] if plain else quote(part, safe="")


def with_query(path: str, query: Mapping[str, object]) -> str:
    """The names are plain."""
    given = "&".join(f"{name}={_in_query(value)}" for name, value in query.items() if value is not None)
    return f"{path}?{given}" if given else path


def _in_query(value: object) -> str:
    text = value if isinstance(value, str) else str(value)
    plain = PLAIN.fullmatch(text)
    return plain[0] if plain else quote_plus(text)
