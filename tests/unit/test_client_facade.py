"""The blocking client has every call of the asynchronous one, and both packages export the same names."""

from __future__ import annotations

import inspect

import hanzo
import hanzo_queues
from hanzo_queues import AsyncQueues, Queues

OWN = {"run", "close", "wait_for_sweep"}
"""Written by hand: they have a thread's side and an event loop's."""


def test_every_call_has_its_blocking_twin() -> None:
    calls = {
        name: method
        for name, method in inspect.getmembers(AsyncQueues, inspect.iscoroutinefunction)
        if not name.startswith("_")
    }
    assert {"enqueue", "receive", "ack", "create", "peek"} <= set(calls)
    for name, method in calls.items():
        twin = getattr(Queues, name)
        if name not in OWN:
            assert twin.__wrapped__ is method
        assert twin.__doc__


def test_the_short_package_has_every_name() -> None:
    assert sorted(hanzo.__all__) == sorted(hanzo_queues.__all__)
    for name in hanzo.__all__:
        assert getattr(hanzo, name) is getattr(hanzo_queues, name)
