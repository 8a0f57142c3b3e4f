"""Where the core's instructions of a message go: `python -m bench.core_path`, with valgrind.

A hundred messages of 1 KB are enqueued at once, received at once and acked at once, through the functions that the
server calls: from the bytes of a request to those of its answer, ten times each. What is printed is instructions a
message, by what they are for.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from bench.gates.callgrind import Functions, read_dumps
from bench.gates.engine_loads import LIMITS, START_MS
from bench.gates.meters import Callgrind, Meter, Nothing
from bench.gates.runs import CALLGRIND, ROOT
from bench.gates.served import request
from bench.gates.server_loads import BATCH, ENQUEUE_BATCH, QUEUE, settled
from hanzo_queues._core import Engine, Parser

ROUNDS = 10
MESSAGES = ROUNDS * BATCH
RECEIVE = request("GET", f"/v1/queues/{QUEUE}/messages?maxMessages={BATCH}")
HEAD = b"HTTP/1.1 200 OK\r\nx-request-id: "

PARTS: dict[str, str] = {
    "hashes: batches, receipts": r"blake3|unnamed functions of _core",
    "the batch: records and frame": r"codec::record::|codec::batch|codec::chain|::engine::Engine::frame",
    "the answer": r"json::answer|codec::instant|serde_json::ser|_core::reply|envelope::decode|codec::varint",
    "parsing HTTP and JSON": r"codec::|serde_json|serde_core|str::converts|_core::whole",
    "the engine decides and applies": r"engine::(?!Engine)(?!intake)",
}
"""What is spent in functions of such names: the first part whose pattern is found."""


class Core:
    """A parser and an engine, as the server's writer uses them."""

    def __init__(self) -> None:
        self._parser = Parser(LIMITS, visibility_timeout_ms=12 * 3600 * 1000, max_retries=3)
        self._engine = Engine(0)
        self._batches: dict[int, bytes] = {}
        self._engine.fence(START_MS, b"s" * 32)
        self._engine.step(START_MS, [self._parser.create_queue(json.dumps({"name": QUEUE}).encode())])
        self._now_ms = START_MS

    def answer(self, meter: Meter, sent: bytes) -> dict[str, object]:
        """The JSON of the answer to a request."""
        admitted = {_authorization(sent)}
        self._now_ms += 1
        meter.resume()
        whole = self._parser.whole(sent, admitted)
        assert whole is not None, "it is plain"
        step = self._engine.step(self._now_ms, [whole[0]])
        assert step.batch is not None, "it changes something"
        self._batches[step.lsn] = step.batch
        answer = step.replies[0].answer_bytes(HEAD, HEAD, b"0123456789abcdef", self._batches)
        meter.pause()
        assert answer is not None, "it is a success"
        read: dict[str, object] = json.loads(answer.partition(b"\r\n\r\n")[2])
        return read


def _authorization(sent: bytes) -> bytes:
    found = re.search(rb"(?i)\r\nauthorization: *([^\r]+)", sent)
    assert found is not None, "every request has one"
    return found[1]


def run(core: Core, meter: Meter) -> None:
    """Every load once."""
    for _ in range(ROUNDS):
        assert core.answer(meter, ENQUEUE_BATCH)["failed"] == 0
    meter.end("enqueue")
    received = [core.answer(meter, RECEIVE)["messages"] for _ in range(ROUNDS)]
    meter.end("receive")
    for messages in received:
        assert isinstance(messages, list)
        assert len(messages) == BATCH
        core.answer(meter, settled(QUEUE, messages))
    meter.end("ack")


def by_part(functions: Functions) -> Counter[str]:
    """Instructions of each part."""
    parts: Counter[str] = Counter()
    for function, count in functions.items():
        found = (part for part, pattern in PARTS.items() if re.search(pattern, function))
        parts[next(found, "the rest: the border to Python, memory")] += count
    return parts


def main() -> None:
    """Measures and prints."""
    if sys.argv[1:] == ["measured"]:
        core = Core()
        run(core, Nothing())
        run(core, Callgrind())
        return
    with tempfile.TemporaryDirectory(prefix="hanzo-core-path-") as name:
        under = [*CALLGRIND, f"--callgrind-out-file={name}/callgrind.out"]
        command = [*under, sys.executable, "-m", "bench.core_path", "measured"]
        subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": "0"}, check=True)
        loads = {load: by_part(functions) for load, functions in read_dumps(Path(name)).items()}
    print("| for | " + " | ".join(loads) + " |\n|---|" + "---|" * len(loads))
    for part in dict.fromkeys(part for parts in loads.values() for part in sorted(parts)):
        print(f"| {part} | " + " | ".join(f"{parts[part] / MESSAGES:,.0f}" for parts in loads.values()) + " |")
    print("| all of it | " + " | ".join(f"{parts.total() / MESSAGES:,.0f}" for parts in loads.values()) + " |")


if __name__ == "__main__":
    main()
