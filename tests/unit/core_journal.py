"""An engine whose every batch is kept: the Rust core, driven through bytes alone."""

from __future__ import annotations

import json
import tomllib
from typing import Any

from hanzo_queues._core import Command, Engine, Parser, Reply, Step
from tests.tidy.sources import ROOT

NOW_MS = 1_767_323_045_678
NOW = "2026-01-02T03:04:05.678Z"
LIMITS: dict[str, int] = {
    name: limit["value"] for name, limit in tomllib.loads((ROOT / "spec/limits.toml").read_text()).items()
}


def receipt_body(message: Any, **fields: Any) -> bytes:
    return json.dumps({"receipt": message["receipt"], **fields}).encode()


def new_parser(**limits: int) -> Parser:
    return Parser(LIMITS | limits, visibility_timeout_ms=30_000, max_retries=3)


class CoreJournal:
    """What a partition does, without waiting: step, keep the batch, render."""

    def __init__(self, segment_bytes: int = 64 << 20) -> None:
        self.parser = new_parser()
        self.engine = Engine(0, segment_bytes=segment_bytes)
        self.now_ms = NOW_MS
        self.batches: dict[int, bytes] = {}
        self.keep(self.engine.fence(self.now_ms, bytes(range(32))))

    def keep(self, step: Step) -> Step:
        if step.batch is not None:
            assert step.lsn == len(self.batches) + 1
            self.batches[step.lsn] = step.batch
        return step

    def replies(self, *commands: Command) -> list[Reply]:
        return self.keep(self.engine.step(self.now_ms, commands)).replies

    def rendered(self, reply: Reply) -> bytes:
        return reply.render({lsn: self.batches[lsn] for lsn in reply.lsns})

    def ask(self, command: Command) -> Any:
        (reply,) = self.replies(command)
        assert reply.rejection is None
        return json.loads(self.rendered(reply))

    def refused(self, command: Command) -> str:
        (reply,) = self.replies(command)
        assert reply.rejection is not None
        return reply.rejection[0]

    def create(self, name: str, **config: Any) -> Any:
        return self.ask(self.parser.create_queue(json.dumps({"name": name, "config": config}).encode()))

    def enqueue(self, queue: str, payload: Any, **fields: Any) -> Any:
        body = json.dumps({"payload": payload, **fields}).encode()
        return self.ask(self.parser.enqueue(queue, body))

    def receive_command(self, queue: str, messages_max: int = 100) -> Command:
        return self.parser.receive(
            queue, group=None, consumer="worker", messages_max=messages_max, visibility_timeout_ms=None
        )

    def receive(self, queue: str, messages_max: int = 100) -> list[Any]:
        messages: list[Any] = self.ask(self.receive_command(queue, messages_max))["messages"]
        return messages

    def replayed(self) -> Engine:
        engine = Engine(0)
        for lsn, batch in self.batches.items():
            engine.replay(lsn, batch)
        return engine
