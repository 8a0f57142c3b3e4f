"""The server and the model side by side: how leases end and last, what time does, doubt."""

from __future__ import annotations

from typing import Any

import orjson

from hanzo_queues.server.journal.memory import AppendFault
from tests.property.broker_answers import body_of, instant
from tests.property.broker_receiving import Receipt, Receiving
from tests.property.broker_state import Known, Message, Refused
from tests.property.in_process import Reply


class Comparison(Receiving):
    """Each method asks both the same and compares what they say."""

    def ack(self, receipt: Receipt) -> None:
        reply = self.ask("POST", f"/v1/messages/{receipt.message.known.id}/ack", {"receipt": receipt.text})
        self._compare_settled(receipt, None, reply)

    def nack(self, receipt: Receipt, fields: dict[str, Any]) -> None:
        body = {"receipt": receipt.text, **fields}
        reply = self.ask("POST", f"/v1/messages/{receipt.message.known.id}/nack", body)
        self._compare_settled(receipt, fields, reply)

    def _check_returned(self, message: Message, result: tuple[str, Known | None], said: dict[str, Any]) -> None:
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

    def complete(self, receipt: Receipt, result: bytes | None, follow_ups: list[tuple[str, dict[str, Any]]]) -> None:
        """An ack that keeps a result and enqueues messages."""
        entries = [b'{"queue":"%b",' % name.encode() + body_of(message)[1:] for name, message in follow_ups]
        more = (b',"result":' + result if result is not None else b"") + b',"enqueue":[' + b",".join(entries) + b"]}"
        path = f"/v1/messages/{receipt.message.known.id}/ack"
        reply = self.ask("POST", path, b'{"receipt":"' + receipt.text.encode() + b'"' + more)
        try:
            already, accepted = self.model.complete(receipt.message, receipt.delivery, result, follow_ups)
        except Refused as refused:
            return self.expect_code(reply, refused.code)
        refusals = [outcome for outcome, message in accepted if message is None]
        assert (reply.status, reply.code) == ((409, "batch_aborted") if refusals else (200, "")), reply
        told = reply.json["results" if refusals else "enqueued"] if accepted else []
        for one, said in zip(accepted, told, strict=True):
            if already and one[1]:
                assert said["id"] == one[1].id, said
            else:
                self._check_accepted(one, said, with_kept=False)
        if not refusals:
            assert (reply.json["state"], reply.json["already"]) == ("acked", already)

    def release(self, receipt: Receipt, delay: float | None) -> None:
        body = {"receipt": receipt.text, **({} if delay is None else {"delay": delay})}
        reply = self.ask("POST", f"/v1/messages/{receipt.message.known.id}/release", body)
        message = receipt.message
        result = self.expect(reply, lambda: self.model.release(message, receipt.delivery, delay or 0))
        if result is not None:
            self._check_returned(message, result, reply.json)

    def settle(self, name: str, acks: list[int], **others: list[tuple[int, Any]]) -> None:
        def entry(which: int, **fields: Any) -> dict[str, Any]:
            receipt = self.receipt(which)
            return {"id": receipt.message.known.id, "receipt": receipt.text, **fields}

        body: dict[str, list[Any]] = {
            "acks": [entry(which) for which in acks],
            "nacks": [entry(which, **fields) for which, fields in others["nacks"]],
            "extends": [entry(which, visibilityTimeout=timeout or 1) for which, timeout in others["extends"]],
            "releases": [entry(which, delay=delay or 0) for which, delay in others["releases"]],
        }
        reply = self.ask("POST", f"/v1/queues/{name}/settle", body)
        if not any(body.values()):
            return self.expect_code(reply, "request_invalid")
        if name not in self.model.queues:
            return self.expect_code(reply, "queue_not_found")
        assert reply.status == 200, reply
        failed = 0
        asked: dict[str, list[tuple[int, Any]]] = {"acks": [(which, None) for which in acks], **others}
        for kind in body:
            for (which, fields), said in zip(asked[kind], reply.json[kind], strict=True):
                failed += self._compare_entry(name, kind, self.receipt(which), fields, said)
        assert reply.json["failed"] == failed

    def _compare_entry(self, name: str, kind: str, receipt: Receipt, fields: Any, said: dict[str, Any]) -> bool:
        message = receipt.message
        try:
            if message.state != "gone" and message.queue.name != name:
                raise Refused("receipt_invalid")
            if kind == "acks":
                expected: dict[str, Any] = {"state": "acked", "already": self.model.ack(message, receipt.delivery)}
                self._check_followed(receipt, said)
            elif kind == "releases":
                self._check_returned(message, self.model.release(message, receipt.delivery, fields or 0), said)
                return False
            elif kind == "nacks":
                self._check_returned(message, self.model.nack(message, receipt.delivery, fields), said)
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
            for verb in ("ack", "nack", "extend", "release"):
                reply = self.ask("POST", f"/v1/messages/{receipt.message.known.id}/{verb}", {"receipt": text})
                self.expect_code(reply, "receipt_invalid")

    # -- time, doubt

    def advance(self, now_ms: int) -> None:
        self.server.now_ms = now_ms
        for _ in range(2):  # what comes back with the end of a session may have expired meanwhile
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
            self._check_followed(receipt, reply.json)
            assert reply.json == {"state": "acked", "already": result}
        elif result is not None:
            self._check_returned(receipt.message, result, reply.json)

    def _check_followed(self, receipt: Receipt, said: dict[str, Any]) -> None:
        """What an earlier ack enqueued is told again."""
        followed = self.model.followed.get((receipt.message, receipt.delivery), [])
        told = [one["id"] for one in said.pop("enqueued", [])]
        assert told == [known.id for known, _ in followed], said

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
