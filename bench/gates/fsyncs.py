"""The fsyncs of a process, seen by strace."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

ATTACH_TIMEOUT_S = 30
SYNC = re.compile(r"\b(?:fsync|fdatasync|sync_file_range|msync)\(")


class Fsyncs:
    """A meter of the fsyncs of `process_id`, all its threads: strace is attached for the length of a load."""

    def __init__(self, process_id: int) -> None:
        self._process_id = process_id
        self._strace: subprocess.Popen[str] | None = None
        self._seen = Path(tempfile.mkstemp(prefix="hanzo-gates-")[1])
        self.loads: dict[str, int] = {}

    @staticmethod
    def hindrance(process_id: int) -> str | None:
        """Why the fsyncs of `process_id` can't be counted. None: they can."""
        if shutil.which("strace") is None:
            return "there is no strace"
        meter = Fsyncs(process_id)
        try:
            meter.resume()
        except PermissionError as error:
            return f"strace may not look at the nats-server ({error})"
        meter.end("")
        return None

    def resume(self) -> None:
        if self._strace is not None:
            return
        command = ["strace", "-f", "-e", "trace=fsync,fdatasync,sync_file_range,msync", "-o", str(self._seen)]
        self._strace = subprocess.Popen(
            [*command, "-p", str(self._process_id)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        assert self._strace.stderr is not None
        said = self._strace.stderr.readline()
        if "attached" not in said:
            self._strace.kill()
            self._strace.wait()
            self._seen.unlink(missing_ok=True)
            raise PermissionError(said.strip())

    def pause(self) -> None: ...

    def end(self, load: str) -> None:
        assert self._strace is not None
        self._strace.send_signal(signal.SIGINT)
        self._strace.communicate(timeout=ATTACH_TIMEOUT_S)
        self._strace = None
        # A call that another thread interrupts takes two lines: "<unfinished ...>", "<... fsync resumed>".
        self.loads[load] = sum(1 for line in self._seen.read_text().splitlines() if SYNC.search(line))
        self._seen.unlink()
