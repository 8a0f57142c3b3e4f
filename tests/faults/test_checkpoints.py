"""A server with checkpoints, and its embedded nats-server: killed, damaged, put back from backups of either stream."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.local_server import LocalServer
from hanzo_queues import Queues
from hanzo_queues.server.settings import Settings
from hanzo_queues.server.storage import open_storage

PAYLOAD = "x" * 2000
COUNT = 400


@pytest.fixture
def server() -> Iterator[LocalServer]:
    """One whose checkpoints are frequent, with messages and several checkpoints."""
    with LocalServer(environment={"HANZO_CHECKPOINT_EVERY": "64KiB"}) as server:
        with Queues(server.api_key, url=server.url) as queues:
            queues.create("mails")
        fill(server, 0)
        yield server


def fill(server: LocalServer, first: int, text: str = PAYLOAD) -> None:
    with Queues(server.api_key, url=server.url) as queues:
        for number in range(first, first + COUNT):
            queues.enqueue("mails", {"number": number, "text": text}, dedup_id=str(number))


def take(server: LocalServer, count: int) -> list[int]:
    """Receives and acks so many; their numbers."""
    numbers: list[int] = []
    with Queues(server.api_key, url=server.url) as queues:
        while len(numbers) < count:
            messages = queues.receive("mails", max_messages=min(100, count - len(numbers)))
            numbers += [message.payload["number"] for message in messages]
            assert queues.ack_all(messages) == [None] * len(messages)
    return numbers


def stream(server: LocalServer, name: str) -> Path:
    (found,) = (path for path in (server.directory / "data").rglob(name) if path.parent.name == "streams")
    return found


def journal(server: LocalServer, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("hanzo-queues")), "journal", *arguments]
    directory = str(server.directory / "data")
    return subprocess.run([*command, "--data-dir", directory], capture_output=True, text=True, timeout=60)


def last_start(server: LocalServer) -> str:
    return server.log().rsplit("restoring the checkpoint", 1)[-1]


def refused(server: LocalServer) -> str:
    before = len(server.log())
    with pytest.raises(RuntimeError, match="the server ended"):
        server.start()
    return server.log()[before:]


def test_a_kill_is_followed_by_a_start_from_a_checkpoint(server: LocalServer) -> None:
    numbers = take(server, 150)
    server.kill()
    server.start()
    assert "restoring the checkpoint of batch" in server.log()
    fill(server, 0)  # every dedup id is known still
    numbers += take(server, COUNT - 150)
    assert numbers == list(range(COUNT))
    server.stop()
    verified = journal(server, "verify")
    assert verified.returncode == 0, verified.stderr
    assert " checkpoints\n" in verified.stdout
    assert not verified.stdout.endswith(" 0 checkpoints\n")
    dumped = journal(server, "dump", "--checkpoints").stdout.splitlines()
    checkpoints = [json.loads(line) for line in dumped]
    assert len(checkpoints) >= 2
    assert all(one["blocks"] and one["lsn"] for one in checkpoints)


@pytest.mark.parametrize("is_indexed", [True, False])
def test_a_damaged_checkpoint_is_passed_over_and_repaired(server: LocalServer, is_indexed: bool) -> None:
    """Without its index nats-server reads the stream anew, and drops what it finds damaged and all behind it."""
    server.stop()
    for block in (stream(server, "HANZO_P0_CHECKPOINTS") / "msgs").glob("*.blk"):
        content = bytearray(block.read_bytes())
        at = content.rindex(b"HZQC")
        content[at + 30] ^= 1
        block.write_bytes(content)
    if not is_indexed:
        for index in stream(server, "HANZO_P0_CHECKPOINTS").rglob("index.db"):
            index.unlink()
    server.start()
    assert take(server, COUNT) == list(range(COUNT))
    server.stop()
    journal(server, "repair")
    assert journal(server, "verify").returncode == 0
    server.start()


def test_without_checkpoints_an_untrimmed_journal_is_replayed(server: LocalServer) -> None:
    server.stop()
    shutil.rmtree(stream(server, "HANZO_P0_CHECKPOINTS"))
    server.start()
    assert take(server, COUNT) == list(range(COUNT))


def test_without_checkpoints_a_trimmed_journal_is_refused(server: LocalServer) -> None:
    take(server, COUNT)
    fill(server, COUNT, "x" * 60_000)  # more than what the engine counts as one range
    take(server, COUNT)
    fill(server, 2 * COUNT)
    server.stop()
    kept = stream(server, "HANZO_P0_CHECKPOINTS")
    aside = server.directory / "aside"
    shutil.move(kept, aside)
    said = refused(server)
    assert "earlier ones were trimmed" in said
    assert "Nothing was changed" in said
    shutil.rmtree(kept, ignore_errors=True)
    shutil.move(aside, kept)
    server.start()
    assert take(server, COUNT) == list(range(2 * COUNT, 3 * COUNT))
    assert "begins with batch 1," not in said


def backup(server: LocalServer, names: list[str]) -> dict[Path, Path]:
    server.stop()
    copies = {}
    for name in names:
        path = stream(server, name)
        copies[path] = server.directory / f"backup-{name}"
        shutil.copytree(path, copies[path])
    server.start()
    return copies


def put_back(server: LocalServer, copies: dict[Path, Path]) -> None:
    server.stop()
    for path, copy in copies.items():
        shutil.rmtree(path)
        shutil.copytree(copy, path)


def test_an_older_backup_of_the_checkpoints_loses_nothing(server: LocalServer) -> None:
    copies = backup(server, ["HANZO_P0_CHECKPOINTS"])
    fill(server, COUNT)
    put_back(server, copies)
    server.start()
    assert take(server, 2 * COUNT) == list(range(2 * COUNT))


def test_an_older_backup_of_the_journal_is_refused_until_its_loss_is_accepted(server: LocalServer) -> None:
    copies = backup(server, ["HANZO_P0"])
    fill(server, COUNT)
    put_back(server, copies)
    assert "its end is lost" in refused(server)
    (server.directory / "data/journal-mark").unlink()
    assert "the journal is older than its checkpoint" in refused(server)
    assert "--accept-loss" in journal(server, "repair").stderr
    repaired = journal(server, "repair", "--accept-loss")
    assert repaired.returncode == 0, repaired.stderr
    assert "were saved to" in repaired.stdout
    assert "a checkpoint of batch" in repaired.stdout
    server.start()
    assert take(server, COUNT) == list(range(COUNT))


def test_an_older_backup_of_both_is_refused_until_its_loss_is_accepted(server: LocalServer) -> None:
    copies = backup(server, ["HANZO_P0", "HANZO_P0_CHECKPOINTS"])
    fill(server, COUNT)
    put_back(server, copies)
    assert "its end is lost" in refused(server)
    assert journal(server, "repair", "--accept-loss").returncode == 0
    server.start()
    assert take(server, COUNT) == list(range(COUNT))


async def _purge(directory: Path, before: int) -> None:
    async with open_storage(Settings(data_dir=directory)) as storage:
        await storage.journal.open()
        await storage.journal.purge(before)
        await storage.journal.close()


def test_a_journal_that_lost_its_beginning_is_refused_until_its_loss_is_accepted(server: LocalServer) -> None:
    with Queues(server.api_key, url=server.url) as queues:
        held = queues.receive("mails", max_messages=1)
        ids = [message.id for message in held]
    server.stop()
    lost = COUNT // 2
    asyncio.run(_purge(server.directory / "data", lost + 3))  # behind its foundation and the queue, a batch each
    assert "its beginning is lost" in refused(server)
    assert "--accept-loss" in journal(server, "repair").stderr
    repaired = journal(server, "repair", "--accept-loss")
    assert repaired.returncode == 0, repaired.stderr
    assert f"{lost} messages whose payloads lay before it are gone" in repaired.stdout
    (told,) = (server.directory / "data").rglob("lost-messages")
    lines = [json.loads(line) for line in told.read_text().splitlines()]
    expected = [{"queue": "mails", "state": "leased" if at == 0 else "ready"} for at in range(lost)]
    assert [{"queue": line["queue"], "state": line["state"]} for line in lines] == expected
    assert [line["id"] for line in lines][:1] == ids
    assert journal(server, "verify").returncode == 0
    server.start()
    assert take(server, COUNT - lost) == list(range(lost, COUNT))
