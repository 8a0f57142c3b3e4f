"""Several appends in flight, owners that come and go, and a network that delays and loses: whatever lands, the journal
is replayed, and holds what was acknowledged.

The log is modelled as JetStream keeps it: an append is stored when it expects the last sequence, and refused otherwise.
"""

from __future__ import annotations

import json
import random
from collections import deque
from dataclasses import dataclass, field

import pytest

from hanzo_queues._core import Engine
from tests.unit.core_journal import NOW_MS, CoreJournal

SEEDS = 300
IN_FLIGHT_MAX = 4
PARSER = CoreJournal().parser


@dataclass
class Sent:
    """An append on its way. `stored`: None until it arrived."""

    lsn: int
    batch: bytes
    numbers: list[int]
    stored: bool | None = None
    lost: bool = False


@dataclass
class Owner:
    """An engine and its appends, oldest first. It serves once its fence is stored."""

    engine: Engine
    network: deque[Sent] = field(default_factory=deque)
    waiting: deque[Sent] = field(default_factory=deque)
    fenced: bool = False

    def send(self, lsn: int, batch: bytes | None, numbers: list[int]) -> None:
        assert batch is not None
        sent = Sent(lsn, batch, numbers)
        self.network.append(sent)
        self.waiting.append(sent)


class World:
    """The log, its owners past and present, and what clients were told."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.log: list[bytes] = []
        self.owners: list[Owner] = []
        self.acknowledged: set[int] = set()
        self.next_number = 0

    def take_over(self) -> None:
        engine = self.replayed()
        fence = engine.fence(NOW_MS, bytes(32))
        owner = Owner(engine)
        owner.send(fence.lsn, fence.batch, [])
        self.owners.append(owner)

    def replayed(self) -> Engine:
        engine = Engine(0)
        for sequence, batch in enumerate(self.log, 1):
            engine.replay(sequence, batch)
        return engine

    def write(self, owner: Owner) -> None:
        if not owner.fenced or len(owner.waiting) >= IN_FLIGHT_MAX:
            return
        commands = [] if owner.engine.queue_count else [PARSER.create_queue(b'{"name": "q"}')]
        numbers = [self.next_number]
        self.next_number += 1
        body = json.dumps({"payload": numbers[0], "dedupId": str(numbers[0])}).encode()
        step = owner.engine.step(NOW_MS, [*commands, PARSER.enqueue("q", body)])
        owner.send(step.lsn, step.batch, numbers)

    def deliver(self, owner: Owner) -> None:
        if owner.network:
            sent = owner.network.popleft()
            if self.random.random() < 0.1:
                sent.lost = True
                return
            sent.stored = len(self.log) == sent.lsn - 1
            if sent.stored:
                self.log.append(sent.batch)

    def hear(self, owner: Owner) -> bool:
        """The oldest answer reaches the owner. False when it ends him."""
        if owner.waiting:
            sent = owner.waiting[0]
            if sent.lost or sent.stored is False:
                return False
            if sent.stored:
                owner.waiting.popleft()
                owner.fenced = True
                self.acknowledged.update(sent.numbers)
        return True

    def run(self, turns: int) -> None:
        self.take_over()
        for _ in range(turns):
            action = self.random.random()
            present = self.owners[-1]
            if action < 0.4:
                self.write(present)
            elif action < 0.75:
                # What the departed had on its way arrives as well, in each one's own order.
                self.deliver(self.random.choice(self.owners))
            elif action < 0.97:
                if not self.hear(present):
                    self.take_over()
            else:
                self.take_over()


def numbers_in(engine: Engine, log: list[bytes]) -> set[int]:
    """The payloads a consumer would be handed by a next owner."""
    batches = dict(enumerate(log, 1))
    fence = engine.fence(NOW_MS, bytes(32))
    assert fence.batch is not None
    batches[fence.lsn] = fence.batch
    found: set[int] = set()
    while True:
        receive = PARSER.receive("q", group=None, consumer=None, messages_max=100, visibility_timeout_ms=None)
        (reply,) = engine.step(NOW_MS, [receive]).replies
        if reply.message_count == 0:
            return found
        messages = json.loads(reply.render({lsn: batches[lsn] for lsn in reply.lsns}))["messages"]
        found |= {message["payload"] for message in messages}


@pytest.mark.parametrize("chunk", range(10))
def test_whatever_lands_the_journal_is_replayed_and_holds_what_was_acknowledged(chunk: int) -> None:
    acknowledged = 0
    for seed in range(chunk * SEEDS // 10, (chunk + 1) * SEEDS // 10):
        world = World(seed)
        world.run(turns=150)
        engine = world.replayed()
        if engine.queue_count:
            missing = world.acknowledged - numbers_in(engine, world.log)
            assert not missing, f"seed {seed}"
        acknowledged += len(world.acknowledged)
    assert acknowledged > 0
