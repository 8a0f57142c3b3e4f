"""A bit of everything, asked of a partition whose server dies: clients that go on, and write down what they were told.

Producers with ordering keys and without, with dedup ids and without, delayed messages, ones that stay for long;
consumers that ack, with results and follow-ups, nack, release, forget, and let messages die. Which of it befalls a
message hangs on its number alone. Knows no disk: `Server` says when one is there, and when it is gone.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Literal

from hanzo_queues._core import Command, Parser
from hanzo_queues.server.answer import Answer
from hanzo_queues.server.faults import Fault
from hanzo_queues.server.limits_table import LIMITS
from tests.faults.ledger import Delivery, End, Finding, Ledger, Repeat

PARSER = Parser(dict(LIMITS), visibility_timeout_ms=5_000, max_retries=1000)
LANES = 3
STAYS_S = 300
LOOK_EVERY_S = 40
AGAIN_S = 0.05
FILL = "x" * 150
DONE: dict[str, End] = {"ack": "acked", "nack": "nacked", "release": "released"}
UNKNOWN: dict[str, End] = {"ack": "ack unknown", "nack": "nack unknown", "release": "release unknown"}


class Unanswered(Exception):
    """The server died before it answered."""


Ask = Callable[[Command, str], Awaitable[Answer]]
"""Asks the server that is there, or the next one. With the name of a queue it is a receive, which waits for a message.
Raises Unanswered, Fault."""


class MixedLoad:
    """`messages`: of each producer. A ledger for each consumer group: of the queue `work`, of its dead letters, and of
    `next`, which has the follow-ups."""

    def __init__(self, ask: Ask, now_s: Callable[[], float], messages: int) -> None:
        self.work, self.dead, self.next, self.audit = Ledger(), Ledger(), Ledger(), Ledger()
        self._ask = ask
        self._now_s = now_s
        self._messages = messages

    def faults(self) -> list[Finding]:
        """Of all ledgers."""
        return [fault for ledger in (self.work, self.dead, self.next, self.audit) for fault in ledger.faults()]

    async def run(self) -> None:
        """Returns when everything was done with, and enqueued again where it has a dedup id."""
        for name, config in (("dead", {}), ("next", {}), ("work", {"deadLetterQueue": "dead"})):
            backoff = {"initial": 0, "max": 0, "jitter": 0}
            body = {"name": name, "config": {"dedupWindow": 86_400, "backoff": backoff, **config}}
            await self._persist(PARSER.create_queue(json.dumps(body).encode()))
        await self._persist(PARSER.create_group("next", b'{"name": "audit"}'))
        consumers = [self._consume("work", self._handle) for _ in range(2)]
        consumers += [self._consume("dead", self._bury), self._consume("next", self._finish)]
        consumers += [self._consume("next", self._audit, "audit")]
        consuming = [asyncio.ensure_future(consumer) for consumer in consumers]
        try:
            await asyncio.gather(*(self._produce(lane) for lane in range(LANES)))
            await self._until_done(consuming)
            await asyncio.gather(*(self._enqueue(number) for number in range(self._messages * LANES) if _lane(number)))
            await self._until_done(consuming)
        finally:
            for consumer in consuming:
                consumer.cancel()
            await asyncio.gather(*consuming, return_exceptions=True)

    async def _persist(self, command: Command) -> dict[str, Any]:
        """Asks until it is answered: for what may be asked twice."""
        while True:
            try:
                answer = await self._ask(command, "")
                assert answer.rejection is None, answer.rejection
                told: dict[str, Any] = json.loads(answer.body)
                return told
            except (Unanswered, Fault):
                await asyncio.sleep(AGAIN_S)

    async def _until_done(self, consuming: Sequence[asyncio.Future[None]]) -> None:
        questions = [PARSER.get_queue(queue) for queue in ("work", "dead", "next")]
        questions.append(PARSER.get_group("next", "audit"))
        while any([sum((await self._persist(question))["counts"].values()) for question in questions]):
            for ended in (consumer for consumer in consuming if consumer.done()):
                ended.result()
            await asyncio.sleep(LOOK_EVERY_S)

    # -- producers

    async def _produce(self, lane: int) -> None:
        for place in range(self._messages):
            number = place * LANES + lane
            await self._enqueue(number)
            if place % 4 == 3 and lane > 0:
                await self._enqueue(number)

    async def _enqueue(self, number: int) -> None:
        key, lane, place = f"m{number}", _lane(number), number // LANES
        fields: dict[str, Any] = {"payload": {"key": key, "fill": FILL}}
        if lane:
            fields |= {"dedupId": key, "orderingKey": lane}
            self.work.places[key] = (lane, place)
        elif place % 3 == 0:
            fields |= {"delay": STAYS_S if place % 2 else 1}
        if _dies(number):
            fields |= {"maxRetries": 1}
        command = PARSER.enqueue("work", json.dumps(fields).encode())
        while True:
            try:
                answer = await self._ask(command, "")
                break
            except (Unanswered, Fault) as error:
                if _is_unknown(error):
                    self.work.unknown.add(key)
                    if not lane:
                        return
                await asyncio.sleep(AGAIN_S)
        assert answer.rejection is None, answer.rejection
        told = json.loads(answer.body)
        if key in self.work.acknowledged:
            self.work.repeats.append(Repeat(key, told["id"], told["duplicate"]))
        self.work.acknowledged.setdefault(key, told["id"])

    # -- consumers

    async def _consume(
        self, queue: str, handle: Callable[[dict[str, Any]], Awaitable[None]], group: str | None = None
    ) -> None:
        command = PARSER.receive(queue, group=group, consumer=None, messages_max=3, visibility_timeout_ms=None)
        polled = f"{queue}/{group}" if group else queue
        while True:
            try:
                answer = await self._ask(command, polled)
            except (Unanswered, Fault):
                await asyncio.sleep(AGAIN_S)
                continue
            for message in json.loads(answer.body)["messages"]:
                await handle(message)

    async def _handle(self, message: dict[str, Any]) -> None:
        delivery = self._noted(self.work, message)
        key: str = message["payload"]["key"]
        number, is_first = int(key[1:]), message["deliveries"] == 1
        if _dies(number):
            await self._settle("nack", message, delivery, error="it is to die")
        elif is_first and number % 5 == 1:
            await self._settle("nack", message, delivery, error="not yet")
        elif is_first and number % 6 == 4:
            await self._settle("release", message, delivery)
        elif is_first and number % 8 == 0:
            pass  # its lease ends
        elif number % 4 == 2:
            await self._ack_with_follow_up(message, delivery, f"{key}+")
        else:
            await self._settle("ack", message, delivery)

    async def _ack_with_follow_up(self, message: dict[str, Any], delivery: Delivery, key: str) -> None:
        follow_up = {"queue": "next", "payload": {"key": key, "fill": FILL}}
        for ledger in (self.next, self.audit):
            ledger.unknown.add(key)
        told = await self._settle("ack", message, delivery, result={"of": key}, enqueue=[follow_up])
        if told is not None:
            for ledger in (self.next, self.audit):
                ledger.acknowledged[key] = told["enqueued"][0]["id"]

    async def _bury(self, message: dict[str, Any]) -> None:
        key, told = message["payload"]["key"], message["deadLetter"]
        assert _dies(int(key[1:])), key
        assert (told["attempts"], told["sourceId"]) == (2, self.work.acknowledged.get(key, told["sourceId"])), told
        self.work.dead.add(key)
        self.dead.unknown.add(key)
        await self._settle("ack", message, self._noted(self.dead, message))

    async def _finish(self, message: dict[str, Any]) -> None:
        await self._settle("ack", message, self._noted(self.next, message))

    async def _audit(self, message: dict[str, Any]) -> None:
        await self._settle("ack", message, self._noted(self.audit, message))

    def _noted(self, ledger: Ledger, message: dict[str, Any]) -> Delivery:
        until = datetime.fromisoformat(message["leasedUntil"]).timestamp()
        delivery = Delivery(message["id"], message["deliveries"], message["attempts"], self._now_s(), until)
        assert message["payload"]["fill"] == FILL
        ledger.deliveries.setdefault(message["payload"]["key"], []).append(delivery)
        return delivery

    async def _settle(
        self, verb: Literal["ack", "nack", "release"], message: dict[str, Any], delivery: Delivery, **fields: Any
    ) -> dict[str, Any] | None:
        """What it was told; None: it came too late."""
        parse = {"ack": PARSER.ack, "nack": PARSER.nack, "release": PARSER.release}[verb]
        command = parse(message["id"], json.dumps({"receipt": message["receipt"], **fields}).encode())
        while True:
            try:
                answer = await self._ask(command, "")
            except (Unanswered, Fault) as error:
                if _is_unknown(error):
                    delivery.end = UNKNOWN[verb]
                await asyncio.sleep(AGAIN_S)
                continue
            if answer.rejection is None:
                delivery.end = DONE[verb]
                told: dict[str, Any] = json.loads(answer.body)
                return told
            assert answer.rejection[0] == "lease_lost", answer.rejection
            if verb == "ack":  # an ack would be remembered
                delivery.end = "left"
            return None


def _lane(number: int) -> str | None:
    """The ordering key of the message of this number."""
    return f"lane{number % LANES}" if number % LANES else None


def _dies(number: int) -> bool:
    return number % 7 == 3


def _is_unknown(error: Exception) -> bool:
    return not isinstance(error, Fault) or error.outcome == "unknown"
