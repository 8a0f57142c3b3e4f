"""Members of consumer groups in the plain model: who is there, and which ordering keys may be whose.

Which member a key sticks to is the server's choice. The model knows who it can be: anybody at first; then whom it was
delivered to, or who joined since; anybody again when who it may have been has left.
"""

from __future__ import annotations

from tests.property.broker_moves import Moves
from tests.property.broker_state import Message, Queue, ms


class Members(Moves):
    """Of all groups."""

    def tick(self, now_ms: int) -> None:
        super().tick(now_ms)
        for queue in self.queues.values():
            timeout_ms = ms(queue.config["sessionTimeout"])
            for group in queue.groups():
                ends = sorted((seen_ms + timeout_ms, name) for name, seen_ms in group.members.items())
                for end_ms, name in ends:
                    if end_ms <= now_ms:
                        self._fail_lost(group, name)
                        self.leave(group, name)
        self.retire()

    def next_deadline_ms(self) -> int | None:
        groups = [group for queue in self.queues.values() for group in queue.groups()]
        ends = [seen_ms + ms(group.config["sessionTimeout"]) for group in groups for seen_ms in group.members.values()]
        earliest = super().next_deadline_ms()
        return min(ends + ([] if earliest is None else [earliest]), default=None)

    def fence(self) -> None:
        super().fence()
        for queue in self.queues.values():
            for group in queue.groups():
                group.members = dict.fromkeys(group.members, self.now_ms)

    def join(self, group: Queue, consumer: str) -> None:
        """It is there, and seen now."""
        if consumer not in group.members:
            for candidates in group.owners.values():
                candidates.add(consumer)
        group.members[consumer] = self.now_ms

    def _fail_lost(self, group: Queue, consumer: str) -> None:
        """What it holds whose session is over, and what was handed out in vain before: a failed attempt."""
        held = [message for message in group.in_state("leased") if message.holder == consumer]
        for message in sorted(held, key=lambda message: message.known.number):
            if message.deliveries - message.attempts > 1:
                self._fire(message)

    def leave(self, group: Queue, consumer: str) -> int:
        """How many leases it had: they are ready again, before others."""
        if consumer not in group.members:
            return 0
        del group.members[consumer]
        for key in [key for key, candidates in group.owners.items() if consumer in candidates]:
            del group.owners[key]
        held = [message for message in group.in_state("leased") if message.holder == consumer]
        for message in sorted(held, key=lambda message: -message.known.number):
            self._give_back(message)
        return len(held)

    def _give_back(self, message: Message) -> None:
        line = message.queue.messages
        others = [other for other in line if other.state == "ready" and other.in_lane() == message.in_lane()]
        since_ms = min([message.since_ms, *(other.at_ms for other in others)])
        self._move(message, "ready", since_ms)
        # It is not before those of other members' keys, and which those are the server alone knows.
        message.perhaps_ms = message.since_ms if message.key is not None else None
        line.insert(0, line.pop())
