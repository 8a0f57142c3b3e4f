"""The limits of this server: spec/limits.toml with the settings applied.

What a request meets stands in that file and nowhere else; bounds of settings stand with the settings. What the journal
can hold is known only once it is open, so the last step is `within_batch`: one request's messages must fit one journal
batch.
"""

from __future__ import annotations

from collections.abc import Mapping

from hanzo_queues.server.spec_files import read_spec_table

# What stands around one payload in a batch: lengths, four keys, trace, records.
ENVELOPE_BYTES_MAX = 8192

LIMITS: Mapping[str, int] = {name: limit["value"] for name, limit in read_spec_table("limits.toml").items()}


def with_settings(*, payload_bytes_max: int, batch_entries_max: int) -> dict[str, int]:
    """The table a server of these settings keeps to."""
    return {**LIMITS, "payload_bytes_max": payload_bytes_max, "batch_entries_max": batch_entries_max}


def payload_room(limits: Mapping[str, int], batch_bytes: int) -> int:
    """The bytes that `batch_bytes` leave to the payload of one message."""
    return batch_bytes - limits["metadata_bytes_max"] - ENVELOPE_BYTES_MAX


def within_batch(limits: Mapping[str, int], batch_bytes_max: int) -> dict[str, int]:
    """`limits`, lowered to what a journal batch of `batch_bytes_max` bytes can carry."""
    request_bytes_max = min(limits["request_bytes_max"], batch_bytes_max)
    payload_bytes_max = min(limits["payload_bytes_max"], payload_room(limits, batch_bytes_max))
    return {**limits, "request_bytes_max": request_bytes_max, "payload_bytes_max": payload_bytes_max}
