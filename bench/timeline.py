"""Where the time of a message goes at 2,000 a second, from when it was due to its handler: `python -m bench.timeline`.

The run of bench.sdk_latency, with an instant noted at each place that a message's bytes pass, in the client and in the
server. Both are on one machine, and read the same clock. Noting costs some microseconds at each.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import uvloop

from bench import sdk_latency
from examples.local_server import LocalServer
from hanzo_queues.client.async_queues import AsyncQueues
from hanzo_queues.client.delivery import Delivery
from hanzo_queues.client.handlers import Handlers
from hanzo_queues.client.http_stream import HttpStream
from hanzo_queues.server import __main__ as server
from hanzo_queues.server.http_protocol import HttpProtocol
from hanzo_queues.server.journal.jetstream_append import Appender
from hanzo_queues.server.whole_request import WholeReceive

SECONDS = 5
DUE = re.compile(rb'"due":([0-9.]+)')

PARTS = {
    "called": "the generator is late",
    "asked": "the client sends its request: the one before it had to be answered",
    "read": "the server has read it",
    "sent": "it is decided, and its batch sent to nats-server",
    "stored": "its batch is durable, behind those before it",
    "answered": "the server writes it to the consumer",
    "arrived": "the client has read that",
    "handled": "its handler begins",
}
"""What ends with each mark, in order."""

Marks = dict[str, dict[str, float]]
"""By their names, the instants of messages, which are called by when they were due."""


def note(marks: Marks, name: str, data: bytes) -> None:
    """All messages in `data` are there now."""
    now = time.monotonic()
    for due in DUE.findall(data):
        marks[name].setdefault(due.decode(), now)


def watch(owner: type, method: str, noting: Callable[..., None]) -> None:
    """From here on `noting` is called with what `method` is called with, before it."""
    original = getattr(owner, method)

    def watched(*arguments: Any) -> Any:
        noting(*arguments)
        return original(*arguments)

    setattr(owner, method, watched)


def serve(path: Path) -> None:
    """A server that writes its marks to `path` when it ends."""
    marks: Marks = defaultdict(dict)
    batches: dict[str, list[str]] = {}  # by the subject of its acknowledgement, what a batch holds

    def sending(_: Appender, batch: bytes, expected: int, reply_subject: str, subject: bytes) -> None:
        note(marks, "sent", batch)
        batches[reply_subject] = [due.decode() for due in DUE.findall(batch)]

    def stored(_: Appender, message: Any) -> None:
        now = time.monotonic()
        for due in batches[message.subject]:
            marks["stored"].setdefault(due, now)

    watch(HttpProtocol, "data_received", lambda _, data: note(marks, "read", data))
    watch(Appender, "_send", sending)
    watch(Appender, "_receive", stored)
    watch(WholeReceive, "_complete", lambda _, answer: note(marks, "answered", answer))
    try:
        server.main(["serve"])
    finally:
        path.write_text(json.dumps({"marks": marks, "batches": len(batches)}))


def measure() -> tuple[Marks, int]:
    """One run: all marks, and how many batches were written."""
    marks: Marks = defaultdict(dict)

    def handled(_: Handlers, deliveries: Sequence[Delivery]) -> None:
        marks["handled"][str(deliveries[0].message.payload["due"])] = time.monotonic()

    watch(AsyncQueues, "_enqueued", lambda _, queue, body, safe: note(marks, "called", body))
    watch(HttpStream, "ask", lambda _, *parts: note(marks, "asked", b"".join(parts)))
    watch(HttpStream, "data_received", lambda _, data: note(marks, "arrived", data))
    watch(Handlers, "_call", handled)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "marks"
        command = (sys.executable, "-m", "bench.timeline", str(path))
        with LocalServer(command=command, environment={"PYTHONPATH": os.pathsep.join(sys.path)}) as running:
            uvloop.run(sdk_latency.run(running.url, running.api_key, SECONDS))
        of_server = json.loads(path.read_text())
    return {**marks, **of_server["marks"]}, of_server["batches"]


def report(marks: Marks, batches: int) -> None:
    """Prints what each part takes."""
    messages = sorted(marks["handled"], key=float)[sdk_latency.RATE * sdk_latency.WARM_UP_SECONDS :]
    begin = {message: float(message) for message in messages}
    rows = [("all of it", begin, marks["handled"])]
    for name, part in PARTS.items():
        rows.append((part, begin, marks[name]))
        begin = marks[name]
    print("| part | mean ms | p50 ms | p90 ms | p99 ms |\n|---|---:|---:|---:|---:|")
    for part, since, until in rows:
        took = sorted(1000 * (until[message] - since[message]) for message in messages)
        shares = " | ".join(f"{took[len(took) * percent // 100]:.2f}" for percent in (50, 90, 99))
        print(f"| {part} | {fmean(took):.2f} | {shares} |")
    print(f"\n{batches / len(marks['handled']):.2f} commits a message")


if __name__ == "__main__":
    if sys.argv[1:]:
        serve(Path(sys.argv[1]))
    else:
        report(*measure())
