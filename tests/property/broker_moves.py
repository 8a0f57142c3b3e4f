"""How messages move in the plain model, by themselves and when a verb says so. Time passes in `tick` alone."""

from __future__ import annotations

from typing import Any

from tests.property.broker_state import DEFAULTS, Death, Known, Message, Queue, ms

BY_NACK = ("rejected", "retriesExhausted")


class Moves:
    """All queues by name, and how each lease ended that ended a message's life."""

    def __init__(self, now_ms: int, queues_max: int = 100_000) -> None:
        self.now_ms = now_ms
        self.queues_max = queues_max
        self.queues: dict[str, Queue] = {}
        self.numbered = 0
        self.settled: dict[tuple[Message, int], str] = {}
        self.by_id: dict[str, Known] = {}
        self.letters: list[Known] = []

    # -- time

    def tick(self, now_ms: int) -> None:
        """Everything due happens: the dead are taken away, then the earliest first."""
        self.now_ms = now_ms
        self.retire()
        while due := self._due():
            self._fire(min(due, key=lambda message: (message.deadline_ms(), message.known.number)))

    def retire(self) -> None:
        """What was dead for long enough is gone, and so is a dead letter that nobody holds."""
        for message in self._messages():
            retires_ms = message.retires_ms()
            if retires_ms is not None and retires_ms <= self.now_ms and message.state != "leased":
                self._remove(message)

    def next_deadline_ms(self) -> int | None:
        free = [message for message in self._messages() if message.state != "leased"]
        ends = [message.deadline_ms() for message in self._messages()] + [message.retires_ms() for message in free]
        return min((end for end in ends if end is not None), default=None)

    def fence(self) -> None:
        """Another owner begins: no limiter has tokens."""
        for queue in self.queues.values():
            for group in queue.groups():
                group.limits.set(group.config, self.now_ms, full=False)

    def _messages(self) -> list[Message]:
        queues = [group for queue in self.queues.values() for group in queue.groups()]
        return [message for queue in queues for message in queue.messages]

    def _due(self) -> list[Message]:
        later = self.now_ms + 1
        return [message for message in self._messages() if (message.deadline_ms() or later) <= self.now_ms]

    def _fire(self, message: Message) -> None:
        if message.state == "leased" and message.is_last_attempt():
            self._die(message, "leaseEnded", "")
        elif self._is_over(message):
            self._die(message, "expired", "")
        elif message.state == "leased":
            self._count_failure(message, "")
            self._move_when_due(message, self.now_ms + self._backoff_ms(message))
        else:
            self._move(message, "ready", self.now_ms)

    def _is_over(self, message: Message) -> bool:
        return message.expires_at_ms is not None and message.expires_at_ms <= self.now_ms

    def _come_back(self, message: Message, due_ms: int) -> tuple[str, Known | None]:
        """Its state then, and the dead letter it became if its time to live was over."""
        if not self._is_over(message):
            self._move_when_due(message, due_ms)
            return message.state, None
        self._move(message, "ready", self.now_ms)
        return self._die(message, "expired", "")

    # -- a message's life

    def _create(self, name: str, config: dict[str, Any]) -> None:
        queue = self.queues[name] = Queue(name, "default", self.now_ms, config)
        queue.limits.set(config, self.now_ms, full=True)

    def _create_dead_letters(self, config: dict[str, Any]) -> None:
        letters = config["deadLetterQueue"]
        if letters is not None and letters not in self.queues:
            self._create(letters, DEFAULTS)

    def _new(self, queue: Queue, payload: bytes, fields: dict[str, Any], enqueued_at_ms: int, **of: Any) -> Known:
        """A copy for each group, in no state yet."""
        self.numbered += 1
        known = Known(self.numbered, payload, fields, enqueued_at_ms)
        for group in queue.groups():
            copy = Message(known, group, **of)
            known.copies.append(copy)
            group.messages.append(copy)
        return known

    def _place_new(self, copies: list[Message], due_ms: int) -> None:
        """Behind the others of its ordering key, or when it is due."""
        for copy in copies:
            if copy.key is not None and copy.queue.of_key(copy.key) != [copy]:
                self._move(copy, "blocked", due_ms)
            else:
                self._move_when_due(copy, due_ms)

    def _backoff_ms(self, message: Message) -> int:
        """Of a message whose failure was counted. Jitter is not modelled: compare queues without."""
        own = message.backoff if message.death is None else None  # a dead letter's rests
        backoff = own or message.queue.config["backoff"]
        assert backoff["jitter"] == 0
        return ms(min(backoff["max"], backoff["initial"] * backoff["multiplier"] ** (message.attempts - 1)))

    def _count_failure(self, message: Message, error: str) -> None:
        message.attempts += 1
        message.first_failure_ms = message.first_failure_ms or self.now_ms
        message.last_failure_ms = self.now_ms
        message.error = error or message.error

    def _die(self, message: Message, reason: str, error: str) -> tuple[str, Known | None]:
        if message.state == "leased":
            self._count_failure(message, error)
        death = Death(
            reason, self.now_ms, message.death.source if message.death else message,
            message.deliveries, message.attempts, message.first_failure_ms, message.last_failure_ms, message.error,
        )  # fmt: skip
        letters = message.queue.config["deadLetterQueue"]
        if letters is None or (letters not in self.queues and len(self.queues) >= self.queues_max):
            message.death, message.nacked = death, reason in BY_NACK
            self._move(message, "dead", self.now_ms)
            self._promote(message)
            return "dead", None
        self._create_dead_letters(message.queue.config)
        if reason in BY_NACK:
            self.settled[message, message.deliveries] = "nacked"
        known = message.known
        letter = self._new(
            self.queues[letters], known.payload, known.fields, known.enqueued_at_ms,
            priority=message.priority, death=death, lane=message.lane,
            max_retries=message.max_retries, backoff=message.backoff,
        )  # fmt: skip
        self.letters.append(letter)
        for copy in letter.copies:
            self._move(copy, "ready", self.now_ms)
        self._remove(message)
        return "deadLettered", letter

    def told_source(self, death: Death, group: str) -> None:
        """Copies that died at one instant became dead letters in an order that nobody promises: exchange them."""
        if death.source.queue.group == group:
            return
        deaths = [letter.copies[0].death for letter in self.letters]
        other = next(
            other for other in deaths
            if other and (other.at_ms, other.source.known, other.source.queue.group)
            == (death.at_ms, death.source.known, group)
        )  # fmt: skip
        for copy in [copy for letter in self.letters for copy in letter.copies]:
            copy.death = other if copy.death is death else death if copy.death is other else copy.death

    def _move(self, message: Message, state: str, at_ms: int) -> None:
        message.queue.messages.remove(message)
        message.queue.messages.append(message)
        message.state, message.at_ms, message.perhaps_ms = state, at_ms, None

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
