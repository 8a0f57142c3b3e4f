"""Random requests of every verb, of what the server told before and of values at the edge of what is allowed."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

Request = tuple[str, str, Any]
"""Method, path with query, body."""

QUEUES = ("q", "r", "dead", "w.1")
GROUPS = ("default", "audit", "g-2")
CONSUMERS = ("c1", "c2", "\u00fc\U0001f511", "x" * 256)
KEYS = ("a", "b", "\u043a\u043b\u044e\u0447", "/?&%\u0000", "\U0001f511" * 64)
SECONDS = (0, 0.001, 1, 30, 86_400, 315_360_000, 315_360_001, -1, 1e-300, "1", None)
WHOLES = (0, 1, 2, 255, 256, 1000, 2**53, -1, 1.5, None)
PAYLOADS = (None, 0, "x", {"a": {"b": [1, 2.5]}}, "\U0001f511", ["\u0000"] * 3, "y" * 3000)
LIMITS = (None, None, {"requests": 1, "per": "second"}, {"requests": 1_000_000, "per": "day", "burst": 1},
          {"requests": 3, "per": "minute", "burst": 1_000_000})  # fmt: skip
REASONS = ("retriesExhausted", "leaseEnded", "expired", "rejected")


class Requests:
    """Requests of what was learned."""

    def __init__(self, chance: random.Random) -> None:
        self.random = chance
        self._ids: deque[str] = deque(["00000000000020000000"], maxlen=50)
        self._sweeps: deque[str] = deque(["none"], maxlen=10)
        self._receipts: deque[tuple[str, str]] = deque(maxlen=30)
        verbs = [
            (14, self.enqueue), (6, self.enqueue_batch), (16, self.receive), (8, self.ack), (6, self.nack),
            (3, self.extend), (3, self.release), (4, self.settle), (2, self.create_queue), (3, self.update_queue),
            (0.15, self.delete_queue), (0.3, self.purge), (1, self.pause), (2, self.resume), (1, self.create_group),
            (0.4, self.delete_group), (2, self.change), (1, self.delete_message), (3, self.look), (1, self.redrive),
            (1, self.sweep), (1, self.of_sweep), (1, self.leave),
        ]  # fmt: skip
        self._weights = [weight for weight, _ in verbs]
        self._verbs: list[Callable[[], Request]] = [verb for _, verb in verbs]

    def learn(self, said: Any) -> None:
        """Notes ids and receipts, wherever they stand."""
        if isinstance(said, list):
            for one in said:
                self.learn(one)
        elif isinstance(said, dict):
            identity = said.get("id")
            if isinstance(identity, str) and "matched" in said:
                self._sweeps.append(identity)
            elif isinstance(identity, str) and identity not in self._ids:
                self._ids.append(identity)
            if "receipt" in said and isinstance(identity, str):
                self._receipts.append((identity, said["receipt"]))
            for one in said.values():
                self.learn(one)

    def any(self) -> Request:
        (verb,) = self.random.choices(self._verbs, self._weights)
        return verb()

    # -- values

    def one(self, values: Any) -> Any:
        return self.random.choice(values)

    def often(self) -> bool:
        return self.random.random() < 0.3

    def fields(self, **choices: Any) -> dict[str, Any]:
        """Some of them."""
        chosen = ((name, value) for name, value in choices.items() if self.often())
        return {name: value() if callable(value) else self.one(value) for name, value in chosen}

    def seconds(self) -> Any:
        return self.one(SECONDS) if self.random.random() < 0.2 else self.one((0, 0.001, 1, 5))

    def whole(self) -> Any:
        return self.one(WHOLES) if self.random.random() < 0.2 else self.one((1, 2, 5))

    def queue(self) -> str:
        return str(self.one(("q", "q", "q", *QUEUES, "absent") if self.often() else QUEUES[:2]))

    def message(self) -> dict[str, Any]:
        message = {"payload": self.one(PAYLOADS)} | self.fields(
            priority=self.whole, delay=self.seconds, dedupId=KEYS, orderingKey=KEYS, fairnessKey=KEYS,
            metadata=({}, {"tenant": "a"}, {"tenant": "b", "x": [None]}), ttl=self.seconds, maxRetries=(0, 1, 1000),
            dedupUntil=("window", "done"), backoff=({"initial": 0, "max": 0}, {"initial": 1, "jitter": 1}),
        )  # fmt: skip
        if "dedupId" not in message:
            message.pop("dedupUntil", None)
        return message

    def config(self) -> dict[str, Any]:
        return self.fields(
            maxRetries=(0, 1, 3), visibilityTimeout=self.seconds, deadLetterQueue=(None, *QUEUES, "new-one"),
            rateLimit=LIMITS, consumerRateLimit=LIMITS, keyRateLimit=LIMITS, ingressLimit=LIMITS,
            fairness=({}, {"weights": {"a": 1000, KEYS[2]: 1}}, {"maxInFlight": 1}), maxMessages=(None, 1, 20),
            maxInFlight=(None, 1, 3), scheduling=({"mode": "strict"}, {"agingSeconds": 1}, {}),
            backoff=({}, {"initial": 0, "max": 0}, {"jitter": 1}), dedupWindow=(0, 5, 604_800), delay=(0, 0, 1),
            ttl=(None, None, 1, 1000), deadRetention=(None, 0.001, 3600), resultRetention=(0, 1, 86_400),
            sessionTimeout=(1, 30),
        )  # fmt: skip

    def receipt(self) -> tuple[str, str]:
        if not self._receipts:
            return self.one(self._ids), "A" * 43
        identity, receipt = self._receipts[-1 - int(self.random.expovariate(0.3)) % len(self._receipts)]
        return (identity, receipt) if self.random.random() < 0.97 else (self.one(self._ids), receipt)

    # -- verbs

    def enqueue(self) -> Request:
        return "POST", f"/v1/queues/{self.queue()}/messages", self.message()

    def enqueue_batch(self) -> Request:
        messages = [self.message() for _ in range(self.random.randint(1, 8))]
        return "POST", f"/v1/queues/{self.queue()}/messages/batch", {"messages": messages} | self.fields(
            atomic=(True, False)
        )

    def receive(self) -> Request:
        query = self.fields(maxMessages=(1, 3, 100), visibilityTimeout=(0.001, 1, 43_200), consumerGroup=GROUPS,
                            consumerId=CONSUMERS, attemptId=("t1", "t2"))  # fmt: skip
        pairs = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in query.items())
        return "GET", f"/v1/queues/{self.queue()}/messages?{pairs}", None

    def ack(self) -> Request:
        identity, receipt = self.receipt()
        follow = [{"queue": self.queue(), **self.message()} for _ in range(self.random.randint(1, 3))]
        fields = self.fields(result=PAYLOADS)
        if self.often():
            fields["enqueue"] = follow
        return "POST", f"/v1/messages/{identity}/ack", {"receipt": receipt, **fields}

    def nack(self) -> Request:
        identity, receipt = self.receipt()
        errors = ("", "e", "\u00fc" * 4096)
        fields = self.fields(delay=self.seconds, priority=self.whole, error=errors, reject=(True, False))
        return "POST", f"/v1/messages/{identity}/nack", {"receipt": receipt, **fields}

    def extend(self) -> Request:
        identity, receipt = self.receipt()
        fields = self.fields(visibilityTimeout=self.seconds)
        return "POST", f"/v1/messages/{identity}/extend", {"receipt": receipt, **fields}

    def release(self) -> Request:
        identity, receipt = self.receipt()
        return "POST", f"/v1/messages/{identity}/release", {"receipt": receipt, **self.fields(delay=self.seconds)}

    def settle(self) -> Request:
        kinds = ("acks", "nacks", "extends", "releases")
        body: dict[str, list[dict[str, str]]] = {}
        for _ in range(self.random.randint(1, 5)):
            identity, receipt = self.receipt()
            body.setdefault(self.one(kinds), []).append({"id": identity, "receipt": receipt})
        return "POST", f"/v1/queues/{self.queue()}/settle", body

    def create_queue(self) -> Request:
        return "POST", "/v1/queues", {"name": self.one(QUEUES), "config": self.config()}

    def update_queue(self) -> Request:
        return "PATCH", f"/v1/queues/{self.queue()}", {"config": self.config()}

    def delete_queue(self) -> Request:
        return "DELETE", f"/v1/queues/{self.queue()}", None

    def purge(self) -> Request:
        return "POST", f"/v1/queues/{self.queue()}/purge", {}

    def pause(self) -> Request:
        return "POST", f"/v1/queues/{self.queue()}/pause", self.fields(enqueue=(True, False), receive=(True, False))

    def resume(self) -> Request:
        return "POST", f"/v1/queues/{self.queue()}/resume", self.fields(enqueue=(True, False), receive=(True, False))

    def create_group(self) -> Request:
        return "POST", f"/v1/queues/{self.queue()}/groups", {"name": self.one(GROUPS)}

    def delete_group(self) -> Request:
        return "DELETE", f"/v1/queues/{self.queue()}/groups/{self.one(GROUPS)}", None

    def change(self) -> Request:
        return "PATCH", f"/v1/messages/{self.one(self._ids)}", self.fields(delay=self.seconds, priority=self.whole)

    def delete_message(self) -> Request:
        return "DELETE", f"/v1/messages/{self.one(self._ids)}", None

    def look(self) -> Request:
        message, queue, group = f"/v1/messages/{self.one(self._ids)}", f"/v1/queues/{self.queue()}", self.one(GROUPS)
        paths = (message, f"{message}/explain", f"{message}/explain?group={group}", queue, f"{queue}/groups/{group}",
                 f"{queue}/peek?state=dead&reason={self.one(REASONS)}", "/v1/queues?prefix=q&limit=1",
                 f"{queue}/peek?state=blocked&orderingKey={quote(self.one(KEYS), safe='')}")  # fmt: skip
        return "GET", self.one(paths), None

    def filter(self) -> dict[str, Any]:
        return self.fields(state=("ready", "blocked", "delayed", "dead", "leased"), reason=REASONS, error=("e", ""),
                           olderThan=self.seconds, newerThan=self.seconds, metadata=({}, {"tenant": "a"}))  # fmt: skip

    def redrive(self) -> Request:
        body = self.fields(
            destination=QUEUES, rate=LIMITS[2:], max=self.whole, dryRun=(True, False), filter=self.filter
        )
        if "filter" not in body and self.often():
            body["ids"] = [self.one(self._ids) for _ in range(3)]
        return "POST", f"/v1/queues/{self.queue()}/redrive", body

    def sweep(self) -> Request:
        action = self.one(("cancel", {"delay": self.seconds()}, {"priority": self.whole()}))
        body = {"action": action, "filter": self.filter()}
        fields = self.fields(rate=LIMITS[2:], max=self.whole, dryRun=(True,))
        return "POST", f"/v1/queues/{self.queue()}/sweep", body | fields

    def of_sweep(self) -> Request:
        kind = self.one(("redrives", "sweeps"))
        return self.one(("GET", "GET", "DELETE")), f"/v1/{kind}/{quote(self.one(self._sweeps))}", None

    def leave(self) -> Request:
        path = f"/v1/queues/{self.queue()}/groups/{self.one(GROUPS)}/members/{quote(self.one(CONSUMERS), safe='')}"
        return self.one(("DELETE", "PUT")), path, None
