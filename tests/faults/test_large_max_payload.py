"""A nats-server that takes messages which JetStream does not store: a batch is never one of those."""

from __future__ import annotations

from pathlib import Path

import pytest

from hanzo_queues.server.journal.base import AppendRefused
from hanzo_queues.server.journal.jetstream import JetStreamJournal
from tests.contract.test_journal import opened
from tests.nats_servers import running_nats_servers

MAX_PAYLOAD = 48 << 20


async def test_the_largest_batch_is_stored_and_a_larger_one_is_not_sent(tmp_path: Path) -> None:
    with running_nats_servers(tmp_path, 1, max_payload_bytes=MAX_PAYLOAD) as servers:
        journal = JetStreamJournal(servers.endpoint, partition=0, replicas=1)
        await opened(journal)
        try:
            largest = journal.batch_bytes_max
            assert 16 << 20 < largest < 32 << 20
            await journal.append(bytes(largest), 0)
            with pytest.raises(AppendRefused, match="not sent"):
                await journal.append(bytes(largest + 1), 1)
            assert await journal.last_sequence() == 1
        finally:
            await journal.close()
