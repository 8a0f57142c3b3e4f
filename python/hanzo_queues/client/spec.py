"""Codes, limits and enums. Generated from spec/ by `make docs`. Change it there."""

from typing import Literal

BATCH_ENTRIES_MAX = 100
"""Messages."""
PAYLOAD_BYTES_MAX = 1048576
"""Bytes."""
REQUEST_BYTES_MAX = 8000000
"""Bytes."""
METADATA_BYTES_MAX = 65536
"""Bytes."""
KEY_BYTES_MAX = 256
"""Bytes."""
ERROR_BYTES_MAX = 8192
"""Bytes."""
WAIT_TIME_MS_MAX = 30000
"""Milliseconds."""
VISIBILITY_TIMEOUT_MS_MAX = 43200000
"""Milliseconds."""
DELAY_MS_MAX = 315360000000
"""Milliseconds."""
LIST_LIMIT_MAX = 1000
"""Entries."""

Code = Literal[
    "request_invalid",
    "json_invalid",
    "http_malformed",
    "message_id_invalid",
    "receipt_invalid",
    "queue_name_invalid",
    "group_name_invalid",
    "dead_letter_queue_invalid",
    "unauthorized",
    "route_not_found",
    "method_not_allowed",
    "queue_not_found",
    "group_not_found",
    "message_not_found",
    "queue_conflict",
    "queues_exhausted",
    "groups_exhausted",
    "members_exhausted",
    "group_is_default",
    "sweep_not_found",
    "sweeps_exhausted",
    "queue_paused",
    "rate_limited",
    "dedup_memory_full",
    "queue_full",
    "message_leased",
    "message_dead",
    "dedup_conflict",
    "lease_lost",
    "batch_aborted",
    "payload_too_large",
    "batch_too_large",
    "request_too_large",
    "request_timeout",
    "headers_too_large",
    "unsupported_media_type",
    "journal_unavailable",
    "partition_recovering",
    "shutting_down",
    "overloaded",
    "internal_error",
]
"""A code of spec/errors.toml."""

State = Literal[
    "ready",
    "blocked",
    "delayed",
    "leased",
    "dead",
]
"""The state of a message."""

Stage = Literal[
    "ready",
    "blocked",
    "delayed",
    "leased",
    "dead",
    "done",
]
"""The state of a message, or that it is done."""

DeathReason = Literal[
    "retriesExhausted",
    "leaseEnded",
    "expired",
    "rejected",
]
"""Why a message died."""

DedupUntil = Literal[
    "window",
    "done",
]
"""How long a dedup id is held."""

LimitedBy = Literal[
    "paused",
    "inFlight",
    "queue",
    "consumer",
    "key",
    "keyAssigned",
]
"""What holds messages back."""

Period = Literal[
    "second",
    "minute",
    "hour",
    "day",
]
"""The period of a rate."""

SchedulingMode = Literal[
    "fair",
    "strict",
]
"""How priorities are weighed."""

NackState = Literal[
    "ready",
    "delayed",
    "dead",
    "deadLettered",
    "settled",
]
"""Where a nacked message went."""

ReleaseState = Literal[
    "ready",
    "delayed",
    "dead",
    "deadLettered",
    "settled",
]
"""Where a released message went."""

SweepState = Literal[
    "running",
    "done",
    "cancelled",
    "failed",
]
"""How far a sweep is."""

ReasonCode = Literal[
    "paused",
    "delayed",
    "leased",
    "expired",
    "dead",
    "done",
    "ordering_key",
    "key_assigned",
    "queue_rate_limit",
    "consumer_rate_limit",
    "key_rate_limit",
    "queue_in_flight",
    "key_in_flight",
    "behind",
]
"""What stands in a message's way."""

OPERATIONS = {
    "POST queues": "createQueue",
    "GET queues": "listQueues",
    "GET queues/*": "getQueue",
    "PATCH queues/*": "updateQueue",
    "DELETE queues/*": "deleteQueue",
    "POST queues/*/pause": "pauseQueue",
    "POST queues/*/resume": "resumeQueue",
    "POST queues/*/purge": "purgeQueue",
    "POST queues/*/redrive": "redrive",
    "POST queues/*/sweep": "sweep",
    "GET redrives/*": "getRedrive",
    "DELETE redrives/*": "cancelRedrive",
    "GET sweeps": "listSweeps",
    "GET sweeps/*": "getSweep",
    "DELETE sweeps/*": "cancelSweep",
    "POST queues/*/groups": "createGroup",
    "GET queues/*/groups": "listGroups",
    "GET queues/*/groups/*": "getGroup",
    "DELETE queues/*/groups/*": "deleteGroup",
    "PUT queues/*/groups/*/members/*": "heartbeat",
    "DELETE queues/*/groups/*/members/*": "leave",
    "POST queues/*/messages": "enqueue",
    "GET queues/*/messages": "receive",
    "POST queues/*/messages/batch": "enqueueBatch",
    "POST queues/*/settle": "settle",
    "GET queues/*/peek": "peek",
    "GET messages/*": "getMessage",
    "PATCH messages/*": "changeMessage",
    "DELETE messages/*": "deleteMessage",
    "GET messages/*/explain": "explainMessage",
    "POST messages/*/ack": "ack",
    "POST messages/*/nack": "nack",
    "POST messages/*/extend": "extend",
    "POST messages/*/release": "release",
}
"""Of each request, `METHOD path` with `*` for what it names: its operation in spec/openapi.yaml."""
