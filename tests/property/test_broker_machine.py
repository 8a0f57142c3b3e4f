"""The whole server against the plain model, by random walks of requests, time, restarts and lost answers.

Every answer is compared. After each step the counts of every queue are, and at the end every message; and the state
that serves is the one that the journal's replay gives.
"""

from __future__ import annotations

import logging
import os
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hanzo_queues.server.journal.memory import AppendFault
from tests.property.broker_comparison import Comparison

EXAMPLES = int(os.environ.get("PROPERTY_EXAMPLES", "0"))

QUEUES = ("a", "b.1", "dead")
ABSENT = "absent"
STATES = ("ready", "blocked", "delayed", "leased", "dead")
CONSUMERS = ("c", "d", "e")
GROUPS = ("default", "audit", "g.2")
groups = st.sampled_from(("default", *GROUPS, ABSENT))
names = st.sampled_from(("a",) * 8 + ("b.1",) * 4 + ("dead",) * 3 + (ABSENT,))
some = st.integers(0, 9)
PAYLOADS = (b"1", b"1.0", b'{"to": ["\xc3\xa9", 1e2], "x":null}', b'"two"', b"[]", b"null")
KEYS = ("k", "\u043a\u043b\u044e\u0447", "a/b?c\u0000d", "\U0001f511" * 64)
DELAYS = (0, 0.001, 1, 2.5, 60, 86_400)
NOTHING = object()


def optional(**choices: tuple[Any, ...]) -> st.SearchStrategy[dict[str, Any]]:
    """Each field is one of its choices, or as often not there."""
    fields = {name: st.sampled_from((NOTHING,) * len(values) + values) for name, values in choices.items()}
    drawn = st.fixed_dictionaries(fields)
    return drawn.map(lambda chosen: {name: value for name, value in chosen.items() if value is not NOTHING})


BACKOFFS = (
    {"initial": 0, "multiplier": 1, "max": 0, "jitter": 0},
    {"initial": 1, "multiplier": 3, "max": 10, "jitter": 0},
)
LIMITS = (
    {"requests": 1, "per": "second", "burst": 1},
    {"requests": 7, "per": "minute", "burst": 3},
    {"requests": 1_000_000, "per": "second", "burst": 2},
)
configs = optional(
    maxRetries=(0, 1, 1000),
    visibilityTimeout=(0.001, 5, 43_200),
    deadLetterQueue=(None, *QUEUES),
    rateLimit=(None, *LIMITS),
    scheduling=({"mode": "strict"}, {"mode": "fair"}, {"agingSeconds": 1}),
    maxMessages=(None, 1, 5),
    fairness=({"weights": {KEYS[1]: 1000}, "maxInFlight": None}, {"weights": {}}, {"maxInFlight": 1}),
    maxInFlight=(None, 1, 2),
    consumerRateLimit=(None, *LIMITS[:2]),
    keyRateLimit=(None, *LIMITS[:2]),
    ingressLimit=(None, LIMITS[1], LIMITS[2]),
    resultRetention=(0, 0.001, 60),
    sessionTimeout=(1, 3600),
    deadRetention=(None, 0.001, 60),
    dedupWindow=(0, 5, 604_800),
    delay=(0, 3),
    ttl=(None, 0.001, 10),
)
backoffs = st.sampled_from(BACKOFFS)
backoff_changes = optional(initial=(0, 2, 15), multiplier=(1, 2), max=(15, 20))

def held(drawn: dict[str, Any]) -> dict[str, Any]:
    """How long a dedup id is held is said of one that there is."""
    return {name: value for name, value in drawn.items() if name != "dedupUntil" or "dedupId" in drawn}


