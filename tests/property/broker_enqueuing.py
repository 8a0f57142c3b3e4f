"""The server and the model side by side: messages that are accepted, are there already, or are refused."""

from __future__ import annotations

from typing import Any

from tests.property.broker_answers import body_of
from tests.property.broker_managing import Managing
from tests.property.broker_model import Accepted
from tests.property.broker_state import Refused
from tests.property.in_process import Reply


class Enqueuing(Managing):
    """Each method asks both the same and compares what they say."""

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

    def _check_accepted(self, result: Accepted, said: dict[str, Any], *, with_kept: bool = True) -> None:
        """`with_kept`: a duplicate is told the first one's result."""
        outcome, message = result
        if message is None:
            assert said["error"]["code"] == outcome, said
            return
        assert said["duplicate"] == (outcome == "duplicate"), said
        self.note_id(message, said["id"])
        kept = message.kept(self.model.now_ms) if outcome == "duplicate" and with_kept else None
        assert said["state"] == (message.state() if outcome == "duplicate" else outcome), said
        self.check_kept(kept, said)
