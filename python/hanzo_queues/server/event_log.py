"""The server's log: one line an event, on stderr.

    2026-01-02T03:04:05.678Z info partition: partition 0: serving, epoch 3

A trace stays on its event's line, its line breaks written as ` | `, so that a line is an event for every tool.
"""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import TextIO

# Libraries that tell a story of their own at info: only what they complain about is ours. uvicorn warns of what clients
# send, which they are told, and anybody could fill a log with.
QUIET = {"uvicorn": logging.ERROR, "nats": logging.WARNING, "asyncio": logging.WARNING}


class OneLine(logging.Formatter):
    """Instant, level, module, text."""

    def format(self, record: logging.LogRecord) -> str:
        instant = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        source = record.name.rpartition(".")[2]
        line = f"{instant.removesuffix('+00:00')}Z {record.levelname.lower()} {source}: {text}"
        return " | ".join(part for part in line.splitlines() if part.strip())


def set_up_logging(level: str, stream: TextIO | None = None) -> None:
    """Sends every event of `level` and above to `stream` (stderr). Replaces what was set up before."""
    lines = logging.StreamHandler(stream or sys.stderr)
    lines.setFormatter(OneLine())
    logging.basicConfig(level=level.upper(), handlers=[lines], force=True)
    for name, least in QUIET.items():
        logging.getLogger(name).setLevel(least)
