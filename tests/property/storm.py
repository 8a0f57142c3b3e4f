"""A storm: every verb at random, on few names, with values that are extreme more often than not, while time jumps, the
wall clock is set forward and back, the server restarts and appends get lost. No model: what must hold whatever happens
is checked.

Never a 5xx but for lost appends; the state that serves is the one that replay gives; counts are what is there; and what
is there can be drained.
"""

from __future__ import annotations

import random
from typing import Any

from hanzo_queues.server.journal.memory import AppendFault
from tests.property.in_process import InProcess, Reply
from tests.property.storm_requests import QUEUES, Request, Requests

STATES = ("ready", "blocked", "delayed", "leased", "dead")
KEPT = 30
LONGEST_MS = 4000 * 86_400_000
"""Longer than any delay, lease and time to live."""
ROUNDS_MAX = 12
"""A lease that ends, or a sweep that goes on, gives a message another delay."""
JUMPS_MS = (0, 1, 1, 1000, 30_000, 3_600_000, 86_400_000)
SKEWS_MS = (0, 0, -1, -3_600_000, -40 * 86_400_000, 1, 300_000, 600_001, 40 * 86_400_000)
"""How far the wall clock is off: made up for bit by bit, and followed at once when it is far ahead."""


class Storm:
    """One server and everything it told, by seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.server = InProcess()
        self.requests = Requests(self.random)
        self.said: list[str] = []
        self.doubtful = False

    def run(self, turns: int) -> None:
        for name in QUEUES[:2]:
            self.ask(("POST", "/v1/queues", {"name": name}))
        for turn in range(turns):
            self.turn()
            if turn % 20 == 0:
                self.check()
        self.check()
        self.drain()

    def turn(self) -> None:
        chance = self.random.random()
        if chance < 0.01:
            self.server.restart()
        elif chance < 0.06:
            self.server.now_ms += self.random.choice(JUMPS_MS)
        elif chance < 0.08:
            self.server.store.faults.append(self.random.choice(list(AppendFault)))
            self.doubtful = True
        elif chance < 0.1:
            self.server.skew_ms = self.random.choice(SKEWS_MS)
        self.ask(self.requests.any())

    def ask(self, request: Request) -> Reply:
        method, path, body = request
        reply = self.server.call(method, path, body)
        self.said = [*self.said[-KEPT:], f"{method} {path} {body} -> {reply.status} {reply.text[:300]!r}"]
        self.requests.learn(reply.json)
        if reply.status >= 500:
            assert reply.code in ("journal_unavailable", "partition_recovering")
            assert self.doubtful
        return reply

    def settle_down(self) -> None:
        """No append fails any more, and what was late has come."""
        self.server.store.faults.clear()
        for _ in range(3):
            self.ask(("GET", "/v1/queues", None))
        if self.server.store.deliver_late():
            self.server.restart()  # it landed behind the fence, where replay passes it over and the next append fails
        self.doubtful = False

    def check(self) -> None:
        self.settle_down()
        serving, replayed = self.server.hashes()
        assert serving == replayed, "the replay has another state"
        for queue in self.ask(("GET", "/v1/queues?limit=1000", None)).json["queues"]:
            for group in self.groups(queue["name"]):
                self.check_group(queue["name"], group)

    def check_group(self, queue: str, group: dict[str, Any]) -> None:
        seen: set[str] = set()
        for state in STATES:
            messages = self.peeked(queue, group["name"], state)
            assert len(messages) == group["counts"][state], (queue, group, state)
            for message in messages:
                assert message["state"] == state
                assert message["attempts"] <= message["deliveries"], message
                assert message["id"] not in seen
                seen.add(message["id"])

    def groups(self, queue: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask(("GET", f"/v1/queues/{queue}/groups", None)).json["groups"]
        return found

    def peeked(self, queue: str, group: str, state: str) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = []
        after = ""
        while True:
            path = f"/v1/queues/{queue}/peek?state={state}&consumerGroup={group}&limit=50{after}"
            page = self.ask(("GET", path, None)).json
            messages += page["messages"]
            if page["next"] is None:
                return messages
            after = f"&after={page['next']}"

    def drain(self) -> None:
        """With every limit gone and time enough each message is handed out once more, or dead: nothing else is left."""
        config: dict[str, Any] = {
            "rateLimit": None, "consumerRateLimit": None, "keyRateLimit": None, "maxInFlight": None, "fairness": {},
            "deadRetention": None, "visibilityTimeout": 43_200, "deadLetterQueue": None,
        }  # fmt: skip
        self.server.skew_ms = 0
        names = [queue["name"] for queue in self.ask(("GET", "/v1/queues?limit=1000", None)).json["queues"]]
        for name in names:
            assert self.ask(("PATCH", f"/v1/queues/{name}", {"config": config})).status == 200
            assert self.ask(("POST", f"/v1/queues/{name}/resume", {})).status == 200
        for _ in range(ROUNDS_MAX):
            self.server.now_ms += LONGEST_MS
            groups = [(name, group["name"]) for name in names for group in self.groups(name)]
            for name, group in groups:
                self.drain_group(name, group)
            left = [group for name in names for group in self.groups(name)]
            if all(sum(group["counts"].values()) == group["counts"]["dead"] for group in left):
                break
        else:
            raise AssertionError(f"these can't be drained: {left}")
        self.check()

    def drain_group(self, name: str, group: str) -> None:
        seen: set[str] = set()
        # With consumers of the storm gone, a message of whatever key goes to whoever asks.
        while True:
            path = f"/v1/queues/{name}/messages?consumerGroup={group}&maxMessages=7"
            messages = self.ask(("GET", path, None)).json["messages"]
            if not messages:
                return
            for message in messages:
                assert message["id"] not in seen
                seen.add(message["id"])
                ack = ("POST", f"/v1/messages/{message['id']}/ack", {"receipt": message["receipt"]})
                assert self.ask(ack).json["already"] is False
