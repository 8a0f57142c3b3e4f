"""What the server promises, written down as simply as can be: slow, in memory, one list of messages a queue.

Time passes in `tick`, and only there. The model gives no ids: the server's are noted when it tells them. It says
which messages may come next; with fairness keys several may, and whoever compares tells the model which one came.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from tests.property.broker_state import PERIODS_MS, Death, Message, Queue

DEFAULTS: dict[str, Any] = {
    "maxRetries": 3,
    "visibilityTimeout": 30,
    "deadLetterQueue": None,
    "rateLimit": None,
    "scheduling": {"mode": "fair", "agingSeconds": 60},
    "backoff": {"initial": 1, "multiplier": 2, "max": 600, "jitter": 0.2},
    "dedupWindow": 300,
    "delay": 0,
    "ttl": None,
}


SHOWN = ("dedupId", "orderingKey", "fairnessKey", "metadata")


class Refused(Exception):
    """The rules say no."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def ms(seconds: float) -> int:
    return round(seconds * 1000)


class Broker:
    """All queues. Methods raise Refused, and have done nothing then."""

    def __init__(self, now_ms: int, queues_max: int = 100_000) -> None:
        self.now_ms = now_ms
        self.queues_max = queues_max
        self.queues: dict[str, Queue] = {}
        self.numbered = 0
        self.settled: dict[tuple[int, int], str] = {}
        self.by_id: dict[str, Message] = {}

    # -- queues

    def queue(self, name: str) -> Queue:
        if name not in self.queues:
            raise Refused("queue_not_found")
        return self.queues[name]

    def create(self, name: str, config: dict[str, Any]) -> bool:
        config = {**DEFAULTS, **config}
        if name in self.queues:
            if self.queues[name].config != config:
                raise Refused("queue_conflict")
            return False
        self._check_dead_letters(name, config)
        self._check_room(1, config)
        self._create(name, config)
        self._create_dead_letters(config)
        return True

    def update(self, name: str, config: dict[str, Any]) -> None:
        queue = self.queue(name)
        config = {**queue.config, **config}
        if config == queue.config:
            return
        if config["deadLetterQueue"] != queue.config["deadLetterQueue"]:
            self._check_dead_letters(name, config)
        self._check_room(0, config)
        self._create_dead_letters(config)
        if config["rateLimit"] != queue.config["rateLimit"]:
            queue.empty_bucket(self.now_ms)
        queue.config = config

    def delete(self, name: str) -> int:
        queue = self.queue(name)
        del self.queues[name]
        for message in queue.messages:
            message.state = "gone"
        return len(queue.messages)

    def _check_dead_letters(self, name: str, config: dict[str, Any]) -> None:
        passed, following = 0, config["deadLetterQueue"]
        while following is not None:
            passed += 1
            if following == name or passed > 16:
                raise Refused("dead_letter_queue_invalid")
            known = self.queues.get(following)
            following = known.config["deadLetterQueue"] if known else None

    def _check_room(self, new: int, config: dict[str, Any]) -> None:
        letters = config["deadLetterQueue"]
        new += letters is not None and letters not in self.queues
        if new and len(self.queues) + new > self.queues_max:
            raise Refused("queues_exhausted")

    def _create(self, name: str, config: dict[str, Any]) -> None:
        queue = self.queues[name] = Queue(name, config, self.now_ms)
        if limit := config["rateLimit"]:
            queue.tokens, queue.tokens_at_ms = Fraction(limit["burst"]), self.now_ms

    def _create_dead_letters(self, config: dict[str, Any]) -> None:
        letters = config["deadLetterQueue"]
        if letters is not None and letters not in self.queues:
            self._create(letters, DEFAULTS)

    # -- enqueue

    def enqueue(self, name: str, entries: list[dict[str, Any]], atomic: bool) -> list[tuple[str, Message | None]]:
        """For each entry: what became of it (a state, "duplicate", or an error's code), and the message."""
        queue = self.queue(name)
        if atomic:
            conflicts = self._conflicts(queue, entries)
            if any(conflicts):
                return [("dedup_conflict" if conflict else "batch_aborted", None) for conflict in conflicts]
        return [self._accept(queue, entry) for entry in entries]

    def _remembered(self, queue: Queue, entry: dict[str, Any]) -> tuple[bytes, Message] | None:
        payload, message, until_ms = queue.dedup.get(entry.get("dedupId", ""), (b"", None, 0))
        return (payload, message) if message is not None and until_ms > self.now_ms else None

    def _conflicts(self, queue: Queue, entries: list[dict[str, Any]]) -> list[bool]:
        firsts: dict[str, bytes] = {}
        conflicts = []
        for entry in entries:
            identity, first = entry.get("dedupId"), entry["payload"]
            if earlier := self._remembered(queue, entry):
                first = earlier[0]
            elif identity is not None and queue.config["dedupWindow"]:
                first = firsts.setdefault(identity, entry["payload"])
            conflicts.append(first != entry["payload"])
        return conflicts

    def _accept(self, queue: Queue, entry: dict[str, Any]) -> tuple[str, Message | None]:
        if earlier := self._remembered(queue, entry):
            return ("duplicate", earlier[1]) if earlier[0] == entry["payload"] else ("dedup_conflict", None)
        shown = {name: value for name, value in entry.items() if name in SHOWN}
        message = self._new(queue, entry["payload"], entry.get("priority", 1), self.now_ms, shown)
        message.key, message.max_retries = entry.get("orderingKey"), entry.get("maxRetries")
        ttl = entry.get("ttl", queue.config["ttl"])
        message.expires_at_ms = None if ttl is None else self.now_ms + ms(ttl)
        if "dedupId" in entry and queue.config["dedupWindow"]:
            until_ms = self.now_ms + ms(queue.config["dedupWindow"])
            queue.dedup[entry["dedupId"]] = (entry["payload"], message, until_ms)
        due_ms = self.now_ms + ms(entry.get("delay", queue.config["delay"]))
        if message.key is not None and queue.of_key(message.key) != [message]:
            self._move(message, "blocked", due_ms)
        else:
            self._move_when_due(message, due_ms)
        return ("delayed" if due_ms > self.now_ms else "ready"), message

    def _new(self, queue: Queue, payload: bytes, priority: int, enqueued_at_ms: int, shown: dict[str, Any]) -> Message:
        self.numbered += 1
        message = Message(self.numbered, queue, payload, priority, enqueued_at_ms, shown)
        queue.messages.append(message)
        return message

    # -- receive

    def receivable(self, name: str, messages_max: int) -> int:
        """How many messages a receive may hand out, as the rate limit goes."""
        queue = self.queue(name)
        queue.refill(self.now_ms)
        return min(messages_max, int(queue.tokens)) if queue.config["rateLimit"] else messages_max

    def retry_after_ms(self, name: str) -> int | None:
        """Why a queue with ready messages hands out none: until when it has no token."""
        queue = self.queue(name)
        queue.refill(self.now_ms)
        limit = queue.config["rateLimit"]
        if not limit or queue.tokens >= 1 or not queue.in_state("ready"):
            return None
        return -int((queue.tokens - 1) * PERIODS_MS[limit["per"]] // limit["requests"])

    def next_in_line(self, name: str) -> list[Message]:
        """The messages of which one must be handed out next: the first of each fairness key of one level."""
        queue = self.queue(name)
        heads: dict[tuple[int, str | None], Message] = {}
        for message in queue.in_state("ready"):
            heads.setdefault((message.priority, message.fields.get("fairnessKey")), message)
        if not heads:
            return []
        first = min(heads.values(), key=self._rank)
        return [message for message in heads.values() if message.priority == first.priority]

    def _rank(self, message: Message) -> tuple[int, int]:
        scheduling = message.queue.config["scheduling"]
        if scheduling["mode"] == "strict":
            return (0, -message.priority)
        return (message.at_ms - message.priority * ms(scheduling["agingSeconds"]), -message.priority)

    def lease(self, message: Message, timeout: float | None) -> None:
        queue = message.queue
        if queue.config["rateLimit"]:
            queue.tokens -= 1
        message.deliveries += 1
        message.nacked = False
        timeout = queue.config["visibilityTimeout"] if timeout is None else timeout
        self._move(message, "leased", self.now_ms + ms(timeout))

    # -- settle

    def held(self, message: Message, delivery: int) -> None:
        if message.state != "leased" or message.deliveries != delivery:
            raise Refused("lease_lost")

    def ack(self, message: Message, delivery: int) -> bool:
        """Whether an earlier ack had done it."""
        if self.settled.get((message.number, delivery)) == "acked":
            return True
        self.held(message, delivery)
        self.settled[message.number, delivery] = "acked"
        self._remove(message)
        return False

    def nack(
        self, message: Message, delivery: int, delay: float | None, priority: int | None, error: str, reject: bool
    ) -> tuple[str, Message | None]:
        """The state it came into, and the dead letter it became."""
        repeated = message.nacked and message.deliveries == delivery and message.state != "gone"
        if repeated or self.settled.get((message.number, delivery)) == "nacked":
            return "settled", None
        self.held(message, delivery)
        if reject or self._is_last(message):
            return self._die(message, "rejected" if reject else "retriesExhausted", error)
        self._count_failure(message, error)
        message.nacked = True
        message.priority = message.priority if priority is None else priority
        self._move_when_due(message, self.now_ms + (self._backoff_ms(message) if delay is None else ms(delay)))
        return message.state, None

    def extend(self, message: Message, delivery: int, timeout: float | None) -> int:
        self.held(message, delivery)
        timeout = message.queue.config["visibilityTimeout"] if timeout is None else timeout
        message.at_ms = self.now_ms + ms(timeout)
        return message.at_ms

    # -- time

    def tick(self, now_ms: int) -> None:
        """Everything due happens, the earliest first."""
        self.now_ms = now_ms
        while due := self._due():
            self._fire(due)

    def next_deadline_ms(self) -> int | None:
        ends = [message.deadline_ms() for queue in self.queues.values() for message in queue.messages]
        return min((end for end in ends if end is not None), default=None)

    def fence(self) -> None:
        """Another owner begins: no limiter has tokens."""
        for queue in self.queues.values():
            queue.empty_bucket(self.now_ms)

    def _due(self) -> Message | None:
        every = [message for queue in self.queues.values() for message in queue.messages]
        due = [message for message in every if (message.deadline_ms() or self.now_ms + 1) <= self.now_ms]
        return min(due, key=lambda message: (message.deadline_ms(), message.number), default=None)

    def _fire(self, message: Message) -> None:
        expired = message.expires_at_ms is not None and message.expires_at_ms <= self.now_ms
        if message.state == "leased" and self._is_last(message):
            self._die(message, "leaseEnded", "")
        elif expired:
            self._die(message, "expired", "")
        elif message.state == "leased":
            self._count_failure(message, "")
            self._move_when_due(message, self.now_ms + self._backoff_ms(message))
        else:
            self._move(message, "ready", self.now_ms)

    # -- what becomes of a message

    def _is_last(self, message: Message) -> bool:
        retries = message.queue.config["maxRetries"] if message.max_retries is None else message.max_retries
        return message.attempts + 1 > retries

    def _backoff_ms(self, message: Message) -> int:
        """Of a message whose failure was counted. Jitter is not modelled: compare queues without."""
        backoff = message.queue.config["backoff"]
        assert backoff["jitter"] == 0
        return ms(min(backoff["max"], backoff["initial"] * backoff["multiplier"] ** (message.attempts - 1)))

    def _count_failure(self, message: Message, error: str) -> None:
        message.attempts += 1
        message.first_failure_ms = message.first_failure_ms or self.now_ms
        message.last_failure_ms = self.now_ms
        message.error = error or message.error

    def _die(self, message: Message, reason: str, error: str) -> tuple[str, Message | None]:
        if message.state == "leased":
            self._count_failure(message, error)
        by_nack = reason in ("rejected", "retriesExhausted")
        source = (message.death.source_queue, message.death.source) if message.death else (message.queue.name, message)
        death = Death(
            reason, *source, message.deliveries, message.attempts,
            message.first_failure_ms, message.last_failure_ms, message.error,
        )  # fmt: skip
        letters = message.queue.config["deadLetterQueue"]
        if letters is None or (letters not in self.queues and len(self.queues) >= self.queues_max):
            message.death, message.nacked = death, by_nack
            self._move(message, "dead", self.now_ms)
            self._promote(message)
            return "dead", None
        self._create_dead_letters(message.queue.config)
        if by_nack:
            self.settled[message.number, message.deliveries] = "nacked"
        queue = self.queues[letters]
        letter = self._new(queue, message.payload, message.priority, message.enqueued_at_ms, message.fields)
        letter.death = death
        self._move(letter, "ready", self.now_ms)
        self._remove(message)
        return "deadLettered", letter

    def _move(self, message: Message, state: str, at_ms: int) -> None:
        message.queue.messages.remove(message)
        message.queue.messages.append(message)
        message.state, message.at_ms = state, at_ms

    def _move_when_due(self, message: Message, due_ms: int) -> None:
        due = due_ms <= self.now_ms
        self._move(message, "ready" if due else "delayed", self.now_ms if due else due_ms)

    def _remove(self, message: Message) -> None:
        message.queue.messages.remove(message)
        message.state = "gone"
        self._promote(message)

    def _promote(self, gone: Message) -> None:
        """The next one of its ordering key takes its turn."""
        waiting = gone.queue.of_key(gone.key) if gone.key is not None else []
        if waiting and waiting[0].state == "blocked":
            self._move_when_due(waiting[0], waiting[0].at_ms)
