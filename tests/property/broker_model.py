"""What the server promises, written down as simply as can be: slow, in memory, one list of messages a queue.

The model gives no ids: the server's are noted when it tells them. It says which messages may come next; with fairness
keys several may, and whoever compares tells the model which one came.
"""

from __future__ import annotations

from typing import Any

from tests.property.broker_management import Management
from tests.property.broker_state import Known, Message, Queue, Refused, Result, ms

SHOWN = ("dedupId", "orderingKey", "fairnessKey", "metadata")
ATTEMPT_MS = 300_000
Accepted = tuple[str, Known | None]
"""What became of an entry (a state, "duplicate", or an error's code), and the message."""
Completed = tuple[bool, list[Accepted]]


class Broker(Management):
    """All queues. Methods raise Refused, and have done nothing then."""

    def __init__(self, now_ms: int, queues_max: int) -> None:
        super().__init__(now_ms, queues_max)
        self.followed: dict[tuple[Message, int], list[tuple[Known, bool]]] = {}
        self._leaving: Known | None = None
        self.attempts: dict[tuple[Queue, str, str], tuple[int, list[tuple[Message, int]]]] = {}

    # -- enqueue

    def enqueue(self, name: str, entries: list[dict[str, Any]], atomic: bool) -> list[Accepted]:
        queue = self.queue(name)
        if atomic:
            refusals = self._refusals(queue, entries)
            if any(refusals):
                return [(refusal or "batch_aborted", None) for refusal in refusals]
        return [self._accept(queue, entry) for entry in entries]

    def _remembered(self, queue: Queue, entry: dict[str, Any]) -> tuple[bytes, Known] | None:
        payload, known, until_ms = queue.dedup.get(entry.get("dedupId", ""), (b"", None, 0))
        if known is None:
            return None
        holds = known.state() not in ("done", "dead") if until_ms is None else until_ms > self.now_ms
        return (payload, known) if holds else None

    def _remembers(self, queue: Queue, entry: dict[str, Any]) -> bool:
        """Whether a message accepted so holds its dedup id."""
        return "dedupId" in entry and (entry.get("dedupUntil") == "done" or queue.config["dedupWindow"] > 0)

    def _refusals(self, queue: Queue, entries: list[dict[str, Any]], leaving: int = 0) -> list[str]:
        firsts: dict[str, bytes] = {}
        new, refusals = 0, []
        for entry in entries:
            first = None
            if earlier := self._remembered(queue, entry):
                first = earlier[0]
            elif "dedupId" in entry:
                first = firsts.get(entry["dedupId"])
                if self._remembers(queue, entry):
                    firsts.setdefault(entry["dedupId"], entry["payload"])
            new += first is None
            conflict = "" if first == entry["payload"] else "dedup_conflict"
            refusals.append(self._refusal(queue, new, leaving) if first is None else conflict)
        return refusals

    def _refusal(self, queue: Queue, new: int, leaving: int = 0) -> str:
        """Why it does not take so many new messages when `leaving` others go."""
        if queue.paused["enqueue"]:
            return "queue_paused"
        most = queue.config["maxMessages"]
        if most is not None and queue.held() - leaving + new > most:
            return "queue_full"
        ingress = queue.limits.of("ingressLimit")
        return "rate_limited" if ingress and not ingress.has(new, self.now_ms) else ""

    def _accept(self, queue: Queue, entry: dict[str, Any]) -> Accepted:
        if earlier := self._remembered(queue, entry):
            return ("duplicate", earlier[1]) if earlier[0] == entry["payload"] else ("dedup_conflict", None)
        leaving = self._leaving
        if refusal := self._refusal(queue, 1, leaving is not None and leaving.copies[0].queue is queue):
            return refusal, None
        queue.limits.take("ingressLimit", "", self.now_ms)
        ttl = entry.get("ttl", queue.config["ttl"])
        known = self._new(
            queue, entry["payload"], {name: value for name, value in entry.items() if name in SHOWN}, self.now_ms,
            priority=entry.get("priority", 1), key=entry.get("orderingKey"), max_retries=entry.get("maxRetries"),
            backoff=entry.get("backoff"),
            expires_at_ms=None if ttl is None else self.now_ms + ms(ttl), lane=entry.get("fairnessKey"),
        )  # fmt: skip
        if self._remembers(queue, entry):
            until_ms = None if entry.get("dedupUntil") == "done" else self.now_ms + ms(queue.config["dedupWindow"])
            queue.dedup[entry["dedupId"]] = (entry["payload"], known, until_ms)
        due_ms = self.now_ms + ms(entry.get("delay", queue.config["delay"]))
        self._place_new(known.copies, due_ms)
        return ("delayed" if due_ms > self.now_ms else "ready"), known

    # -- receive

    def limited_by(self, queue: Queue, consumer: str) -> set[tuple[str | None, int | None]]:
        """Why a queue hands out none, though some are ready, and until when: one of these."""
        if queue.source.paused["receive"]:
            return {("paused", None)}
        ready = [message for message in queue.in_state("ready") if message.may_go_to(consumer)]
        sure = [message for message in ready if message.must_go_to(consumer)]
        choices = [sure, *([*sure, message] for message in ready if message not in sure)]
        return {self._limit_of(queue, consumer, choice) for choice in choices}

    def _limit_of(self, queue: Queue, consumer: str, ready: list[Message]) -> tuple[str | None, int | None]:
        limits, now_ms = queue.limits, self.now_ms
        if not ready:
            return ("keyAssigned" if queue.in_state("ready") else None), None
        if not queue.leases_left():
            return "inFlight", None
        if wait_ms := limits.wait_ms("rateLimit", "", now_ms):
            return "queue", wait_ms
        if wait_ms := limits.wait_ms("consumerRateLimit", consumer, now_ms):
            return "consumer", wait_ms
        waits = [queue.key_wait_ms(message.lane, now_ms) for message in ready]
        if 0 in waits:
            return None, None
        return "key", min((wait_ms for wait_ms in waits if wait_ms is not None), default=None)

    def is_over(self, queue: Queue, consumer: str) -> None:
        """A receive ended, and no limit held it back: what may still go does not stick to this consumer."""
        for message in self.next_in_line(queue, consumer):
            assert not message.must_go_to(consumer), f"{message} could go"
            message.owners().discard(consumer)

    def receivable_when_resumed(self, queue: Queue) -> bool:
        """Whether a resume lets something go at once."""
        paused, queue.paused["receive"] = queue.paused["receive"], False
        is_free = self.limited_by(queue, "") == {(None, None)} and bool(self.next_in_line(queue, ""))
        queue.paused["receive"] = paused
        return is_free

    def next_in_line(self, queue: Queue, consumer: str) -> list[Message]:
        """The messages of which one must be handed out next: the first of each lane whose fairness key may go, in a
        level whose turn it is. Whether those count that have to wait is left open, and whose turn it is among keys."""
        line = [message for message in queue.line() if message.may_go_to(consumer)]
        free = [message for message in line if queue.key_wait_ms(message.lane, self.now_ms) == 0]
        sure = [message for message in free if message.must_go_to(consumer)]
        first = min(map(queue.rank, sure), default=None)
        turns = {message.priority for message in line if first is None or queue.rank(message) <= first}
        next_ones: list[Message] = []
        closed: set[tuple[int, str | None, bool]] = set()
        for message in free:
            if message.priority in turns and message.in_lane() not in closed:
                next_ones.append(message)
            if message in sure:
                closed.add(message.in_lane())
        return next_ones

    def lease(self, message: Message, consumer: str, timeout: float | None) -> None:
        queue = message.queue
        assert queue.leases_left() > 0, "more are leased than may be"
        queue.limits.take("rateLimit", "", self.now_ms)
        queue.limits.take("consumerRateLimit", consumer, self.now_ms)
        if message.lane is not None:
            queue.limits.take("keyRateLimit", message.lane, self.now_ms)
        if message.key is not None and queue.members:
            queue.owners[message.key] = {consumer}
        message.deliveries += 1
        message.nacked, message.since_ms = False, self.now_ms
        message.holder = consumer
        timeout = queue.config["visibilityTimeout"] if timeout is None else timeout
        self._move(message, "leased", self.now_ms + ms(timeout))

    def attempted(self, queue: Queue, consumer: str, attempt: str) -> list[Message]:
        """What an earlier receive of this attempt was given and holds still."""
        at_ms, leases = self.attempts.get((queue, consumer, attempt), (0, []))
        if at_ms + ATTEMPT_MS <= self.now_ms:
            return []
        return [message for message, delivery in leases if (message.state, message.deliveries) == ("leased", delivery)]

    # -- settle

    def held(self, message: Message, delivery: int) -> None:
        if message.state != "leased" or message.deliveries != delivery:
            raise Refused("lease_lost")

    def see_holder(self, message: Message) -> None:
        if message.holder in message.queue.members:
            message.queue.members[message.holder] = self.now_ms

    def ack(self, message: Message, delivery: int) -> bool:
        """Whether an earlier ack had done it."""
        if self.settled.get((message, delivery)) == "acked":
            return True
        self.held(message, delivery)
        self.see_holder(message)
        self.settled[message, delivery] = "acked"
        self._remove(message)
        return False

    def complete(self, message: Message, delivery: int, result: bytes | None, entries: list[Any]) -> Completed:
        """An ack that leaves something behind: all of it happens, or nothing. Whether an earlier one had done it, and
        what became of the messages to enqueue."""
        if self.settled.get((message, delivery)) == "acked":
            followed = self.followed.get((message, delivery), [])
            return True, [("duplicate" if duplicate else known.state(), known) for known, duplicate in followed]
        self.held(message, delivery)
        is_last = len(message.known.held()) == 1
        refusals = ["" if queue in self.queues else "queue_not_found" for queue, _ in entries]
        for name in {queue for queue, _ in entries} & set(self.queues):
            which = [at for at, (queue, _) in enumerate(entries) if queue == name]
            leaving = is_last and name == message.queue.name
            found = self._refusals(self.queues[name], [entries[at][1] for at in which], leaving)
            for at, refusal in zip(which, found, strict=True):
                refusals[at] = refusal
        if any(refusals):
            return False, [(refusal or "batch_aborted", None) for refusal in refusals]
        # It leaves room for one in its own queue.
        self._leaving = message.known if is_last else None
        enqueued = [self._accept(self.queues[name], entry) for name, entry in entries]
        self._leaving = None
        self.followed[message, delivery] = [(known, outcome == "duplicate") for outcome, known in enqueued if known]
        kept = message.queue.config["resultRetention"]
        earlier = message.known.kept(self.now_ms)  # that of `default` stays
        if result is not None and kept and not (earlier and earlier.group == "default" != message.queue.group):
            source, group, until_ms = message.queue.source, message.queue.group, self.now_ms + ms(kept)
            message.known.result = Result(result, source, group, self.now_ms, until_ms)
            message.queue.source.results.append(message.known.result)
        return self.ack(message, delivery), enqueued

    def release(self, message: Message, delivery: int, delay: float) -> tuple[str, Known | None]:
        """As of a nack. No attempt is counted."""
        if self._is_returned(message, delivery):
            return "settled", None
        self.held(message, delivery)
        self.see_holder(message)
        message.nacked = True
        return self._come_back(message, self.now_ms + ms(delay))

    def _is_returned(self, message: Message, delivery: int) -> bool:
        """By a nack or a release that came before."""
        returned = message.nacked and message.deliveries == delivery and message.state != "gone"
        return returned or self.settled.get((message, delivery)) == "nacked"

    def nack(self, message: Message, delivery: int, fields: dict[str, Any]) -> tuple[str, Known | None]:
        """The state it came into, and the dead letter it became."""
        if self._is_returned(message, delivery):
            return "settled", None
        self.held(message, delivery)
        self.see_holder(message)
        if fields.get("reject") or message.is_last_attempt():
            reason = "rejected" if fields.get("reject") else "retriesExhausted"
            return self._die(message, reason, fields.get("error", ""))
        self._count_failure(message, fields.get("error", ""))
        message.nacked = True
        message.priority = fields.get("priority", message.priority)
        delay_ms = ms(fields["delay"]) if "delay" in fields else self._backoff_ms(message)
        return self._come_back(message, self.now_ms + delay_ms)

    def extend(self, message: Message, delivery: int, timeout: float | None) -> int:
        self.held(message, delivery)
        self.see_holder(message)
        timeout = message.queue.config["visibilityTimeout"] if timeout is None else timeout
        message.at_ms = self.now_ms + ms(timeout)
        return message.at_ms
