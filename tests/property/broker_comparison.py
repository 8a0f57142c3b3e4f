"""The server and the model side by side: each method asks both the same and compares what they say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from hanzo_queues.server.journal.memory import AppendFault
from tests.property.broker_answers import AT, body_of, check_message, instant
from tests.property.broker_model import Broker, Refused
from tests.property.broker_state import Message
from tests.property.in_process import InProcess, Reply

STATES = ("ready", "blocked", "delayed", "leased", "dead")
STILL = {"backoff": {"initial": 1, "multiplier": 2, "max": 600, "jitter": 0}}


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a consumer holds."""

    message: Message
    delivery: int
    text: str


class Comparison:
    """See the module. `receipts`: of every lease that a consumer saw."""

    def __init__(self, queues_max: int) -> None:
        self.server = InProcess(queues_max=queues_max)
        self.model = Broker(self.server.now_ms, queues_max)
        self.receipts: list[Receipt] = []

    def close(self) -> None:
        self.server.close()

    def receipt(self, which: int) -> Receipt:
        """One of the last ones, 0 being the last."""
        return self.receipts[-1 - which % len(self.receipts)]

    def _call(self, method: str, path: str, body: Any = None) -> Reply:
        """What is due happens before anything asked."""
        self.model.tick(self.server.now_ms)
        return self.server.call(method, path, body)

    # -- queues

    def create(self, name: str, config: dict[str, Any]) -> None:
        reply = self._call("POST", "/v1/queues", {"name": name, "config": config})
        created = self._expect(reply, lambda: self.model.create(name, config))
        if created is not None:
            assert reply.status == (201 if created else 200)
            self._check_queue(reply.json)

    def update(self, name: str, config: dict[str, Any]) -> None:
        reply = self._call("PATCH", f"/v1/queues/{name}", {"config": config})
        self._expect(reply, lambda: self.model.update(name, config))
        if reply.status == 200:
            self._check_queue(reply.json)

    def delete(self, name: str) -> None:
        reply = self._call("DELETE", f"/v1/queues/{name}")
        count = self._expect(reply, lambda: self.model.delete(name))
        assert count is None or reply.json == {"messages": count}

    # -- messages

    def enqueue(self, name: str, message: dict[str, Any]) -> None:
        reply = self._call("POST", f"/v1/queues/{name}/messages", body_of(message))
        self._compare_enqueued(name, message, reply)

    def _compare_enqueued(self, name: str, message: dict[str, Any], reply: Reply) -> None:
        results = self._expect(reply, lambda: self._single(name, message))
        if results is not None:
            self._check_accepted(results[0], reply.json)
            assert reply.status == (200 if results[0][0] == "duplicate" else 201)

    def _single(self, name: str, message: dict[str, Any]) -> list[tuple[str, Message | None]]:
        results = self.model.enqueue(name, [message], atomic=False)
        if results[0][1] is None:
            raise Refused(results[0][0])
        return results

    def enqueue_batch(self, name: str, batch: list[dict[str, Any]], atomic: bool) -> None:
        bodies = b",".join(body_of(message) for message in batch)
        body = b'{"messages":[' + bodies + b'],"atomic":' + (b"true}" if atomic else b"false}")
        reply = self._call("POST", f"/v1/queues/{name}/messages/batch", body)
        if name not in self.model.queues:
            return self._expect_code(reply, "queue_not_found")
        results = self.model.enqueue(name, batch, atomic)
        refused = [outcome for outcome, message in results if message is None]
        assert (reply.status, reply.code) == ((409, "batch_aborted") if atomic and refused else (200, "")), reply
        assert len(reply.json["results"]) == len(results)
        assert reply.json["failed"] == len(refused)
        for result, said in zip(results, reply.json["results"], strict=True):
            self._check_accepted(result, said)

    def _check_accepted(self, result: tuple[str, Message | None], said: dict[str, Any]) -> None:
        outcome, message = result
        if message is None:
            assert said["error"]["code"] == outcome, said
            return
        assert said["duplicate"] == (outcome == "duplicate"), said
        if outcome != "duplicate":
            assert said["state"] == outcome, said
        self._note_id(message, said["id"])

    def _note_id(self, message: Message, identity: str) -> None:
        """An id is for ever, and ids sort by age."""
        if not message.id:
            message.id = identity
            self.model.by_id[identity] = message
            older = max((known for known in self.model.by_id.values() if known.number < message.number),
                        key=lambda known: known.number, default=None)  # fmt: skip
            assert older is None or older.id < identity
        assert message.id == identity

    # -- receive

    def receive(self, name: str, count: int, timeout: float | None) -> None:
        query = f"?maxMessages={count}" + ("" if timeout is None else f"&visibilityTimeout={timeout}")
        self._compare_received(name, count, timeout, self._call("GET", f"/v1/queues/{name}/messages{query}"))

    def receive_waiting(self, name: str, message: dict[str, Any]) -> None:
        """A long poll that the enqueue of a message ends, unless something is there already."""
        queue = self.model.queues.get(name)
        path = f"/v1/queues/{name}/messages"
        if queue is None or queue.config["rateLimit"] or queue.config["deadLetterQueue"] == name:
            return
        if self.model.next_in_line(name):
            return self.receive(name, 1, None)
        poll, enqueued = self.server.waits_for(f"{path}?waitTime=30", "POST", path, body_of(message))
        self._compare_enqueued(name, message, enqueued)
        self._compare_received(name, 1, None, poll)

    def _compare_received(self, name: str, count: int, timeout: float | None, reply: Reply) -> None:
        count = self._expect(reply, lambda: self.model.receivable(name, count)) or 0
        for said in reply.json.get("messages", ()):
            message = self._one_of(self.model.next_in_line(name), said["id"])
            self.model.lease(message, timeout)
            count -= 1
            self._check_message(message, said, {"leasedUntil": instant(message.at_ms)})
            self.receipts.append(Receipt(message, message.deliveries, said["receipt"]))
        if reply.status == 200:
            assert count == 0 or (count > 0 and not self.model.next_in_line(name)), reply
            if not reply.json["messages"]:
                retry_after_ms = self.model.retry_after_ms(name)
                assert reply.json.get("limitedBy") == (None if retry_after_ms is None else "queue")
                assert retry_after_ms is None or round(reply.json["retryAfter"] * 1000) == retry_after_ms

    def _one_of(self, permitted: list[Message], identity: str) -> Message:
        for message in permitted:
            if not message.id or message.id == identity:
                self._note_id(message, identity)
                return message
        raise AssertionError(f"{identity} is not one of {[message.id for message in permitted]}")

    # -- settle

    def ack(self, receipt: Receipt) -> None:
        reply = self._call("POST", f"/v1/messages/{receipt.message.id}/ack", {"receipt": receipt.text})
        already = self._expect(reply, lambda: self.model.ack(receipt.message, receipt.delivery))
        assert already is None or reply.json == {"state": "acked", "already": already}

    def nack(self, receipt: Receipt, fields: dict[str, Any]) -> None:
        body = {"receipt": receipt.text, **fields}
        reply = self._call("POST", f"/v1/messages/{receipt.message.id}/nack", body)
        result = self._expect(reply, lambda: self._model_nack(receipt, fields))
        if result is not None:
            self._check_nacked(receipt.message, result, reply.json)

    def _model_nack(self, receipt: Receipt, fields: dict[str, Any]) -> tuple[str, Message | None]:
        return self.model.nack(
            receipt.message, receipt.delivery, fields.get("delay"), fields.get("priority"),
            fields.get("error", ""), fields.get("reject", False),
        )  # fmt: skip

    def _check_nacked(self, message: Message, result: tuple[str, Message | None], said: dict[str, Any]) -> None:
        state, letter = result
        assert said["state"] == state, said
        assert said.get("dueAt") == (instant(message.at_ms) if state in ("ready", "delayed") else None)
        assert ("deadLetterId" in said) == (letter is not None)
        if letter is not None:
            self._note_id(letter, said["deadLetterId"])

    def extend(self, receipt: Receipt, timeout: float | None) -> None:
        body = {"receipt": receipt.text, **({} if timeout is None else {"visibilityTimeout": timeout})}
        reply = self._call("POST", f"/v1/messages/{receipt.message.id}/extend", body)
        until_ms = self._expect(reply, lambda: self.model.extend(receipt.message, receipt.delivery, timeout))
        assert until_ms is None or reply.json == {"leasedUntil": instant(until_ms)}

    def settle(self, name: str, acks: list[int], nacks: list[tuple[int, Any]], extends: list[tuple[int, Any]]) -> None:
        def entry(which: int, **fields: Any) -> dict[str, Any]:
            receipt = self.receipt(which)
            return {"id": receipt.message.id, "receipt": receipt.text, **fields}

        body = {
            "acks": [entry(which) for which in acks],
            "nacks": [entry(which, **fields) for which, fields in nacks],
            "extends": [entry(which, visibilityTimeout=timeout or 1) for which, timeout in extends],
        }
        reply = self._call("POST", f"/v1/queues/{name}/settle", body)
        if not any(body.values()):
            return self._expect_code(reply, "request_invalid")
        if name not in self.model.queues:
            return self._expect_code(reply, "queue_not_found")
        assert reply.status == 200, reply
        failed = 0
        for (kind, which, fields), said in zip(
            [*(("ack", which, None) for which in acks), *(("nack", *one) for one in nacks),
             *(("extend", *one) for one in extends)],
            [*reply.json["acks"], *reply.json["nacks"], *reply.json["extends"]], strict=True,
        ):  # fmt: skip
            failed += self._compare_entry(name, kind, self.receipt(which), fields, said)
        assert reply.json["failed"] == failed

    def _compare_entry(self, name: str, kind: str, receipt: Receipt, fields: Any, said: dict[str, Any]) -> bool:
        message = receipt.message
        try:
            if message.state != "gone" and message.queue.name != name:
                raise Refused("receipt_invalid")
            if kind == "ack":
                expected = {"state": "acked", "already": self.model.ack(message, receipt.delivery)}
            elif kind == "nack":
                self._check_nacked(message, self._model_nack(receipt, fields), said)
                return False
            else:
                expected = {"leasedUntil": instant(self.model.extend(message, receipt.delivery, fields or 1))}
        except Refused as refused:
            expected = {"error": {**said.get("error", {}), "code": refused.code}}
        assert said == expected
        return "error" in expected

    def settle_with_another(self, receipt: Receipt, other: Receipt) -> None:
        """A receipt is worth nothing for another message, nor when it was changed."""
        changed = other.text[:5] + ("A" if other.text[5] != "A" else "B") + other.text[6:]
        for text in ([other.text] if other.message is not receipt.message else []) + [changed]:
            for verb in ("ack", "nack", "extend"):
                reply = self._call("POST", f"/v1/messages/{receipt.message.id}/{verb}", {"receipt": text})
                self._expect_code(reply, "receipt_invalid")

    # -- time, doubt

    def advance(self, now_ms: int) -> None:
        self.server.now_ms = now_ms
        assert self._call("GET", "/v1/queues?limit=1").status == 200

    def restart(self) -> None:
        self.check_hashes()
        self.server.restart()
        self.model.fence()
        self.check_all()

    def enqueue_in_doubt(self, fault: AppendFault, name: str, message: dict[str, Any]) -> None:
        """Its answer is lost, or it is: with a dedup id it is asked again, and is there once."""
        message = {**message, "dedupId": message.get("dedupId", "in doubt")}
        path = f"/v1/queues/{name}/messages"
        reply = self._faulty(fault, path, body_of(message))
        if reply.status < 500:
            return self._compare_enqueued(name, message, reply)
        if fault is AppendFault.ACK_LOST:
            self._single(name, message)
        self.model.fence()
        self.check_counts()
        self.enqueue(name, message)

    def settle_in_doubt(self, fault: AppendFault, receipt: Receipt, fields: dict[str, Any] | None) -> None:
        """Repeating an ack or a nack with its receipt is safe."""
        verb = "ack" if fields is None else "nack"
        body = {"receipt": receipt.text, **(fields or {})}
        reply = self._faulty(fault, f"/v1/messages/{receipt.message.id}/{verb}", orjson.dumps(body))
        if reply.status >= 500:
            if fault is AppendFault.ACK_LOST:
                if fields is None:
                    self.model.ack(receipt.message, receipt.delivery)
                else:
                    self._model_nack(receipt, fields)
            self.model.fence()
            self.check_counts()
        elif fields is None:
            already = self._expect(reply, lambda: self.model.ack(receipt.message, receipt.delivery))
            assert already is None or reply.json["already"] == already
            return
        else:
            result = self._expect(reply, lambda: self._model_nack(receipt, fields))
            if result is not None:
                self._check_nacked(receipt.message, result, reply.json)
            return
        if fields is None:
            self.ack(receipt)
        else:
            self.nack(receipt, fields)

    def _faulty(self, fault: AppendFault, path: str, body: bytes) -> Reply:
        store = self.server.store
        self.advance(self.model.now_ms)  # what a deleted queue left is taken away: the append that fails is this one's
        self.advance(self.model.now_ms)
        store.faults.append(fault)
        reply = self._call("POST", path, body)
        store.faults.clear()
        if reply.status >= 500:
            assert reply.code == "journal_unavailable", reply
            assert reply.json["outcome"] == ("none" if fault is AppendFault.REFUSED else "unknown")
            self._call("GET", "/v1/queues?limit=1")
            store.deliver_late()
        return reply

    # -- looking

    def peek(self, name: str, state: str, limit: int) -> None:
        shown: list[dict[str, Any]] = []
        after = ""
        while True:
            reply = self._call("GET", f"/v1/queues/{name}/peek?state={state}&limit={limit}{after}")
            if self._expect(reply, lambda: self.model.queue(name)) is None:
                return
            shown += reply.json["messages"]
            assert len(reply.json["messages"]) <= limit
            if reply.json["next"] is None:
                break
            after = f"&after={reply.json['next']}"
        expected = self.model.queue(name).in_state(state)
        assert len(shown) == len(expected)
        for message, said in zip(expected, shown, strict=True):
            self._note_id(message, said["id"])
            self._check_view(message, said)

    def check_all(self) -> None:
        """Every message by each way to it, and every id that is gone."""
        for name in self.model.queues:
            for state in ("ready", "delayed", "leased", "dead"):
                self.peek(name, state, 100)
        for identity, message in self.model.by_id.items():
            reply = self._call("GET", f"/v1/messages/{identity}")
            if message.state == "gone":
                self._expect_code(reply, "message_not_found")
            else:
                self._check_view(message, reply.json)
        self.check_hashes()

    def check_hashes(self) -> None:
        serving, replayed = self.server.hashes()
        assert serving == replayed

    def check_counts(self) -> None:
        reply = self._call("GET", "/v1/queues")
        assert [queue["name"] for queue in reply.json["queues"]] == sorted(self.model.queues)
        for queue in reply.json["queues"]:
            self._check_queue(queue)
        for name, queue in list(self.model.queues.items()):
            if queue.config["backoff"]["jitter"]:
                self.update(name, STILL)

    def _check_queue(self, said: dict[str, Any]) -> None:
        queue = self.model.queues[said["name"]]
        assert {name: said["config"][name] for name in queue.config} == queue.config
        assert said["createdAt"] == instant(queue.created_at_ms)
        counts = {state: sum(message.state == state for message in queue.messages) for state in STATES}
        assert {state: said["counts"][state] for state in STATES} == counts, said

    def _check_view(self, message: Message, said: dict[str, Any]) -> None:
        self._check_message(message, said, {"state": message.state, AT[message.state]: instant(message.at_ms)})

    def _check_message(self, message: Message, said: dict[str, Any], more: dict[str, Any]) -> None:
        death = message.death
        if death is not None and not death.source.id:
            self._note_id(death.source, said["deadLetter"]["sourceId"])
        check_message(message, said, more)

    # -- refusals

    def _expect(self, reply: Reply, ask: Any) -> Any:
        """What the model answers. None: both refuse, with the same code."""
        try:
            answer = ask()
        except Refused as refused:
            self._expect_code(reply, refused.code)
            return None
        assert reply.status < 300, (reply, answer)
        return answer

    def _expect_code(self, reply: Reply, code: str) -> None:
        assert reply.code == code, (reply, code)
