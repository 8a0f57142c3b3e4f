"""A nats-server's store that was damaged, or put back from a backup: the data is right, or nothing is served and it is
said what is wrong and what to do. Never silently less.

What `hanzo-queues journal verify` calls good is served right, and `journal repair` harms nothing. A slice by default;
`make damage` does hundreds (DAMAGE_CASES=n of each kind and store, DAMAGE_SEED=n repeats a run).
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, redirect_stdout
from functools import cache, partial
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from hanzo_queues._core import Command, Engine, Parser
from hanzo_queues.server.faults import Fault
from hanzo_queues.server.journal.base import JournalCorrupt, JournalRefused
from hanzo_queues.server.journal_commands import Look, carry_out, open_both, verify
from hanzo_queues.server.journal_repair import repair
from hanzo_queues.server.limits_table import LIMITS
from hanzo_queues.server.partition import Partition
from hanzo_queues.server.settings import Settings
from hanzo_queues.server.storage import StartRefused, open_storage
from tests.faults.damage import DAMAGES, Store

CASES = int(os.environ.get("DAMAGE_CASES", "0"))
SEED = int(os.environ.get("DAMAGE_SEED", "0")) or secrets.randbelow(2**32)
PARSER = Parser(dict(LIMITS), visibility_timeout_ms=600_000, max_retries=3)
STORES = ("trimmed", "whole")
MESSAGES = 600
KEPT_EVERY = 6
FILL = "x" * 40_000
PATIENCE_S = 60.0
CONFIG = {"config": {"dedupWindow": 86_400}}  # longer than a run takes
WHAT_TO_DO = ("estore ", "--accept-loss", "tart the newer")


class Kept(NamedTuple):
    """A store, and the same some time ago."""

    now: Path
    older: Path
    segment_bytes: int


@pytest.fixture(scope="module")
def store_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Kept]:
    """Each is made once. (A fixture with a parameter would be torn down after each test.)"""

    @cache
    def made(name: str) -> Kept:
        directory = tmp_path_factory.mktemp(name)
        kept = Kept(directory / "data", directory / "older", 1 << (22 if name == "trimmed" else 40))
        asyncio.run(_fill(kept))
        return kept

    return made


@pytest.fixture
def kept(store: str, store_of: Callable[[str], Kept]) -> Kept:
    """Messages that wait, among others that are done, in a journal that begins with batch 1, or was trimmed. Is only
    copied."""
    return store_of(store)


async def _fill(kept: Kept) -> None:
    for part in range(2):
        async with _partition(kept.now, kept.segment_bytes) as partition:
            if kept.segment_bytes > 1 << 30:
                partition.trimmer.stop()
            for name in ("waits", "passes") if part == 0 else ():
                await _ask(partition, PARSER.create_queue(json.dumps({"name": name, **CONFIG}).encode()))
            for number in range(MESSAGES // 2 * part, MESSAGES // 2 * (part + 1)):
                await _enqueue(partition, "passes" if number % KEPT_EVERY else "waits", number)
                if number % KEPT_EVERY:
                    await _pass(partition)
            if kept.segment_bytes < 1 << 30:
                await partition.trimmer.trimmed()
            is_trimmed = await partition._journal.first_sequence() > 1
            assert is_trimmed == (kept.segment_bytes < 1 << 30)
        if part == 0:
            shutil.copytree(kept.now, kept.older)


@asynccontextmanager
async def _partition(directory: Path, segment_bytes: int = 1 << 26) -> AsyncIterator[Partition]:
    """One that serves what lies there. Raises Refused when none does."""
    async with open_storage(Settings(data_dir=directory)) as storage:
        why: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        partition = Partition(
            0, storage.journal, payload_memory_bytes=1 << 20, requests_max=1000, polls_max=10,
            new_engine=partial(Engine, 0, segment_bytes=segment_bytes), checkpoints=storage.checkpoints,
            checkpoint_bytes=1 << 18, on_stuck=storage.on_stuck, on_failed=why.set_result,
        )  # fmt: skip
        try:
            await open_both(storage)
            partition.start()
            serving = asyncio.ensure_future(_list(partition))
            either: set[asyncio.Future[Any]] = {why, serving}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            serving.cancel()
            if why.done():
                raise Refused(why.result())
            try:
                yield partition
            except Fault:
                if why.done():
                    raise Refused(why.result()) from None
                raise
        finally:
            await partition.close()
            await storage.journal.close()
            await storage.checkpoints.close()


class Refused(Exception):
    """Nothing is served, for this reason."""


async def _list(partition: Partition) -> None:
    await _ask(partition, PARSER.list_queues(None, 1))


async def _ask(partition: Partition, command: Command) -> Any:
    """Until it is answered, or can't be any more."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                answer = await partition.submit(command)
                assert answer.rejection is None, answer.rejection
                return json.loads(answer.body)
            except Fault:
                if partition.state == "failed":
                    raise
                await asyncio.sleep(0.02)


