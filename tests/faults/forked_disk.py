"""A disk that meets every crash that it is asked for in one run: at each the process forks, and the child has it.

What comes before a crash is run once for all that may happen then, and each child is told from the run by nothing but
its crashes: `Disk(crashes)` repeats what it did.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import traceback
from collections.abc import Callable, Sequence
from typing import NamedTuple, NoReturn

from tests.faults.crash_disk import CrashPoint, Disk, Side, Victim

Choose = Callable[[tuple[CrashPoint, ...], int], Sequence[CrashPoint]]
"""Which crashes there are at an operation, after those that there were."""


class Outcome(NamedTuple):
    """Of one process. `error`: empty when all was well."""

    crashes: tuple[CrashPoint, ...]
    operations: int
    error: str


class ForkedDisk(Disk):
    """`outcomes`: of the children, and theirs, so far."""

    def __init__(self, choose: Choose) -> None:
        super().__init__()
        self.outcomes: list[Outcome] = []
        self._choose = choose
        self._happened: tuple[CrashPoint, ...] = ()
        self._tell: int | None = None

    def finish(self, error: BaseException | None) -> list[Outcome]:
        """The outcomes of all: the run is over, with or without an error. Returns in the first process only."""
        text = "".join(traceback.format_exception(error)) if error else ""
        own = Outcome(self._happened, len(self.operations), text)
        if self._tell is not None:
            self._end([*self.outcomes, own], self._tell)
        return [*self.outcomes, own]

    def _crash_at(self, operation: int) -> CrashPoint | None:
        for crash in self._choose(self._happened, operation):
            if self._is_child():
                self.outcomes = []
                self._happened += (crash,)
                return crash
        return None

    def _is_child(self) -> bool:
        """In the parent False, when the child has ended."""
        loop = asyncio.get_running_loop()
        heard, tell = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(heard)
            self._tell = tell
            asyncio._set_running_loop(loop)  # it is of the parent's process, as far as asyncio knows
            return True
        os.close(tell)
        try:
            with os.fdopen(heard) as answer:
                told = [_outcome(*one) for one in json.loads(answer.read() or "[]")]
        finally:
            os.kill(child, signal.SIGKILL)  # when it is waited for no longer
            os.waitpid(child, 0)
        assert told, "a process ended without a word"
        self.outcomes += told
        return False

    def _end(self, outcomes: list[Outcome], tell: int) -> NoReturn:
        said = [([(at, side.name, victim.name) for at, side, victim in crashes], *more) for crashes, *more in outcomes]
        with os.fdopen(tell, "w") as answer:
            answer.write(json.dumps(said))
        os._exit(0)


def _outcome(crashes: list[tuple[int, str, str]], operations: int, error: str) -> Outcome:
    points = (CrashPoint(operation, Side[side], Victim[victim]) for operation, side, victim in crashes)
    return Outcome(tuple(points), operations, error)
