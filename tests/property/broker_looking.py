"""The server and the model side by side: what can be seen of both, at any time, is the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import orjson

from tests.property.broker_answers import AT, check_message, instant
from tests.property.broker_model import Broker
from tests.property.broker_state import Known, Message, Queue, Refused, Result, ms
from tests.property.in_process import InProcess, Reply

STATES = ("ready", "blocked", "delayed", "leased", "dead")
OF_QUEUE = ("paused", "queue_in_flight", "queue_rate_limit", "key_in_flight", "key_rate_limit")
EXPLAINED = ("dead", "leased", "delayed", "ordering_key", "behind", *OF_QUEUE)
STILL = {"backoff": {"initial": 1, "multiplier": 2, "max": 600, "jitter": 0}}
T = TypeVar("T")


class Looking:
    """See the module."""

    def __init__(self, queues_max: int) -> None:
        self.server = InProcess(queues_max=queues_max)
        self.model = Broker(self.server.now_ms, queues_max)

    def close(self) -> None:
        self.server.close()

    def ask(self, method: str, path: str, body: Any = None) -> Reply:
        """What is due happens before anything asked."""
        self.model.tick(self.server.now_ms)
        return self.server.call(method, path, body)

    def expect(self, reply: Reply, ask: Callable[[], T]) -> T | None:
        """What the model answers. None: both refuse, with the same code."""
        try:
            answer = ask()
        except Refused as refused:
            self.expect_code(reply, refused.code)
            return None
        assert reply.status < 300, (reply, answer)
        return answer

    def expect_code(self, reply: Reply, code: str) -> None:
        assert reply.code == code, (reply, code)

    def note_id(self, known: Known, identity: str) -> None:
        """An id is for ever, and ids sort by age."""
        if not known.id:
            known.id = identity
            self.model.by_id[identity] = known
            older = [other for other in self.model.by_id.values() if other.number < known.number]
            assert all(other.id < identity for other in older)
        assert known.id == identity

    # -- looking

    def peek(self, name: str, group: str, state: str, limit: int) -> None:
        shown: list[dict[str, Any]] = []
        after = ""
        while True:
            page = f"state={state}&limit={limit}&consumerGroup={group}{after}"
            reply = self.ask("GET", f"/v1/queues/{name}/peek?{page}")
            if self.expect(reply, lambda: self.model.group(name, group)) is None:
                return
            shown += reply.json["messages"]
            assert len(reply.json["messages"]) <= limit
            if reply.json["next"] is None:
                break
            after = f"&after={reply.json['next']}"
        expected = self.model.group(name, group).in_state(state)
        if state == "ready":
            levels = [said["priority"] for said in shown]
            assert levels == sorted(levels, reverse=True)
        if state in ("ready", "blocked"):  # key by key
            shown.sort(key=lambda said: str(said["id"]))
            expected.sort(key=lambda message: message.known.number)
        assert len(shown) == len(expected), (shown, expected)
        for message, said in zip(expected, shown, strict=True):
            self.note_id(message.known, said["id"])
            self.check_view(message, said)

    def check_all(self) -> None:
        """Every message by each way to it, and every id that is gone."""
        for group in (group for queue in self.model.queues.values() for group in queue.groups()):
            for state in STATES:
                self.peek(group.name, group.group, state, 100)
        for identity, known in self.model.by_id.items():
            reply = self.ask("GET", f"/v1/messages/{identity}")
            if known.held():
                self.check_view(known.held()[0], reply.json)
                self.check_explanation(known.held()[0])
            elif kept := known.kept(self.model.now_ms):
                assert (reply.status, reply.json["state"]) == (200, "done"), reply
                assert (reply.json["id"], reply.json["queue"]) == (identity, kept.queue.name)
                told = (reply.json["doneAt"], reply.json["resultExpiresAt"])
                assert told == (instant(kept.done_at_ms), instant(kept.expires_at_ms))
                self.check_kept(kept, reply.json)
                self.check_done(kept, identity)
            else:
                self.expect_code(reply, "message_not_found")
                self.expect_code(self.ask("GET", f"/v1/messages/{identity}/explain"), "message_not_found")
        self.check_hashes()

    def check_kept(self, kept: Result | None, said: dict[str, Any]) -> None:
        assert ("result" in said) == (kept is not None), (said, kept)
        assert kept is None or said["result"] == orjson.loads(kept.text)

    def check_done(self, kept: Result, identity: str) -> None:
        said = self.ask("GET", f"/v1/messages/{identity}/explain").json
        assert (said["queue"], said["state"], said["deliverable"]) == (kept.queue.name, "done", False), said
        [reason] = said["reasons"]
        told = (reason["code"], reason["doneAt"], reason["resultExpiresAt"])
        assert told == ("done", instant(kept.done_at_ms), instant(kept.expires_at_ms)), said

    def check_hashes(self) -> None:
        serving, replayed = self.server.hashes()
        assert serving == replayed, "the replay has another state"

    def check_counts(self) -> None:
        reply = self.ask("GET", "/v1/queues")
        assert [queue["name"] for queue in reply.json["queues"]] == sorted(self.model.queues)
        for said in reply.json["queues"]:
            self.check_queue(said)
            groups = self.model.queues[said["name"]].groups()
            if len(groups) > 1 or groups[0].members:
                self.check_groups(said["name"])

    def check_queue(self, said: dict[str, Any]) -> None:
        queue = self.model.queues[said["name"]]
        assert {name: said["config"][name] for name in queue.config} == queue.config
        assert (said["createdAt"], said["paused"]) == (instant(queue.created_at_ms), queue.paused)
        self.check_counted(queue, said)

    def check_groups(self, name: str) -> None:
        groups = self.ask("GET", f"/v1/queues/{name}/groups").json["groups"]
        expected = self.model.queue(name).groups()
        assert [said["name"] for said in groups] == [group.group for group in expected]
        for group, said in zip(expected, groups, strict=True):
            assert (said["queue"], said["createdAt"]) == (name, instant(group.created_at_ms))
            assert said["lag"] == sum(message.state in STATES[:3] for message in group.messages)
            self.check_counted(group, said)
            shown = {one["id"]: (one["lastSeenAt"], one["leased"]) for one in said["members"]}
            held = [message.holder for message in group.in_state("leased")]
            expected_members = {name: (instant(at_ms), held.count(name)) for name, at_ms in group.members.items()}
            assert shown == expected_members, (shown, expected_members)

    def check_counted(self, group: Queue, said: dict[str, Any]) -> None:
        counts = {state: len(group.in_state(state)) for state in STATES}
        assert {state: said["counts"][state] for state in STATES} == counts, said
        since_ms = [(message.at_ms, message.perhaps_ms or message.at_ms) for message in group.in_state("ready")]
        ages = [self.model.now_ms - min(map(which, since_ms), default=self.model.now_ms) for which in (max, min)]
        told = said["oldestReadyAge"]
        assert (told is None) == (not since_ms), said
        assert told is None or ages[0] <= ms(told) <= ages[1], (said, ages)

    def check_view(self, message: Message, said: dict[str, Any]) -> None:
        if message.perhaps_ms is not None and said.get("readyAt") == instant(message.perhaps_ms):
            message.at_ms = message.perhaps_ms
        at = {"state": message.state, AT[message.state]: instant(message.at_ms), "groups": message.known.groups()}
        own = {"maxRetries": message.max_retries, "backoff": message.backoff}
        self.check_message(message, said, own | at)

    def check_message(self, message: Message, said: dict[str, Any], more: dict[str, Any]) -> None:
        if message.death is not None:
            self.model.told_source(message.death, said["deadLetter"].get("sourceGroup", "default"))
            self.note_id(message.death.source.known, said["deadLetter"]["sourceId"])
        check_message(message, said, more)

    def check_explanation(self, message: Message) -> None:
        reply = self.ask("GET", f"/v1/messages/{message.known.id}/explain")
        expected = self.model.explain(message)
        # Which of two goes first that are ready since the same instant is not told, nor whose turn it is among keys.
        others = [other for other in message.queue.in_state("ready") if other is not message]
        is_unclear = any(
            other.at_ms == message.at_ms or other.in_lane()[1:] != message.in_lane()[1:] for other in others
        )
        # With members, those of other members' keys do not stand in its way.
        unclear = {"behind"} if is_unclear or message.queue.members else set()
        reasons = [reason["code"] for reason in reply.json["reasons"] if reason["code"] in EXPLAINED]
        assert set(reasons) - unclear == set(expected) - unclear, (reply, expected)
        if message.key is not None and message.queue.members:  # which member it sticks to, the server alone knows
            return
        assert reply.json["deliverable"] == (not set(expected) - {"behind"}), reply
