"""A start that can't succeed ends with a sentence, whatever it fell over; one that can waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from hanzo_queues.server.app import App
from hanzo_queues.server.auth import ApiKeys
from hanzo_queues.server.journal.base import JournalCorrupt, JournalError, JournalRefused
from hanzo_queues.server.journal.memory import MemoryJournal
from hanzo_queues.server.settings import Settings

PATIENCE_S = 10.0


class JournalThatOpens(MemoryJournal):
    """After the failures it is given."""

    def __init__(self, *failures: Exception) -> None:
        super().__init__()
        self.failures = list(failures)

    async def open(self) -> None:
        if self.failures:
            raise self.failures.pop(0)
        await super().open()


async def outcome(journal: MemoryJournal) -> str:
    """Why the start failed; "serving" when it did not."""
    ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    tell: Callable[[str], None] = ended.set_result
    app = App(Settings(), journal, ApiKeys(["a-key-of-tests"]), on_failed=tell, on_serving=lambda: tell("serving"))
    app.start()
    try:
        return await asyncio.wait_for(ended, PATIENCE_S)
    finally:
        await app.close()


async def test_what_may_pass_is_waited_for() -> None:
    assert await outcome(JournalThatOpens(JournalError("no leader yet"))) == "serving"


@pytest.mark.parametrize("error", [JournalCorrupt("a hole"), JournalRefused("max_age is 1, not 0")])
async def test_what_does_not_pass_ends_the_start_with_its_sentence(error: JournalError) -> None:
    assert await outcome(JournalThatOpens(error)) == str(error)


async def test_a_bug_ends_the_start_with_a_sentence_and_its_trace(caplog: pytest.LogCaptureFixture) -> None:
    why = await outcome(JournalThatOpens(ValueError("no JSON")))
    assert "ValueError: no JSON" in why
    assert "Traceback" in caplog.text


async def test_too_small_a_journal_ends_the_start_with_a_sentence() -> None:
    assert "max_payload" in await outcome(MemoryJournal(batch_bytes_max=2048))
