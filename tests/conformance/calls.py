"""The vocabulary of the vectors as calls of the Python SDK: arguments, results, errors, in the wire's names."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from hanzo_queues import AsyncQueues, Called, EnqueueResult, EntryResult, Message, errors
from hanzo_queues.client.config import NAMES, Names
from hanzo_queues.client.models import Peeked, Received
from hanzo_queues.client.sweeps import FILTER

INSTANT = "2026-01-02T03:04:05.678Z"
MESSAGE: dict[str, Any] = {
    "payload": None,
    "metadata": {},
    "priority": 1,
    "deliveries": 1,
    "attempts": 0,
    "enqueuedAt": INSTANT,
    "leasedUntil": INSTANT,
}

METHODS = {
    "create": "create",
    "update": "update",
    "get": "get",
    "list": "list",
    "pause": "pause",
    "resume": "resume",
    "purge": "purge",
    "delete": "delete",
    "enqueue": "enqueue",
    "enqueueBatch": "enqueue_batch",
    "receive": "receive",
    "ack": "ack",
    "ackAll": "ack_all",
    "nack": "nack",
    "release": "release",
    "extend": "extend",
    "getMessage": "get_message",
    "peek": "peek",
    "explain": "explain",
    "updateMessage": "update_message",
    "runNow": "run_now",
    "cancelMessage": "cancel_message",
    "createGroup": "create_group",
    "listGroups": "list_groups",
    "getGroup": "get_group",
    "deleteGroup": "delete_group",
    "heartbeat": "heartbeat",
    "leaveGroup": "leave_group",
    "redrive": "redrive",
    "cancelMessages": "cancel_messages",
    "updateMessages": "update_messages",
    "getSweep": "get_sweep",
    "cancelSweep": "cancel_sweep",
    "listSweeps": "list_sweeps",
    "waitForSweep": "wait_for_sweep",
}
RENAMED = {"getGroup": {"group": "name"}, "deleteGroup": {"group": "name"}}
SINGLE = {
    "purge": "messages",
    "delete": "messages",
    "deleteGroup": "messages",
    "leaveGroup": "released",
    "heartbeat": "sessionUntil",
    "extend": "leasedUntil",
    "list": "queues",
    "listGroups": "groups",
    "listSweeps": "sweeps",
    "enqueueBatch": "results",
    "ackAll": "errors",
}
"""Operations whose result has one member on the wire, and is that member in Python."""

KINDS = {
    errors.ServerUnreachable: "serverUnreachable",
    errors.OutcomeUnknown: "outcomeUnknown",
    errors.ReceiptUnknown: "receiptUnknown",
    errors.ClientClosed: "clientClosed",
}


async def call(client: AsyncQueues, operation: str, arguments: Mapping[str, Any]) -> Any:
    """What the operation returns, as the vectors say it."""
    renamed = RENAMED.get(operation, {})
    given = {renamed.get(name) or _snake(name): _argument(operation, name, value) for name, value in arguments.items()}
    if "max" in given:
        given["max_messages"] = given.pop("max")
    result = await getattr(client, METHODS[operation])(**given)
    if operation in SINGLE:
        return {SINGLE[operation]: wire(result)}
    return {} if result is None else wire(result)


def _argument(operation: str, name: str, value: Any) -> Any:
    if operation == "ackAll":
        return [_argument("ack", "message", one) for one in value]
    if name == "message" and isinstance(value, dict):
        return Message.of({**MESSAGE, **value})
    convert = ARGUMENTS.get(name)
    return value if convert is None else convert(value)


def _entries(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{_snake(name): value for name, value in message.items()} for message in messages]


def _named(names: Names) -> Callable[[Any], Any]:
    """Renames the wire's members to Python's; those it does not know stay as they are."""
    known = {(name if isinstance(name, str) else name[0]): (python, name) for python, name in names.items()}

    def convert(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        given = {}
        for key, member in value.items():
            python, name = known.get(key, (key, key))
            given[python] = member if isinstance(name, str) else _named(name[1])(member)
        return given

    return convert


ARGUMENTS: dict[str, Callable[[Any], Any]] = {
    "config": _named(NAMES),
    "filter": _named(FILTER),
    "messages": _entries,
    "enqueue": lambda given: _entries(given) if isinstance(given, list) else given,
}


def wire(value: Any) -> Any:
    """A result by the wire's names."""
    if isinstance(value, Received):
        found = [wire(message) for message in value]
        return {"messages": found, "limitedBy": value.limited_by, "retryAfter": value.retry_after}
    if isinstance(value, Peeked):
        return {"messages": [wire(message) for message in value], "next": value.next}
    if isinstance(value, errors.QueuesError):
        return error(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {_camel(part.name): wire(getattr(value, part.name)) for part in dataclasses.fields(value)}
    if isinstance(value, EnqueueResult | EntryResult):
        return {_camel(name): wire(part) for name, part in value._asdict().items()}
    if isinstance(value, list | tuple):
        return [wire(item) for item in value]
    return value


def error(raised: BaseException) -> dict[str, Any]:
    """An error as the vectors say it. Raises it again when it is none of the SDK's."""
    if isinstance(raised, errors.ApiError):
        said: dict[str, Any] = {
            "error": "api",
            "code": raised.code,
            "status": raised.status,
            "detail": raised.detail,
            "retryable": raised.retryable,
            "outcome": raised.outcome,
            "retryAfter": raised.retry_after,
            "requestId": raised.request_id,
            "errors": list(raised.errors),
        }
        return {**said, "results": wire(raised.results)}
    if isinstance(raised, errors.QueuesError):
        return {"error": KINDS[type(raised)], "outcome": raised.outcome, "retryable": raised.retryable}
    if isinstance(raised, ValueError | TypeError):
        return {"error": "invalid"}
    raise raised


def told(called: Called) -> dict[str, Any]:
    """What the hook was told, as the vectors say it."""
    assert 0 <= called.seconds < 60
    return {
        "operation": called.operation,
        "queue": called.queue,
        "messages": called.messages,
        "attempts": called.attempts,
        "error": None if called.error is None else error(called.error),
    }


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda found: "_" + found[1].lower(), name)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
