"""The checkpoint store on a JetStream stream of its own: a subject for each checkpoint's blocks, one for manifests.

The stream is made, asserted, fenced and purged as a journal's is. What is read is always read from its leader.
"""

from __future__ import annotations

from hanzo_queues.server.checkpoints.base import AnyRoom, CheckpointRoom
from hanzo_queues.server.journal.base import JournalCorrupt
from hanzo_queues.server.journal.jetstream import JetStreamJournal
from hanzo_queues.server.nats_connection import NatsEndpoint


class JetStreamCheckpoints(JetStreamJournal):
    """See `hanzo_queues.server.checkpoints.base.CheckpointStore`; the arguments are those of JetStreamJournal, and the
    `room` it is written to."""

    def __init__(
        self,
        endpoint: NatsEndpoint,
        *,
        partition: int,
        replicas: int,
        append_timeout_s: float = 5.0,
        call_timeout_s: float = 5.0,
        room: CheckpointRoom | None = None,
    ) -> None:
        subject = f"hanzo.p{partition}.checkpoint"
        self._manifests = f"{subject}.manifest"
        super().__init__(
            endpoint,
            partition=partition,
            replicas=replicas,
            append_timeout_s=append_timeout_s,
            call_timeout_s=call_timeout_s,
            stream=f"HANZO_P{partition}_CHECKPOINTS",
            subjects=(f"{subject}.block", f"{subject}.block.*", self._manifests),
            subjects_before=(f"{subject}.block", self._manifests),
            subjects_later=f"{subject}.",
        )
        self.room = room or AnyRoom()

    @property
    def part_bytes_max(self) -> int:
        """What nats-server's max_payload leaves."""
        return self.batch_bytes_max

    async def append(self, part: bytes, expected_last_sequence: int, attempt: str) -> None:  # type: ignore[override]
        """Appends a part of the checkpoint `attempt`."""
        await self._renew_subjects()
        await self._append(part, expected_last_sequence, f"{self.subject}.{attempt}")

    async def append_manifest(self, manifest: bytes, expected_last_sequence: int) -> None:
        """Appends a manifest."""
        await self._append(manifest, expected_last_sequence, self._manifests)

    async def newest_manifest(self) -> tuple[int, bytes] | None:
        """The last one on their subject."""
        await self._connected()
        return await self._api().find({"last_by_subj": self._manifests})

    async def manifest_before(self, sequence: int) -> tuple[int, bytes] | None:
        """Found by walking over all of them: few are kept, and few ever ask."""
        await self._connected()
        before, start = None, 1
        while True:
            found = await self._api().find({"seq": start, "next_by_subj": self._manifests})
            if found is None or found[0] >= sequence:
                return before
            before, start = found, found[0] + 1

    async def fetch(self, sequence: int) -> bytes:
        """As the leader has it: an only replica gives its bytes directly, which no JSON comes around."""
        await self._connected()
        ask = self._api().direct_message if self._replicas == 1 else self._api().message
        part = await ask(sequence) if sequence > 0 else None  # JetStream: a bad request
        if part is None:
            raise JournalCorrupt(f"stream {self.stream} has no message {sequence}: it was purged, or lost data")
        return part

    async def discard(self, attempt: str) -> None:
        """A purge of its subject."""
        await self._connected()
        await self._api().call("STREAM.PURGE", {"filter": f"{self.subject}.{attempt}"})

    async def clear(self) -> None:
        """A purge of everything."""
        await self._connected()
        await self._api().call("STREAM.PURGE", {})
