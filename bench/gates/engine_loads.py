"""What the Rust core is put to, verb by verb, as the server uses it: bytes in, one step, bytes out.

`_core` is the very library that is shipped. Messages carry 100 bytes, each with a dedup id, and every tenth is leased
before anything is measured: so every index that a verb touches is as large as the backlog.
"""

from __future__ import annotations

import json
import pickle
import tomllib
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bench.gates.meters import Meter, Nothing
from hanzo_queues._core import Command, Engine, Parser, Step

LIMITS: dict[str, int] = {
    name: limit["value"]
    for name, limit in tomllib.loads(
        (Path(__file__).parents[2] / "python/hanzo_queues/spec/limits.toml").read_text()
    ).items()
}
QUEUE = "orders"
PAYLOAD = json.dumps("x" * 98)
START_MS = 1_800_000_000_000
AT_ONCE = 100  # commands a step, or entries of a batch
LEASED_EVERY = 10
MESSAGES = 1000
FEW, MANY = 10_000, 1_000_000
AMONG = {FEW: ", 10^4 queued", MANY: ", 10^6 queued"}

Message = dict[str, Any]


class Core:
    """A parser and an engine with one queue, and the batches that it decided."""

    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        self.parser = Parser(LIMITS, visibility_timeout_ms=12 * 3600 * 1000, max_retries=3)
        self.engine = Engine(0)
        self.journal_bytes = 0
        self.batches = 0
        self._now_ms = START_MS
        self._batches: dict[int, bytes] = {}

    def found(self) -> None:
        """Begins an empty journal."""
        self._keep(self.engine.fence(START_MS, b"s" * 32))
        self._keep(self.engine.step(START_MS, [self.parser.create_queue(b'{"name": "%b"}' % QUEUE.encode())]))

    def write(self, path: Path) -> None:
        """The journal, for `replay`."""
        with path.open("wb") as file:
            pickle.dump(self._batches, file)

    def replay(self, path: Path) -> None:
        """The state that another core wrote to `path`. Far quicker than to reach it again."""
        with path.open("rb") as file:
            self._batches = pickle.load(file)
        for lsn, batch in self._batches.items():
            self.engine.replay(lsn, batch)
        self._now_ms = self.engine.now_ms

    def answers(self, requests: Sequence[Callable[[], Command]]) -> list[bytes]:
        """The measured way of requests that arrived together: parsed, stepped, their answers built."""
        self._now_ms += 1
        self.meter.resume()
        step = self.engine.step(self._now_ms, [parse() for parse in requests])
        self._keep(step)
        answers = [reply.render(self._batches) for reply in step.replies]
        self.meter.pause()
        return answers

    def _keep(self, step: Step) -> None:
        if step.batch is not None:
            self._batches[step.lsn] = step.batch
            self.batches += 1
            self.journal_bytes += len(step.batch)


