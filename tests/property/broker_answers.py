"""How the API writes what the model knows: bodies, instants, a message in an answer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson

from tests.property.broker_state import Death, Message

AT = {"ready": "readyAt", "blocked": "readyAt", "delayed": "dueAt", "leased": "leasedUntil", "dead": "deadAt"}


def instant(at_ms: int | None) -> str | None:
    if at_ms is None:
        return None
    seconds, rest = divmod(at_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03}Z"


def body_of(message: dict[str, Any]) -> bytes:
    """A message as a request has it: the payload's bytes as they are."""
    fields = orjson.dumps({name: value for name, value in message.items() if name != "payload"})
    payload: bytes = message["payload"]
    return b'{"payload":' + payload + (b"," if fields != b"{}" else b"") + fields[1:]


def check_message(message: Message, said: dict[str, Any], more: dict[str, Any]) -> None:
    """`said` shows the message, and `more`."""
    known = message.known
    failed = {
        "lastError": message.error,
        "firstFailureAt": instant(message.first_failure_ms),
        "lastFailureAt": instant(message.last_failure_ms),
    }
    if message.state == "dead":
        failed = dict.fromkeys(failed)
    expected = {
        "id": known.id,
        "queue": message.queue.name,
        "payload": orjson.loads(known.payload),
        "priority": message.priority,
        "enqueuedAt": instant(known.enqueued_at_ms),
        "deliveries": message.deliveries,
        "attempts": message.attempts,
        "expiresAt": instant(message.gone_at_ms()),
        "metadata": known.fields.get("metadata", {}),
        **{name: known.fields.get(name) for name in ("dedupId", "orderingKey", "fairnessKey")},
        **failed,
        **more,
    }
    wrong = {name: (said.get(name), value) for name, value in expected.items() if said.get(name) != value}
    assert not wrong, wrong
    assert ("deadLetter" in said) == (message.death is not None)
    if message.death is not None:
        check_death(message.death, said["deadLetter"])


def check_death(death: Death, said: dict[str, Any]) -> None:
    """`said` tells the story of a dead letter."""
    source = death.source.queue
    expected = {
        "reason": death.reason,
        "error": death.error,
        "sourceQueue": source.name,
        "sourceGroup": None if source.group == "default" else source.group,
        "sourceId": death.source.known.id,
        "deliveries": death.deliveries,
        "attempts": death.attempts,
        "firstFailureAt": instant(death.first_failure_ms),
        "lastFailureAt": instant(death.last_failure_ms),
    }
    assert {name: said.get(name) for name in expected} == expected
