"""Storms of fixed seeds, and of a new one that a failure names; `make property` has new ones only."""

from __future__ import annotations

import logging
import os
import random

import pytest

from tests.property.storm import Storm

SEEDS = [int(seed) for seed in os.environ.get("STORM_SEEDS", "").split()]
COUNT = int(os.environ.get("STORM_COUNT", "0"))
FRESH = int(os.environ.get("STORM_FIRST", random.SystemRandom().randrange(1 << 32)))
TURNS = 400


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Doubt is told for each append."""
    caplog.set_level(logging.CRITICAL, "hanzo_queues")


def calm(seed: int) -> None:
    storm = Storm(seed)
    try:
        storm.run(TURNS)
    except BaseException as error:
        said = "\n".join(storm.said)
        raise AssertionError(f"{error!r}; STORM_SEEDS={seed} repeats it. The last requests:\n{said}") from error
    finally:
        storm.server.close()


@pytest.mark.parametrize("seed", SEEDS or ([*range(FRESH, FRESH + COUNT)] if COUNT else [*range(25), FRESH]))
def test_a_storm_passes(seed: int) -> None:
    calm(seed)
