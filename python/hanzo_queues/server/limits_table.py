"""The limits of this server: spec/limits.toml with the settings applied.

No other module states a limit. What the journal can hold is known only once it is open, so the last step is
`within_batch`: one request's messages must fit one journal batch.
"""

from __future__ import annotations

from collections.abc import Mapping

from hanzo_queues.server.spec_files import read_spec_table

BATCH_ENTRIES_MAX_MAX = 10_000
# What stands around one payload in a batch: lengths, four keys, trace, records.
ENVELOPE_BYTES_MAX = 8192

LIMITS: Mapping[str, int] = {name: limit["value"] for name, limit in read_spec_table("limits.toml").items()}


def with_settings(*, payload_bytes_max: int, batch_entries_max: int) -> dict[str, int]:
    """The table a server of these settings keeps to."""
    return {**LIMITS, "payload_bytes_max": payload_bytes_max, "batch_entries_max": batch_entries_max}


def within_batch(limits: Mapping[str, int], batch_bytes_max: int) -> dict[str, int]:
    """`limits`, lowered to what a journal batch of `batch_bytes_max` bytes can carry."""
    request_bytes_max = min(limits["request_bytes_max"], batch_bytes_max)
    around_payload = limits["metadata_bytes_max"] + ENVELOPE_BYTES_MAX
    payload_bytes_max = min(limits["payload_bytes_max"], batch_bytes_max - around_payload)
    return {**limits, "request_bytes_max": request_bytes_max, "payload_bytes_max": payload_bytes_max}
