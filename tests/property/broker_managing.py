"""The server and the model side by side: queues, groups, and messages that nobody holds."""

from __future__ import annotations

from typing import Any

from tests.property.broker_answers import instant
from tests.property.broker_looking import STILL, Looking
from tests.property.broker_state import Known, ms


class Managing(Looking):
    """Each method asks both the same and compares what they say."""

    def create(self, name: str, config: dict[str, Any]) -> None:
        reply = self.ask("POST", "/v1/queues", {"name": name, "config": config})
        created = self.expect(reply, lambda: self.model.create(name, config))
        if created is not None:
            assert reply.status == (201 if created else 200)
            self.check_queue(reply.json)

    def update(self, name: str, config: dict[str, Any]) -> None:
        reply = self.ask("PATCH", f"/v1/queues/{name}", {"config": config})
        self.expect(reply, lambda: self.model.update(name, config))
        if reply.status == 200:
            self.check_queue(reply.json)

    def still_backoffs(self) -> None:
        """A dead-letter queue that was just made has jitter, which the model does not know."""
        for name, queue in list(self.model.queues.items()):
            if queue.config["backoff"]["jitter"]:
                self.update(name, STILL)

    def delete(self, name: str) -> None:
        reply = self.ask("DELETE", f"/v1/queues/{name}")
        count = self.expect(reply, lambda: self.model.delete(name))
        assert count is None or reply.json == {"messages": count}

    def purge(self, name: str) -> None:
        reply = self.ask("POST", f"/v1/queues/{name}/purge", {})
        count = self.expect(reply, lambda: self.model.purge(name))
        assert count is None or reply.json == {"messages": count}

    def pause(self, name: str, what: dict[str, bool]) -> None:
        reply = self.ask("POST", f"/v1/queues/{name}/pause", what)
        self.expect(reply, lambda: self.model.pause(name, what.get("enqueue", False), what.get("receive", True)))
        if reply.status == 200:
            self.check_queue(reply.json)

    def resume(self, name: str, what: dict[str, bool]) -> None:
        reply = self.ask("POST", f"/v1/queues/{name}/resume", what)
        self.expect(reply, lambda: self.model.resume(name, what.get("enqueue", True), what.get("receive", True)))
        if reply.status == 200:
            self.check_queue(reply.json)

    def create_group(self, name: str, group: str) -> None:
        reply = self.ask("POST", f"/v1/queues/{name}/groups", {"name": group})
        created = self.expect(reply, lambda: self.model.create_group(name, group))
        if created is not None:
            assert reply.status == (201 if created else 200)
            self.check_counted(self.model.group(name, group), reply.json)

    def delete_group(self, name: str, group: str) -> None:
        reply = self.ask("DELETE", f"/v1/queues/{name}/groups/{group}")
        count = self.expect(reply, lambda: self.model.delete_group(name, group))
        assert count is None or reply.json == {"messages": count}

    def heartbeat(self, name: str, group: str, consumer: str) -> None:
        reply = self.ask("PUT", f"/v1/queues/{name}/groups/{group}/members/{consumer}")
        found = self.expect(reply, lambda: self.model.group(name, group))
        if found is not None:
            self.model.join(found, consumer)
            until_ms = self.model.now_ms + ms(found.config["sessionTimeout"])
            assert reply.json == {"sessionUntil": instant(until_ms)}

    def leave(self, name: str, group: str, consumer: str) -> None:
        reply = self.ask("DELETE", f"/v1/queues/{name}/groups/{group}/members/{consumer}")
        found = self.expect(reply, lambda: self.model.group(name, group))
        if found is not None:
            assert reply.json == {"released": self.model.leave(found, consumer)}

    def known(self, which: int) -> Known | None:
        """One of the messages that the server told of, those still there first."""
        every = sorted(self.model.by_id.values(), key=lambda known: (not known.held(), -known.number))
        return every[which % len(every)] if every else None

    def change(self, known: Known, fields: dict[str, Any]) -> None:
        reply = self.ask("PATCH", f"/v1/messages/{known.id}", fields)
        if not fields:
            return self.expect_code(reply, "request_invalid")
        shown = self.expect(reply, lambda: self.model.change(known, fields.get("delay"), fields.get("priority")))
        if shown is not None:
            self.check_view(shown, reply.json)

    def delete_message(self, known: Known) -> None:
        reply = self.ask("DELETE", f"/v1/messages/{known.id}")
        self.expect(reply, lambda: self.model.delete_message(known))
        assert reply.status != 200 or reply.json == {"state": "deleted"}