fields = optional(
    priority=(0, 1, 2, 255),
    delay=DELAYS,
    dedupId=KEYS,
    dedupUntil=("window", "done"),
    orderingKey=KEYS[:2],
    fairnessKey=KEYS[:2],
    metadata=({}, {"tenant": "\u00fc", "n": [1, {}]}),
    ttl=(0.001, 2, 315_360_000),
    maxRetries=(0, 2),
    backoff=BACKOFFS,
)
messages = st.tuples(fields, st.sampled_from(PAYLOADS)).map(lambda drawn: {"payload": drawn[1], **held(drawn[0])})
results = st.none() | st.sampled_from(PAYLOADS)
asked_by = optional(consumerGroup=("default", *GROUPS, ABSENT), consumerId=CONSUMERS, attemptId=("1", "2"))
timeouts = st.sampled_from((None, None, 0.001, 1, 43_200))
switches = st.fixed_dictionaries({}, optional={"enqueue": st.booleans(), "receive": st.booleans()})
changes = optional(delay=DELAYS, priority=(0, 1, 255))
nacks = optional(delay=DELAYS, priority=(0, 255), error=("", "SMTP 451 \u2014 later", "x" * 8192), reject=(True, False))


class BrokerMachine(RuleBasedStateMachine):
    """See the module."""

    def __init__(self) -> None:
        super().__init__()
        self._logger = logging.getLogger("hanzo_queues")
        self._level = self._logger.level
        self._logger.setLevel(logging.CRITICAL)  # doubt is told for each
        self.both = Comparison(queues_max=len(QUEUES) + 1)

    @initialize(first=configs, second=configs, backoff=backoffs)
    def queues(self, first: dict[str, Any], second: dict[str, Any], backoff: dict[str, Any]) -> None:
        for name, config in (("a", first), ("b.1", second)):
            leads_on = {"deadLetterQueue": "dead"} if "deadLetterQueue" in config else {}
            self.both.create(name, {**config, "backoff": backoff, **leads_on})

    @rule(name=st.sampled_from((*QUEUES, "more", "one-too-many")), config=configs, backoff=backoffs)
    def create(self, name: str, config: dict[str, Any], backoff: dict[str, Any]) -> None:
        self.both.create(name, {**config, "backoff": backoff})

    @rule(name=names, config=configs, backoff=backoff_changes)
    def update(self, name: str, config: dict[str, Any], backoff: dict[str, Any]) -> None:
        self.both.update(name, {**config, "backoff": backoff})

    @rule(name=names, sure=some)
    def delete(self, name: str, sure: int) -> None:
        if sure == 0:
            self.both.delete(name)

    @rule(name=names, message=messages)
    def enqueue(self, name: str, message: dict[str, Any]) -> None:
        self.both.enqueue(name, message)

    @rule(name=names, batch=st.lists(messages, min_size=1, max_size=5), atomic=st.booleans())
    def enqueue_batch(self, name: str, batch: list[dict[str, Any]], atomic: bool) -> None:
        self.both.enqueue_batch(name, batch, atomic)

    @rule(name=names, by=asked_by, count=st.sampled_from((1, 2, 2, 100)), timeout=timeouts)
    def receive(self, name: str, by: dict[str, str], count: int, timeout: float | None) -> None:
        self.both.receive(name, count, timeout, by)

    @rule(name=names, payload=st.sampled_from(PAYLOADS), resume=st.booleans())
    def receive_before_it_is_there(self, name: str, payload: bytes, resume: bool) -> None:
        self.both.receive_waiting(name, {"payload": payload}, resume)

    @rule(name=names, what=switches)
    def pause(self, name: str, what: dict[str, bool]) -> None:
        self.both.pause(name, what)

    @rule(name=names, what=switches)
    def resume(self, name: str, what: dict[str, bool]) -> None:
        self.both.resume(name, what)

    @rule(name=names, sure=some)
    def purge(self, name: str, sure: int) -> None:
        if sure < 3:
            self.both.purge(name)

    @rule(name=names, group=st.sampled_from(GROUPS))
    def create_group(self, name: str, group: str) -> None:
        self.both.create_group(name, group)

    @rule(name=names, group=groups, sure=some)
    def delete_group(self, name: str, group: str, sure: int) -> None:
        if sure < 3:
            self.both.delete_group(name, group)

    @rule(name=names, group=groups, consumer=st.sampled_from(CONSUMERS))
    def heartbeat(self, name: str, group: str, consumer: str) -> None:
        self.both.heartbeat(name, group, consumer)

    @rule(name=names, group=groups, consumer=st.sampled_from(CONSUMERS))
    def leave(self, name: str, group: str, consumer: str) -> None:
        self.both.leave(name, group, consumer)

    @rule(which=some, fields=changes)
    def change(self, which: int, fields: dict[str, Any]) -> None:
        if known := self.both.known(which):
            self.both.change(known, fields)

    @rule(which=some)
    def delete_message(self, which: int) -> None:
        if known := self.both.known(which):
            self.both.delete_message(known)

    @precondition(lambda self: self.both.receipts)
    @rule(which=some)
    def ack(self, which: int) -> None:
        self.both.ack(self.both.receipt(which))

    @precondition(lambda self: self.both.receipts)
    @rule(which=some, fields=nacks)
    def nack(self, which: int, fields: dict[str, Any]) -> None:
        self.both.nack(self.both.receipt(which), fields)

    @precondition(lambda self: self.both.receipts)
    @rule(which=some, timeout=timeouts)
    def extend(self, which: int, timeout: float | None) -> None:
        self.both.extend(self.both.receipt(which), timeout)

    @precondition(lambda self: self.both.receipts)
    @rule(which=some, result=results, follow_ups=st.lists(st.tuples(names, messages), max_size=4))
    def complete(self, which: int, result: bytes | None, follow_ups: list[tuple[str, dict[str, Any]]]) -> None:
        self.both.complete(self.both.receipt(which), result, follow_ups)

    @precondition(lambda self: self.both.receipts)
    @rule(which=some, delay=st.none() | st.sampled_from(DELAYS))
    def release(self, which: int, delay: float | None) -> None:
        self.both.release(self.both.receipt(which), delay)

    @precondition(lambda self: self.both.receipts)
    @rule(name=names, acks=st.lists(some, max_size=3), nacked=st.lists(st.tuples(some, nacks), max_size=3),
          extends=st.lists(st.tuples(some, timeouts), max_size=2),
          releases=st.lists(st.tuples(some, st.sampled_from(DELAYS)), max_size=2))  # fmt: skip
    def settle(self, name: str, acks: list[int], nacked: list[Any], extends: list[Any], releases: list[Any]) -> None:
        self.both.settle(name, acks, nacks=nacked, extends=extends, releases=releases)

    @precondition(lambda self: self.both.receipts)
    @rule(which=some, other=some)
    def settle_with_another_receipt(self, which: int, other: int) -> None:
        self.both.settle_with_another(self.both.receipt(which), self.both.receipt(other))

    @rule(passed=st.sampled_from((1, 999, 1000, 5000, 30_000, 300_000, 86_400_000)))
    def time_passes(self, passed: int) -> None:
        self.both.advance(self.both.model.now_ms + passed)

    @rule(early=st.sampled_from((0, 1)))
    def time_passes_until_something_happens(self, early: int) -> None:
        deadline_ms = self.both.model.next_deadline_ms()
        if deadline_ms is not None:
            self.both.advance(max(self.both.model.now_ms, deadline_ms - early))

    @rule(name=names, group=groups, state=st.sampled_from(STATES), limit=st.sampled_from((1, 2, 1000)))
    def peek(self, name: str, group: str, state: str, limit: int) -> None:
        self.both.peek(name, group, state, limit)

    @rule(sure=some)
    def restart(self, sure: int) -> None:
        if sure < 3:
            self.both.restart()

    @rule(fault=st.sampled_from(list(AppendFault)), name=st.sampled_from(QUEUES), message=messages)
    def an_enqueue_in_doubt(self, fault: AppendFault, name: str, message: dict[str, Any]) -> None:
        self.both.enqueue_in_doubt(fault, name, message)

    @precondition(lambda self: self.both.receipts)
    @rule(fault=st.sampled_from(list(AppendFault)), which=some, fields=st.none() | nacks)
    def a_settling_in_doubt(self, fault: AppendFault, which: int, fields: dict[str, Any] | None) -> None:
        self.both.settle_in_doubt(fault, self.both.receipt(which), fields)

    @invariant()
    def the_counts_agree(self) -> None:
        self.both.check_counts()
        self.both.still_backoffs()

    def teardown(self) -> None:
        self._logger.setLevel(self._level)
        try:
            self.both.check_all()
        finally:
            self.both.close()


TestBroker = BrokerMachine.TestCase
TestBroker.settings = settings(
    max_examples=EXAMPLES or 200,
    stateful_step_count=50,
    derandomize=not EXAMPLES,
    phases=(Phase.generate, Phase.shrink),
    report_multiple_bugs=False,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
