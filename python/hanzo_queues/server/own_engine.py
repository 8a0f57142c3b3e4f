"""The engine that a server's settings ask for: the same in the server and in what repairs its journal. Both decide."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from hanzo_queues._core import Engine
from hanzo_queues.server.settings import Settings
from hanzo_queues.server.storage import OWN_PARTITION


def engine_of(settings: Settings, limits: Mapping[str, int]) -> Callable[[], Engine]:
    """What makes one, empty. `limits` is the server's table."""
    return partial(
        Engine,
        OWN_PARTITION,
        visibility_timeout_ms=settings.visibility_timeout_ms,
        max_retries=settings.max_retries,
        queues_max=limits["queues_max"],
        dedup_memory_bytes=settings.dedup_memory_bytes,
        results_bytes_max=limits["results_bytes_max"],
    )
