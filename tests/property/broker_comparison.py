"""The server and the model side by side: enqueuing, receiving, settling, doubt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from hanzo_queues.server.journal.memory import AppendFault
from tests.property.broker_answers import body_of, instant
from tests.property.broker_managing import Managing
from tests.property.broker_model import Accepted
from tests.property.broker_state import Known, Message, Queue, Refused
from tests.property.in_process import Reply


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a consumer holds."""

    message: Message
    delivery: int
    text: str


class Comparison(Managing):
    """Each method asks both the same and compares what they say. `receipts`: of every lease that a consumer saw."""

    def __init__(self, queues_max: int) -> None:
        super().__init__(queues_max)
        self.receipts: list[Receipt] = []

    def receipt(self, which: int) -> Receipt:
        """One of the last ones, 0 being the last."""
        return self.receipts[-1 - which % len(self.receipts)]

    # -- messages

    def enqueue(self, name: str, message: dict[str, Any]) -> None:
        reply = self.ask("POST", f"/v1/queues/{name}/messages", body_of(message))
        self._compare_enqueued(name, message, reply)

    def _compare_enqueued(self, name: str, message: dict[str, Any], reply: Reply) -> None:
        results = self.expect(reply, lambda: self._single(name, message))
        if results is not None:
            self._check_accepted(results[0], reply.json)
            assert reply.status == (200 if results[0][0] == "duplicate" else 201)

    def _single(self, name: str, message: dict[str, Any]) -> list[Accepted]:
        results = self.model.enqueue(name, [message], atomic=False)
        if results[0][1] is None:
            raise Refused(results[0][0])
        return results

    def enqueue_batch(self, name: str, batch: list[dict[str, Any]], atomic: bool) -> None:
        bodies = b",".join(body_of(message) for message in batch)
        body = b'{"messages":[' + bodies + b'],"atomic":' + (b"true}" if atomic else b"false}")
        reply = self.ask("POST", f"/v1/queues/{name}/messages/batch", body)
        if name not in self.model.queues:
            return self.expect_code(reply, "queue_not_found")
        results = self.model.enqueue(name, batch, atomic)
        refused = [outcome for outcome, message in results if message is None]
        assert (reply.status, reply.code) == ((409, "batch_aborted") if atomic and refused else (200, "")), reply
        assert len(reply.json["results"]) == len(results)
        assert reply.json["failed"] == len(refused)
        for result, said in zip(results, reply.json["results"], strict=True):
            self._check_accepted(result, said)

    def _check_accepted(self, result: Accepted, said: dict[str, Any]) -> None:
        outcome, message = result
        if message is None:
            assert said["error"]["code"] == outcome, said
            return
        assert said["duplicate"] == (outcome == "duplicate"), said
        if outcome != "duplicate":
            assert said["state"] == outcome, said
        self.note_id(message, said["id"])

    # -- receive

    def receive(self, name: str, group: str, count: int, timeout: float | None) -> None:
        query = f"?consumerGroup={group}&maxMessages={count}"
        query += "" if timeout is None else f"&visibilityTimeout={timeout}"
        reply = self.ask("GET", f"/v1/queues/{name}/messages{query}")
        queue = self.expect(reply, lambda: self.model.group(name, group))
        if queue is not None:
            self._compare_received(queue, count, timeout, reply)

    def receive_waiting(self, name: str, message: dict[str, Any], resume: bool) -> None:
        """A long poll that the enqueue of a message ends, or the resume of its queue; unless it need not wait."""
        queue = self.model.queues.get(name)
        path = f"/v1/queues/{name}/messages"
        if resume:
            self.pause(name, {})
        if queue is None or (not resume and not self._is_open_and_empty(queue)):
            return self.receive(name, "default", 1, None)
        self.ask("GET", "/v1/queues?limit=1")
        if not resume:
            poll, enqueued = self.server.waits_for(f"{path}?waitTime=30", "POST", path, body_of(message))
            self._compare_enqueued(name, message, enqueued)
            return self._compare_received(queue, 1, None, poll)
        if self.model.receivable_when_resumed(queue):
            poll, resumed = self.server.waits_for(f"{path}?waitTime=30", "POST", f"/v1/queues/{name}/resume", {})
            self.model.resume(name, enqueue=True, receive=True)
            self.check_queue(resumed.json)
            self._compare_received(queue, 1, None, poll)

    def _is_open_and_empty(self, queue: Queue) -> bool:
        limits = ("rateLimit", "maxMessages", "maxInFlight", "delay")
        limited = any(queue.config[name] for name in limits) or any(queue.paused.values())
        return not limited and not queue.in_state("ready")

    def _compare_received(self, queue: Queue, count: int, timeout: float | None, reply: Reply) -> None:
        count = self.model.receivable(queue, count)
        for said in reply.json["messages"]:
            message = self._one_of(self.model.next_in_line(queue), said["id"])
            self.model.lease(message, timeout)
            count -= 1
            self.check_message(message, said, {"leasedUntil": instant(message.at_ms)})
            self.receipts.append(Receipt(message, message.deliveries, said["receipt"]))
        assert count == 0 or (count > 0 and not self.model.next_in_line(queue)), reply
        if not reply.json["messages"]:
            limited_by, retry_after_ms = self.model.limited_by(queue)
            assert reply.json.get("limitedBy") == limited_by, (reply, limited_by)
            said_ms = round(reply.json["retryAfter"] * 1000) if "retryAfter" in reply.json else None
            assert said_ms == retry_after_ms, (reply, retry_after_ms)

    def _one_of(self, permitted: list[Message], identity: str) -> Message:
        for message in permitted:
            if not message.known.id or message.known.id == identity:
                self.note_id(message.known, identity)
                return message
        raise AssertionError(f"{identity} is not one of {[message.known.id for message in permitted]}")

    # -- settle

    def ack(self, receipt: Receipt) -> None:
        reply = self.ask("POST", f"/v1/messages/{receipt.message.known.id}/ack", {"receipt": receipt.text})
        self._compare_settled(receipt, None, reply)

    def nack(self, receipt: Receipt, fields: dict[str, Any]) -> None:
        body = {"receipt": receipt.text, **fields}
        reply = self.ask("POST", f"/v1/messages/{receipt.message.known.id}/nack", body)
        self._compare_settled(receipt, fields, reply)

    def _check_nacked(self, message: Message, result: tuple[str, Known | None], said: dict[str, Any]) -> None:
        state, letter = result
        assert said["state"] == state, said
        assert said.get("dueAt") == (instant(message.at_ms) if state in ("ready", "delayed") else None)
        assert ("deadLetterId" in said) == (letter is not None)
        if letter is not None:
            self.note_id(letter, said["deadLetterId"])

    def extend(self, receipt: Receipt, timeout: float | None) -> None:
        body = {"receipt": receipt.text, **({} if timeout is None else {"visibilityTimeout": timeout})}
        reply = self.ask("POST", f"/v1/messages/{receipt.message.known.id}/extend", body)
        until_ms = self.expect(reply, lambda: self.model.extend(receipt.message, receipt.delivery, timeout))
        assert until_ms is None or reply.json == {"leasedUntil": instant(until_ms)}

    def settle(self, name: str, acks: list[int], nacks: list[tuple[int, Any]], extends: list[tuple[int, Any]]) -> None:
        def entry(which: int, **fields: Any) -> dict[str, Any]:
            receipt = self.receipt(which)
            return {"id": receipt.message.known.id, "receipt": receipt.text, **fields}

        body = {
            "acks": [entry(which) for which in acks],
            "nacks": [entry(which, **fields) for which, fields in nacks],
            "extends": [entry(which, visibilityTimeout=timeout or 1) for which, timeout in extends],
        }
        reply = self.ask("POST", f"/v1/queues/{name}/settle", body)
        if not any(body.values()):
            return self.expect_code(reply, "request_invalid")
        if name not in self.model.queues:
            return self.expect_code(reply, "queue_not_found")
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
                self._check_nacked(message, self.model.nack(receipt.message, receipt.delivery, fields), said)
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
        for text in ([other.text] if other.message.known is not receipt.message.known else []) + [changed]:
            for verb in ("ack", "nack", "extend"):
                reply = self.ask("POST", f"/v1/messages/{receipt.message.known.id}/{verb}", {"receipt": text})
                self.expect_code(reply, "receipt_invalid")

    # -- time, doubt

    def advance(self, now_ms: int) -> None:
        self.server.now_ms = now_ms
        assert self.ask("GET", "/v1/queues?limit=1").status == 200

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
        reply = self._faulty(fault, f"/v1/messages/{receipt.message.known.id}/{verb}", orjson.dumps(body))
        if reply.status < 500:
            return self._compare_settled(receipt, fields, reply)
        if fault is AppendFault.ACK_LOST:
            self._settle_model(receipt, fields)
        self.model.fence()
        self.check_counts()
        if fields is None:
            self.ack(receipt)
        else:
            self.nack(receipt, fields)

    def _settle_model(self, receipt: Receipt, fields: dict[str, Any] | None) -> Any:
        if fields is None:
            return self.model.ack(receipt.message, receipt.delivery)
        return self.model.nack(receipt.message, receipt.delivery, fields)

    def _compare_settled(self, receipt: Receipt, fields: dict[str, Any] | None, reply: Reply) -> None:
        result = self.expect(reply, lambda: self._settle_model(receipt, fields))
        if result is not None and fields is None:
            assert reply.json == {"state": "acked", "already": result}
        elif result is not None:
            self._check_nacked(receipt.message, result, reply.json)

    def _faulty(self, fault: AppendFault, path: str, body: bytes) -> Reply:
        store = self.server.store
        self.advance(self.model.now_ms)  # what a deleted queue left is taken away: the append that fails is this one's
        self.advance(self.model.now_ms)
        store.faults.append(fault)
        reply = self.ask("POST", path, body)
        store.faults.clear()
        if reply.status >= 500:
            assert reply.code == "journal_unavailable", reply
            assert reply.json["outcome"] == ("none" if fault is AppendFault.REFUSED else "unknown")
            self.ask("GET", "/v1/queues?limit=1")
            store.deliver_late()
        return reply
