"""The settings of a journal's stream, asserted at every open: a stream that differs could lose or change batches.

What only limits (max_bytes) is the operator's to choose: with discard new, a full stream refuses, it does not forget.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hanzo_queues.server.journal.base import JournalRefused

# Absent from an answer means the zero value: false, 0, "" or none.
ASSERTED: dict[str, object] = {
    "retention": "limits",
    "storage": "file",
    "discard": "new",
    "compression": "none",
    "deny_delete": True,
    "allow_direct": True,
    "max_age": 0,
    "max_msgs": -1,
    "max_msgs_per_subject": -1,
    "max_msg_size": -1,
    "no_ack": False,
    "sealed": False,
    "deny_purge": False,
    "allow_rollup_hdrs": False,
    "allow_msg_ttl": False,
    "allow_msg_counter": False,
    "mirror_direct": False,
}
# No append bears a message id. The least JetStream takes: at its start it reads back all of a stream that is younger.
DUPLICATE_WINDOW_NS = 100_000_000
MUST_BE_ABSENT = ("mirror", "sources", "subject_transform")
ASYNC_PERSISTENCE = "async"


class StreamSettingsDiffer(JournalRefused):
    """The stream exists with other settings. Not retryable: an operator has to decide."""


def stream_settings(stream: str, subjects: Sequence[str], replicas: int) -> dict[str, Any]:
    """The configuration of a new stream."""
    chosen = {
        "name": stream,
        "description": "A journal of Hanzo Queues, or its checkpoints. Written by one server at a time.",
        "subjects": list(subjects),
        "num_replicas": replicas,
        "max_bytes": -1,
        "max_consumers": -1,
        "duplicate_window": DUPLICATE_WINDOW_NS,
    }
    return chosen | {name: value for name, value in ASSERTED.items() if value is not False}


def assert_stream_settings(
    config: Mapping[str, Any], subjects: Sequence[str], replicas: int, later: str | None = None
) -> None:
    """Raises StreamSettingsDiffer, which names every difference and what to do. `later`: what subjects begin with that
    a later server may have given it."""
    there = config.get("subjects") or []  # a mirror has none
    beside = [one for one in there if later is not None and one.startswith(later) and one not in subjects]
    config = {**config, "subjects": [one for one in there if one not in beside]}
    wanted: dict[str, object] = {**ASSERTED, "subjects": list(subjects), "num_replicas": replicas}
    differences = [
        f"{name} is {config.get(name)!r}, not {value!r}"
        for name, value in wanted.items()
        if config.get(name, type(value)()) != value
    ]
    differences += [f"{name} is set" for name in MUST_BE_ABSENT if config.get(name)]
    if config.get("persist_mode") == ASYNC_PERSISTENCE:
        differences.append("persist_mode is 'async': it acknowledges what is not durable")
    if not differences:
        return
    name = config.get("name")
    advice = f"Put it right with `nats stream edit {name}`"
    if config.get("num_replicas") != replicas:
        advice += f", or set NATS_REPLICAS={config.get('num_replicas')} if its replicas are as you want them"
    raise StreamSettingsDiffer(
        f"stream {name} can't be used: {'; '.join(differences)}. {advice}. "
        "What can't be edited needs a new stream: back this one up, then remove it."
    )
