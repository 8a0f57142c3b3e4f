"""What the server promises, written down as simply as can be: slow, in memory, one list of messages a queue.

The model gives no ids: the server's are noted when it tells them. It says which messages may come next; with fairness
keys several may, and whoever compares tells the model which one came.
"""

from __future__ import annotations

from typing import Any

from tests.property.broker_management import Management
from tests.property.broker_state import Known, Message, Queue, Refused, ms

SHOWN = ("dedupId", "orderingKey", "fairnessKey", "metadata")
Accepted = tuple[str, Known | None]
"""What became of an entry (a state, "duplicate", or an error's code), and the message."""


class Broker(Management):
    """All queues. Methods raise Refused, and have done nothing then."""

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
        return (payload, known) if known is not None and until_ms > self.now_ms else None

    def _refusals(self, queue: Queue, entries: list[dict[str, Any]]) -> list[str]:
        firsts: dict[str, bytes] = {}
        new, refusals = 0, []
        for entry in entries:
            identity, first = entry.get("dedupId"), None
            if earlier := self._remembered(queue, entry):
                first = earlier[0]
            elif identity is not None and queue.config["dedupWindow"]:
                first = firsts.get(identity)
                firsts.setdefault(identity, entry["payload"])
            new += first is None
            conflict = "" if first == entry["payload"] else "dedup_conflict"
            refusals.append(self._refusal(queue, new) if first is None else conflict)
        return refusals

    def _refusal(self, queue: Queue, new: int) -> str:
        """Why it does not take so many new messages."""
        if queue.paused["enqueue"]:
            return "queue_paused"
        most = queue.config["maxMessages"]
        return "queue_full" if most is not None and queue.held() + new > most else ""

    def _accept(self, queue: Queue, entry: dict[str, Any]) -> Accepted:
        if earlier := self._remembered(queue, entry):
            return ("duplicate", earlier[1]) if earlier[0] == entry["payload"] else ("dedup_conflict", None)
        if refusal := self._refusal(queue, 1):
            return refusal, None
        ttl = entry.get("ttl", queue.config["ttl"])
        known = self._new(
            queue, entry["payload"], {name: value for name, value in entry.items() if name in SHOWN}, self.now_ms,
            priority=entry.get("priority", 1), key=entry.get("orderingKey"), max_retries=entry.get("maxRetries"),
            expires_at_ms=None if ttl is None else self.now_ms + ms(ttl), lane=entry.get("fairnessKey"),
        )  # fmt: skip
        if "dedupId" in entry and queue.config["dedupWindow"]:
            until_ms = self.now_ms + ms(queue.config["dedupWindow"])
            queue.dedup[entry["dedupId"]] = (entry["payload"], known, until_ms)
        due_ms = self.now_ms + ms(entry.get("delay", queue.config["delay"]))
        for copy in known.copies:
            if copy.key is not None and copy.queue.of_key(copy.key) != [copy]:
                self._move(copy, "blocked", due_ms)
            else:
                self._move_when_due(copy, due_ms)
        return ("delayed" if due_ms > self.now_ms else "ready"), known

    # -- receive

    def receivable(self, queue: Queue, messages_max: int) -> int:
        """How many messages a receive may hand out, as pauses and limits go."""
        queue.refill(self.now_ms)
        if queue.source.paused["receive"]:
            return 0
        tokens = int(queue.tokens) if queue.config["rateLimit"] else messages_max
        return min(messages_max, tokens, queue.leases_left())

    def receivable_when_resumed(self, queue: Queue) -> bool:
        """Whether a resume lets something go at once."""
        return bool(queue.in_state("ready") and queue.leases_left() and not queue.next_token_ms(self.now_ms))

    def limited_by(self, queue: Queue) -> tuple[str | None, int | None]:
        """Why a queue hands out none, and until when."""
        if queue.source.paused["receive"]:
            return "paused", None
        if queue.in_state("ready") and not queue.leases_left():
            return "inFlight", None
        if queue.in_state("ready") and (retry_after_ms := queue.next_token_ms(self.now_ms)):
            return "queue", retry_after_ms
        return None, None

    def next_in_line(self, queue: Queue) -> list[Message]:
        """The messages of which one must be handed out next: the first of each fairness key of one level."""
        line = queue.line()
        heads: dict[str | None, Message] = {}
        for message in line:
            if message.priority == line[0].priority:
                heads.setdefault(message.lane, message)
        return list(heads.values())

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
        if self.settled.get((message, delivery)) == "acked":
            return True
        self.held(message, delivery)
        self.settled[message, delivery] = "acked"
        self._remove(message)
        return False

    def nack(self, message: Message, delivery: int, fields: dict[str, Any]) -> tuple[str, Known | None]:
        """The state it came into, and the dead letter it became."""
        repeated = message.nacked and message.deliveries == delivery and message.state != "gone"
        if repeated or self.settled.get((message, delivery)) == "nacked":
            return "settled", None
        self.held(message, delivery)
        if fields.get("reject") or message.is_last_attempt():
            reason = "rejected" if fields.get("reject") else "retriesExhausted"
            return self._die(message, reason, fields.get("error", ""))
        self._count_failure(message, fields.get("error", ""))
        message.nacked = True
        message.priority = fields.get("priority", message.priority)
        delay_ms = ms(fields["delay"]) if "delay" in fields else self._backoff_ms(message)
        self._move_when_due(message, self.now_ms + delay_ms)
        return message.state, None

    def extend(self, message: Message, delivery: int, timeout: float | None) -> int:
        self.held(message, delivery)
        timeout = message.queue.config["visibilityTimeout"] if timeout is None else timeout
        message.at_ms = self.now_ms + ms(timeout)
        return message.at_ms