async def _enqueue(partition: Partition, queue: str, number: int) -> Any:
    body = {"payload": {"number": number, "fill": FILL}, "dedupId": str(number)}
    return await _ask(partition, PARSER.enqueue(queue, json.dumps(body).encode()))


async def _pass(partition: Partition) -> None:
    (held,) = await _received(partition, "passes", 1)
    await _ask(partition, PARSER.ack(held["id"], json.dumps({"receipt": held["receipt"]}).encode()))


async def _received(partition: Partition, queue: str, count: int) -> list[Any]:
    command = PARSER.receive(queue, group=None, consumer=None, messages_max=count, visibility_timeout_ms=None)
    found: list[Any] = (await _ask(partition, command))["messages"]
    return found


async def _assert_right(directory: Path) -> None:
    """Everything is there, as it was. Raises Refused, StartRefused, JournalCorrupt when nothing is served."""
    async with _partition(directory) as partition:
        expected = list(range(0, MESSAGES, KEPT_EVERY))
        found: list[Any] = []
        while came := await _received(partition, "waits", 30):
            found += [one["payload"] for one in came]
        assert [one["number"] for one in found] == expected
        assert all(one["fill"] == FILL for one in found)
        for number in range(0, MESSAGES, MESSAGES // 20):
            again = await _enqueue(partition, "waits" if number % KEPT_EVERY == 0 else "passes", number)
            assert again["duplicate"], f"{number} is not known any more"
        assert await _received(partition, "passes", 1) == []


def why_not(what: Coroutine[Any, Any, None]) -> str:
    """Why `what` was refused; empty when it was not."""
    try:
        with redirect_stdout(StringIO()):
            asyncio.run(what)
    except (Refused, StartRefused, JournalCorrupt, JournalRefused) as refused:
        return str(refused)
    return ""


async def _look(directory: Path, look: Look) -> None:
    await carry_out(look, Settings(data_dir=directory))


def assert_seen(kept: Kept, directory: Path, kind: str, chance: random.Random) -> str:
    """One damage of this kind, and what comes of it, in a word or two."""
    def damaged() -> Path:
        shutil.rmtree(directory, ignore_errors=True)
        shutil.copytree(kept.now, directory)
        chance.setstate(before)
        what.append(DAMAGES[kind](Store(directory, kept.older), chance))
        return directory

    before, what = chance.getstate(), list[str]()
    verified = why_not(_look(damaged(), verify))
    refused = why_not(_assert_right(damaged()))
    context = (kind, what[0], verified, refused)
    assert verified or not refused, context
    if refused:
        assert any(words in refused for words in WHAT_TO_DO), context
        return f"refused: {what[0]}: {refused}"
    # What is damaged may be needed by nobody any more. Then repair names it; checkpoints are sound behind it.
    repaired = why_not(_look(damaged(), repair(accept_loss=False, settings=Settings(data_dir=directory))))
    assert why_not(_look(directory, verify)) == repaired, context
    assert not repaired or repaired == verified, context
    assert not why_not(_assert_right(directory)), context
    return f"right: {what[0]}; verify: {verified or 'good'}"


def chosen() -> list[tuple[str, str]]:
    """Of a slice every damage befalls one of the stores."""
    pairs = [(store, kind) for kind in DAMAGES for store in STORES]
    return [pair for number, pair in enumerate(pairs) if CASES > 0 or number % 2 == (number // 2 + SEED) % 2]


@pytest.mark.parametrize(("store", "kind"), chosen())
@pytest.mark.timeout(120 + 60 * CASES)
def test_damage_is_seen_or_harms_nothing(kept: Kept, tmp_path: Path, kind: str) -> None:
    print(f"\nDAMAGE_SEED={SEED} {kind}")
    for case in range(max(1, CASES)):
        print(assert_seen(kept, tmp_path / "data", kind, random.Random(f"{SEED} {kind} {case}")))


@pytest.mark.parametrize("store", STORES)
def test_without_damage_all_is_right(kept: Kept, tmp_path: Path) -> None:
    shutil.copytree(kept.now, tmp_path / "data")
    assert not why_not(_look(tmp_path / "data", verify))
    asyncio.run(_assert_right(tmp_path / "data"))
