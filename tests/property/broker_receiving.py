"""The server and the model side by side: who gets which messages, and why no more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from tests.property.broker_answers import body_of, instant
from tests.property.broker_enqueuing import Enqueuing
from tests.property.broker_limits import SETTINGS
from tests.property.broker_state import Message, Queue
from tests.property.in_process import Reply


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a consumer holds."""

    message: Message
    delivery: int
    text: str


class Receiving(Enqueuing):
    """Each method asks both the same and compares what they say. `receipts`: of every lease that a consumer saw."""

    def __init__(self, queues_max: int) -> None:
        super().__init__(queues_max)
        self.receipts: list[Receipt] = []

    def receipt(self, which: int) -> Receipt:
        """One of the last ones, 0 being the last."""
        return self.receipts[-1 - which % len(self.receipts)]

    def receive(self, name: str, count: int, timeout: float | None, by: dict[str, str]) -> None:
        """`by`: whom for, as the query says it."""
        times = {} if timeout is None else {"visibilityTimeout": timeout}
        query = urlencode({"maxMessages": count, **times, **by})
        reply = self.ask("GET", f"/v1/queues/{name}/messages?{query}")
        queue = self.expect(reply, lambda: self.model.group(name, by.get("consumerGroup", "default")))
        if queue is not None:
            self._compare_attempt(queue, count, timeout, by, reply)

    def _compare_attempt(
        self, queue: Queue, count: int, timeout: float | None, by: dict[str, str], reply: Reply
    ) -> None:
        consumer, attempt = by.get("consumerId", ""), by.get("attemptId")
        if consumer:
            self.model.join(queue, consumer)
        if attempt and (again := self.model.attempted(queue, consumer, attempt)):
            assert [said["id"] for said in reply.json["messages"]] == [message.known.id for message in again]
            for message, said in zip(again, reply.json["messages"], strict=True):
                self.check_message(message, said, {"leasedUntil": instant(message.at_ms)})
                self.receipts.append(Receipt(message, message.deliveries, said["receipt"]))
            return
        leased = self._compare_received(queue, consumer, count, timeout, reply)
        if attempt and leased:
            leases = [(message, message.deliveries) for message in leased]
            self.model.attempts[queue, consumer, attempt] = (self.model.now_ms, leases)

    def receive_waiting(self, name: str, message: dict[str, Any], resume: bool) -> None:
        """A long poll that the enqueue of a message ends, or the resume of its queue; unless it need not wait."""
        queue = self.model.queues.get(name)
        path = f"/v1/queues/{name}/messages"
        if resume:
            self.pause(name, {})
        if queue is None or (not resume and not self._is_open_and_empty(queue)):
            return self.receive(name, 1, None, {})
        self.ask("GET", "/v1/queues?limit=1")
        if not resume:
            poll, enqueued = self.server.waits_for(f"{path}?waitTime=30", "POST", path, body_of(message))
            self._compare_enqueued(name, message, enqueued)
            self._compare_received(queue, "", 1, None, poll)
            return
        if self.model.receivable_when_resumed(queue):
            poll, resumed = self.server.waits_for(f"{path}?waitTime=30", "POST", f"/v1/queues/{name}/resume", {})
            self.model.resume(name, enqueue=True, receive=True)
            self.check_queue(resumed.json)
            self._compare_received(queue, "", 1, None, poll)

    def _is_open_and_empty(self, queue: Queue) -> bool:
        limited = any(queue.config[name] for name in (*SETTINGS, "maxMessages", "maxInFlight", "delay"))
        return not (limited or any(queue.paused.values()) or queue.in_state("ready"))

    def _compare_received(
        self, queue: Queue, consumer: str, count: int, timeout: float | None, reply: Reply
    ) -> list[Message]:
        leased: list[Message] = []
        for said in reply.json["messages"]:
            assert not queue.source.paused["receive"], reply
            message = self._one_of(self.model.next_in_line(queue, consumer), said)
            self.model.lease(message, consumer, timeout)
            leased.append(message)
            self.check_message(message, said, {"leasedUntil": instant(message.at_ms)})
            self.receipts.append(Receipt(message, message.deliveries, said["receipt"]))
        assert len(leased) <= count, reply
        why = self.model.limited_by(queue, consumer)
        if not leased:
            said_ms = round(reply.json["retryAfter"] * 1000) if "retryAfter" in reply.json else None
            assert (reply.json.get("limitedBy"), said_ms) in why, (reply, why)
            why = {(reply.json.get("limitedBy"), said_ms)}
        if len(leased) < count and {by for by, _ in why} <= {None, "key", "keyAssigned"}:
            self.model.is_over(queue, consumer)
        return leased

    def _one_of(self, permitted: list[Message], said: dict[str, Any]) -> Message:
        """Which of them came. A dead letter that nobody saw has no id yet: its lane tells it from the others."""
        identity = said["id"]
        known = [message for message in permitted if message.known.id == identity]
        unseen = [message for message in permitted if not message.known.id and message.lane == said.get("fairnessKey")]
        assert known or unseen, f"{identity} is not one of {[message.known.id for message in permitted]}"
        message = (known or unseen)[0]
        self.note_id(message.known, identity)
        return message
