"""What people do to queues, groups and messages in the plain model, beside enqueuing and consuming."""

from __future__ import annotations

from typing import Any

from tests.property.broker_limits import SETTINGS
from tests.property.broker_members import Members
from tests.property.broker_state import DEFAULTS, Known, Message, Queue, Refused, ms


class Management(Members):
    """Methods raise Refused, and have done nothing then."""

    # -- queues

    def queue(self, name: str) -> Queue:
        if name not in self.queues:
            raise Refused("queue_not_found")
        return self.queues[name]

    def create(self, name: str, config: dict[str, Any]) -> bool:
        config = over(DEFAULTS, config)
        if name in self.queues:
            if self.queues[name].config != config:
                raise Refused("queue_conflict")
            return False
        self._check_dead_letters(name, config)
        self._check_room(1, config)
        self._create(name, config)
        self._create_dead_letters(config)
        return True

    def update(self, name: str, config: dict[str, Any]) -> None:
        queue = self.queue(name)
        config = over(queue.config, config)
        if config == queue.config:
            return
        if config["deadLetterQueue"] != queue.config["deadLetterQueue"]:
            self._check_dead_letters(name, config)
        self._check_room(0, config)
        self._create_dead_letters(config)
        changed = tuple(name for name in SETTINGS if config[name] != queue.config[name])
        queue.settings = config
        for group in queue.groups():
            group.limits.set(config, self.now_ms, full=False, settings=changed)

    def delete(self, name: str) -> int:
        queue = self.queue(name)
        held = queue.held()
        del self.queues[name]
        for group in queue.groups():
            group.deleted = True
        self._drop_messages(queue.groups())
        return held

    def pause(self, name: str, enqueue: bool, receive: bool) -> None:
        paused = self.queue(name).paused
        paused.update(enqueue=paused["enqueue"] or enqueue, receive=paused["receive"] or receive)

    def resume(self, name: str, enqueue: bool, receive: bool) -> None:
        paused = self.queue(name).paused
        paused.update(enqueue=paused["enqueue"] and not enqueue, receive=paused["receive"] and not receive)

    def purge(self, name: str) -> int:
        queue = self.queue(name)
        held = queue.held()
        if held:
            self._drop_messages(queue.groups())
        return held

    def _drop_messages(self, groups: list[Queue]) -> None:
        for group in groups:
            for message in group.messages:
                message.state = "gone"
            group.messages.clear()
            for result in group.results:
                result.dropped = True

    def _check_dead_letters(self, name: str, config: dict[str, Any]) -> None:
        passed, following = 0, config["deadLetterQueue"]
        while following is not None:
            passed += 1
            if following == name or passed > 16:
                raise Refused("dead_letter_queue_invalid")
            known = self.queues.get(following)
            following = known.config["deadLetterQueue"] if known else None

    def _check_room(self, new: int, config: dict[str, Any]) -> None:
        letters = config["deadLetterQueue"]
        new += letters is not None and letters not in self.queues
        if new and len(self.queues) + new > self.queues_max:
            raise Refused("queues_exhausted")

    # -- groups

    def group(self, name: str, group: str) -> Queue:
        for one in self.queue(name).groups():
            if one.group == group:
                return one
        raise Refused("group_not_found")

    def create_group(self, name: str, group: str) -> bool:
        queue = self.queue(name)
        if any(one.group == group for one in queue.groups()):
            return False
        made = Queue(name, group, self.now_ms, of=queue)
        made.limits.set(queue.config, self.now_ms, full=True)
        queue.further.append(made)
        return True

    def delete_group(self, name: str, group: str) -> int:
        shadow = self.group(name, group)
        if shadow.group == "default":
            raise Refused("group_is_default")
        count = len(shadow.messages)
        shadow.source.further.remove(shadow)
        shadow.deleted = True
        self._drop_messages([shadow])
        return count

    # -- messages

    def free(self, known: Known) -> list[Message]:
        """All copies of a message that nobody holds."""
        copies = known.held()
        if not copies:
            raise Refused("message_not_found")
        if any(copy.state == "leased" for copy in copies):
            raise Refused("message_leased")
        return copies

    def change(self, known: Known, delay: float | None, priority: int | None) -> Message:
        copies = [copy for copy in self.free(known) if copy.state != "dead"]
        if not copies:
            raise Refused("message_dead")
        for copy in copies:
            self._change(copy, None if delay is None else self.now_ms + ms(delay), priority)
        return copies[0]

    def _change(self, message: Message, due_ms: int | None, priority: int | None) -> None:
        """What may go already is not made to wait anew, and what is ready stays as long in line as it was."""
        moves = priority is not None and priority != message.priority
        is_due = due_ms is not None and due_ms <= self.now_ms and message.at_ms <= self.now_ms
        if is_due or (due_ms == message.at_ms and not moves):
            due_ms = None
        message.priority = message.priority if priority is None else priority
        if message.state == "blocked":
            message.at_ms = message.at_ms if due_ms is None else due_ms
        elif due_ms is not None:
            self._move_when_due(message, due_ms)
        elif message.state == "ready" and moves:
            line = message.queue.messages
            line.remove(message)
            later = [other for other in line if other.state == "ready" and other.priority == priority]
            later = [other for other in later if other.at_ms > message.at_ms]
            line.insert(line.index(later[0]) if later else len(line), message)

    def delete_message(self, known: Known) -> None:
        for copy in self.free(known):
            self._remove(copy)

    def explain(self, message: Message) -> list[str]:
        """The codes of what stands in the way of its delivery."""
        queue = message.queue
        if message.state in ("dead", "leased"):
            return [message.state]
        waits = message.state in ("delayed", "blocked") and message.at_ms > self.now_ms
        key_wait_ms = queue.key_wait_ms(message.lane, self.now_ms)
        reasons = {
            "delayed": waits,
            "ordering_key": message.state == "blocked",
            "paused": queue.source.paused["receive"],
            "queue_in_flight": queue.leases_left() == 0,
            "queue_rate_limit": queue.limits.wait_ms("rateLimit", "", self.now_ms) > 0,
            "key_in_flight": key_wait_ms is None,
            "key_rate_limit": bool(key_wait_ms),
            "behind": message.state == "ready" and key_wait_ms == 0 and queue.line()[0] is not message,
        }
        return [code for code, holds in reasons.items() if holds]


def over(settings: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    """Settings with those of a request in their place: of nested ones what that names, but for limits."""
    merged = {name: {**settings[name], **config.get(name, {})} for name in ("fairness", "scheduling", "backoff")}
    backoff, scheduling = config.get("backoff", {}), config.get("scheduling", {})
    if "max" not in backoff:
        merged["backoff"]["max"] = max(merged["backoff"]["max"], merged["backoff"]["initial"])
    if "initial" not in backoff:
        merged["backoff"]["initial"] = min(merged["backoff"]["max"], merged["backoff"]["initial"])
    if "agingSeconds" in scheduling:
        merged["scheduling"]["mode"] = "fair"
    if merged["scheduling"]["mode"] == "strict":
        merged["scheduling"].pop("agingSeconds", None)
    else:
        merged["scheduling"].setdefault("agingSeconds", DEFAULTS["scheduling"]["agingSeconds"])
    return {**settings, **config, **merged}
