"""What is read before and after the measured stretches of a load, and added up.

    begin(load) -> (resume -> pause)* -> end(load)

Between the stretches the driver prepares and reads answers: that costs nobody anything.
"""

from __future__ import annotations

import ctypes
import re
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Protocol

from bench.gates.native_parts import library

DRIVER = str(Path(__file__).parent)
ROOT = re.escape(str(Path(__file__).parents[2]))
PLACES = re.compile(rf"^(?:.*/site-packages/|{ROOT}/(?:python/)?|.*/lib/python[\d.]+/)")


class Meter(Protocol):
    """Counts something while it runs."""

    def resume(self) -> None:
        """From here on it counts."""

    def pause(self) -> None:
        """Up to here it counted."""

    def end(self, load: str) -> None:
        """What was counted since the last end was of `load`."""


class Nothing:
    """Counts nothing: for warming up."""

    def resume(self) -> None: ...
    def pause(self) -> None: ...
    def end(self, load: str) -> None: ...


class Readings:
    """Counters that somebody else keeps: the difference over each stretch, added up. Of those in `least`, the smallest
    difference counts for every stretch: what a nats-server's timing adds now and then is nobody's cost."""

    def __init__(self, counters: dict[str, Callable[[], float]], least: frozenset[str] = frozenset()) -> None:
        self._counters = counters
        self._least = least
        self._before: dict[str, float] = {}
        self._stretches: dict[str, list[float]] = {name: [] for name in counters}
        self.loads: dict[str, dict[str, float]] = {}

    def resume(self) -> None:
        self._before = {name: read() for name, read in self._counters.items()}

    def pause(self) -> None:
        after = {name: read() for name, read in self._counters.items()}
        for name, value in after.items():
            self._stretches[name].append(value - self._before[name])

    def end(self, load: str) -> None:
        self.loads[load] = {
            name: min(stretches) * len(stretches) if name in self._least else sum(stretches)
            for name, stretches in self._stretches.items()
        }
        for stretches in self._stretches.values():
            stretches.clear()


def allocations() -> Callable[[], float]:
    """A counter of this thread's allocations. The process must have been started with the library preloaded."""
    count = ctypes.CDLL(None).counted_allocations
    count.restype = ctypes.c_ulong
    return count


class Opcodes:
    """The bytecode instructions of each Python function, the driver's own left out: those of the stretch with the
    fewest, as often as there were stretches. What nats-server says comes in one piece or in two."""

    def __init__(self) -> None:
        self._counts: Counter[CodeType] = Counter()
        self._stretches: list[Counter[CodeType]] = []
        self.loads: dict[str, dict[str, int]] = {}

    def resume(self) -> None:
        sys.settrace(self._called)

    def pause(self) -> None:
        sys.settrace(None)
        self._stretches.append(self._counts)
        self._counts = Counter()

    def end(self, load: str) -> None:
        functions: Counter[str] = Counter()
        for code, count in min(self._stretches, key=Counter.total).items():
            if not code.co_filename.startswith(DRIVER):
                functions[function_name(code)] += count * len(self._stretches)
        self.loads[load] = dict(functions)
        self._stretches.clear()

    def _called(self, frame: FrameType, event: str, argument: Any) -> Any:
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        return self._stepped

    def _stepped(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "opcode":
            self._counts[frame.f_code] += 1
        return self._stepped


def function_name(code: CodeType) -> str:
    """Like `hanzo_queues/server/writer.py Writer._advance`, on every machine."""
    return f"{PLACES.sub('', code.co_filename)} {code.co_qualname}"


class Callgrind:
    """Instructions, when the process runs under callgrind: one dump a load. It runs at a fiftieth of its speed from
    here on, measured or not."""

    def __init__(self) -> None:
        self._requests = ctypes.CDLL(str(library("requests")))
        self._requests.start_instrumentation()

    def resume(self) -> None:
        self._requests.toggle_collect()

    def pause(self) -> None:
        self._requests.toggle_collect()

    def end(self, load: str) -> None:
        self._requests.dump(load.encode())


class Meters:
    """Several at once."""

    def __init__(self, meters: Sequence[Meter]) -> None:
        self._meters = meters

    def resume(self) -> None:
        for meter in self._meters:
            meter.resume()

    def pause(self) -> None:
        for meter in self._meters:
            meter.pause()

    def end(self, load: str) -> None:
        for meter in self._meters:
            meter.end(load)
