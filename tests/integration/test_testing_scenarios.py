"""The in-memory broker behaves as a server does: every scenario of spec/vectors holds on it, restarts included."""

from __future__ import annotations

import pytest

from hanzo_queues.testing import Broker
from tests.conformance.live import Live
from tests.conformance.test_scenarios import play
from tests.conformance.vectors import Vector, vectors_of


@pytest.mark.parametrize("vector", vectors_of("scenario"), ids=lambda vector: vector.id)
async def test_scenario(vector: Vector) -> None:
    with Broker(running_clock=True) as broker:
        await play(vector, Live(lambda: broker.async_queues(retries_max=8), broker.restart))
