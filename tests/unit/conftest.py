"""What happens in one process happens in one loop's time."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.steady import SteadyLoop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], SteadyLoop]]:
    return {"steady": SteadyLoop}