class Loads:
    """Does each verb to MESSAGES messages of a core that holds `resident`: those that `fill` puts there, or that it
    replayed. `messages` tells what each load did, by name."""

    def __init__(self, core: Core, resident: int) -> None:
        self._core = core
        self._resident = resident
        self.messages: dict[str, int] = {}
        self._last_id = 0 if core.engine.lsn == 0 else resident

    def fill(self) -> None:
        """Nothing of this is measured."""
        self._core.found()
        measured, self._core.meter = self._core.meter, Nothing()
        for _ in range(self._resident // AT_ONCE):
            self._enqueue_batch()
        for _ in range(self._resident // AT_ONCE // LEASED_EVERY):
            self._receive(AT_ONCE)
        self._core.meter = measured

    def run(self) -> None:
        """Each verb, in an order that leaves the next what it needs."""
        self._load("enqueue", self._enqueue)
        self._load("enqueue 100 at once", self._enqueue_batches)
        self._load("duplicate", self._duplicate)
        received: list[Message] = []
        self._load("lease 100 at once", self._lease_batches, received)
        self._load("extend", self._extend, received)
        self._load("explain", self._explain, received)
        self._load("nack", self._nack, received)
        leased: list[Message] = []
        self._load("lease", self._lease, leased)
        self._load("ack", self._ack, leased)
        again: list[Message] = []
        self._lease_batches(again, Nothing())
        self._load("settle 100 at once", self._settle, again)

    def _load(self, name: str, work: Callable[..., None], *arguments: Any) -> None:
        work(*arguments)
        name += AMONG[self._resident]
        self._core.meter.end(name)
        self.messages[name] = MESSAGES

    def _each(self, parses: Iterable[Callable[[], Command]]) -> None:
        parses = list(parses)
        for first in range(0, len(parses), AT_ONCE):
            self._core.answers(parses[first : first + AT_ONCE])

    def _body(self, number: int) -> bytes:
        return b'{"payload": %b, "dedupId": "order-%d"}' % (PAYLOAD.encode(), number)

    def _fresh(self) -> bytes:
        self._last_id += 1
        return self._body(self._last_id)

    def _enqueue(self) -> None:
        parser = self._core.parser
        bodies = [self._fresh() for _ in range(MESSAGES)]
        self._each(partial(parser.enqueue, QUEUE, body) for body in bodies)

    def _duplicate(self) -> None:
        parser, apart = self._core.parser, self._resident // MESSAGES
        bodies = [self._body(1 + number * apart) for number in range(MESSAGES)]
        self._each(partial(parser.enqueue, QUEUE, body) for body in bodies)

    def _enqueue_batches(self) -> None:
        for _ in range(MESSAGES // AT_ONCE):
            self._enqueue_batch()

    def _enqueue_batch(self) -> None:
        body = b'{"messages": [%b]}' % b", ".join([self._fresh() for _ in range(AT_ONCE)])
        self._core.answers([partial(self._core.parser.enqueue_batch, QUEUE, body)])

    def _receive(self, messages_max: int, receives: int = 1) -> list[Message]:
        receive = partial(
            self._core.parser.receive, QUEUE, group=None, consumer=None, messages_max=messages_max,
            visibility_timeout_ms=None,
        )  # fmt: skip
        answers = self._core.answers([receive] * receives)
        received = [message for answer in answers for message in json.loads(answer)["messages"]]
        assert len(received) == messages_max * receives, "every receive is filled"
        return received

    def _lease_batches(self, received: list[Message], meter: Meter | None = None) -> None:
        measured = self._core.meter
        self._core.meter = meter or measured
        for _ in range(MESSAGES // AT_ONCE):
            received += self._receive(AT_ONCE)
        self._core.meter = measured

    def _lease(self, received: list[Message]) -> None:
        for _ in range(MESSAGES // AT_ONCE):
            received += self._receive(1, AT_ONCE)

    def _extend(self, received: list[Message]) -> None:
        parse = self._core.parser.extend
        self._each(_of_each(parse, received, {"visibilityTimeout": 600}))

    def _nack(self, received: list[Message]) -> None:
        self._each(_of_each(self._core.parser.nack, received, {"delay": 0}))

    def _ack(self, received: list[Message]) -> None:
        self._each(_of_each(self._core.parser.ack, received, {}))

    def _explain(self, received: list[Message]) -> None:
        explain = partial(self._core.parser.explain_message, group=None, consumer=None)
        self._each(partial(explain, message["id"]) for message in received)

    def _settle(self, received: list[Message]) -> None:
        parser = self._core.parser
        for first in range(0, len(received), AT_ONCE):
            acks = [{"id": message["id"], "receipt": message["receipt"]} for message in received[first:][:AT_ONCE]]
            body = json.dumps({"acks": acks}).encode()
            self._core.answers([partial(parser.settle, QUEUE, body)])


def _of_each(
    parse: Callable[[str, bytes], Command], received: list[Message], options: dict[str, object]
) -> Iterable[Callable[[], Command]]:
    for message in received:
        body = json.dumps({"receipt": message["receipt"], **options}).encode()
        yield partial(parse, message["id"], body)
