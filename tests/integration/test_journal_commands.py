"""`hanzo-queues journal verify` and `dump`, as a person runs them beside a stopped server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from examples.local_server import LocalServer
from hanzo_queues import Queues
from hanzo_queues.errors import QueuesError
from hanzo_queues.server.storage import MARK_FILE
from tests.nats_servers import running_nats_servers

MESSAGES = 20


@pytest.fixture
def server() -> Iterator[LocalServer]:
    """One that has accepted messages, and runs."""
    with LocalServer() as server:
        with Queues(server.api_key, url=server.url) as queues:
            queues.create("mails")
            for number in range(MESSAGES):
                queues.enqueue("mails", {"number": number})
        yield server


def journal(server: LocalServer, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("hanzo-queues")), "journal", *arguments]
    directory = str(server.directory / "data")
    return subprocess.run([*command, "--data-dir", directory], capture_output=True, text=True, timeout=60)


def test_a_good_journal_is_called_good(server: LocalServer) -> None:
    server.stop()
    verified = journal(server, "verify")
    assert (verified.returncode, verified.stderr) == (0, "")
    assert verified.stdout.startswith(f"good: {MESSAGES + 2} batches of ")
    assert f"epoch 1, {MESSAGES} messages in 1 queues" in verified.stdout
    server.start()
    assert server.is_ready()


def test_a_journal_that_is_served_is_left_alone(server: LocalServer) -> None:
    refused = journal(server, "verify")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "is used by the server" in refused.stderr
    assert server.is_ready()


def test_batches_are_printed_a_line_each(server: LocalServer) -> None:
    server.stop()
    lines = [json.loads(line) for line in journal(server, "dump").stdout.splitlines()]
    assert [line["lsn"] for line in lines] == list(range(1, MESSAGES + 3))
    assert {line["epoch"] for line in lines} == {1}
    assert lines[0]["records"] == 2
    assert all(line["at"].endswith("Z") and line["bytes"] > 60 for line in lines)


def test_a_part_is_printed_in_words_and_the_secret_never(server: LocalServer) -> None:
    server.stop()
    text = journal(server, "dump", "--records", "--last", "3").stdout
    first, second, third = (json.loads(line)["records"] for line in text.splitlines())
    assert first == ["Founded { secret: (not shown) }", "Fenced { epoch: 1 }"]
    assert 'name: "mails"' in second[0]
    assert third[0].startswith("Enqueued(")
    assert journal(server, "dump", "--first", "21").stdout.count("\n") == 2
    assert journal(server, "dump", "--first", "99").stdout == ""


@pytest.mark.parametrize(
    ("number", "killed"), [(3, False), (MESSAGES - 1, False), (MESSAGES - 1, True)],
    ids=["in the middle", "at the end", "at the end, after a kill"],
)  # fmt: skip
def test_a_changed_byte_is_found(server: LocalServer, number: int, killed: bool) -> None:
    """Wherever it lies in the stream's file: nats-server or the hash of a batch notices, and nothing is called good."""
    if killed:
        until_marked(server, MESSAGES + 2)
        server.kill()
    else:
        server.stop()
    (block,) = (server.directory / "data").rglob("HANZO_P0/msgs/*.blk")
    block.with_name("index.db").unlink(missing_ok=True)  # without it nats-server drops what it can't read from there on
    content = bytearray(block.read_bytes())
    content[content.index(b'{"number":%d}' % number) + 10] ^= 1
    block.write_bytes(content)
    verified = journal(server, "verify")
    assert verified.returncode == 1, verified.stdout
    assert "good" not in verified.stdout
    assert verified.stderr.splitlines()[-1].startswith("hanzo-queues: ")
    with pytest.raises(RuntimeError, match="the server ended"):
        server.start()
    assert "othing was changed" in server.log()


def until_marked(server: LocalServer, lsn: int) -> None:
    """It is written before a batch is called durable, or a tenth of a second later."""
    mark = server.directory / "data" / MARK_FILE
    deadline = time.monotonic() + 20
    while not mark.exists() or not mark.read_text().startswith(f"batch {lsn} "):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_directory_without_a_journal_is_named_and_stays_as_it_is(tmp_path: Path) -> None:
    for name in ("verify", "dump"):
        command = [str(Path(sys.executable).with_name("hanzo-queues")), "journal", name]
        wrong = tmp_path / "mistyped"
        looked = subprocess.run([*command, "--data-dir", str(wrong)], capture_output=True, text=True, timeout=60)
        assert (looked.returncode, looked.stdout) == (1, "")
        assert f"there is no journal in {wrong}" in looked.stderr
        assert not wrong.exists()


def test_batches_are_counted_from_one() -> None:
    for given in ("0", "-5", "all"):
        command = [str(Path(sys.executable).with_name("hanzo-queues")), "journal", "dump", f"--first={given}"]
        refused = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert f"'{given}' is not the number of a batch: the first one is 1" in refused.stderr


def test_a_damaged_batch_before_the_last_checkpoint_is_found_and_named_by_repair() -> None:
    """A start does not read it: it holds payloads that are read when they are asked for."""
    with LocalServer(environment={"HANZO_CHECKPOINT_EVERY": "64KiB"}) as server:
        with Queues(server.api_key, url=server.url) as queues:
            queues.create("mails")
            for number in range(4 * MESSAGES):
                queues.enqueue("mails", {"number": number, "text": "x" * 4000})
        server.stop()
        assert journal(server, "verify").returncode == 0
        (block,) = (server.directory / "data").rglob("HANZO_P0/msgs/*.blk")
        content = bytearray(block.read_bytes())
        content[content.index(b'{"number":3,') + 20] ^= 1
        block.write_bytes(content)
        for command in ("verify", "repair"):
            looked = journal(server, command)
            assert (looked.returncode, "good" in looked.stdout) == (1, False), looked.stdout
            assert "Restore" in looked.stderr
        server.start()
        with Queues(server.api_key, url=server.url, retries_max=0) as queues, pytest.raises(QueuesError):
            queues.receive("mails", max_messages=10)
        assert "Restore the stream from a backup" in server.log()


def test_a_look_that_is_interrupted_ends_without_a_trace(server: LocalServer) -> None:
    server.stop()
    directory = server.directory / "data"
    command = [str(Path(sys.executable).with_name("hanzo-queues")), "journal", "verify", "--data-dir", str(directory)]
    deadline = time.monotonic() + 30
    while (interrupted := _interrupted(command, directory)) == 0:  # it was through before the signal came
        assert time.monotonic() < deadline
    assert interrupted == (130, ("", ""))


def _interrupted(command: list[str], directory: Path) -> tuple[int, tuple[str, str]] | int:
    """How a look ended that got a Ctrl-C when it had begun; 0: before it came."""
    heeding = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # whoever runs the tests may not
    look = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heeding)
    deadline = time.monotonic() + 30
    while (directory / "server.pid").read_text() != f"{look.pid}\n":
        assert time.monotonic() < deadline
        time.sleep(0.001)
    look.send_signal(signal.SIGINT)
    said = look.communicate(timeout=30)
    return look.returncode and (look.returncode, said)


def test_beside_servers_a_look_neither_makes_nor_changes_anything(tmp_path: Path) -> None:
    with running_nats_servers(tmp_path, 1) as servers:
        cluster = {"NATS_URL": servers.endpoint.urls[0], "NATS_REPLICAS": "1", "HANZO_API_KEYS": "x" * 8}
        command = [str(Path(sys.executable).with_name("hanzo-queues")), "journal"]
        for look in (["verify"], ["dump"], ["dump", "--checkpoints"]):
            arguments = [*command, *look, "--data-dir", str(tmp_path / "look")]
            looked = subprocess.run(
                arguments, env={**os.environ, **cluster}, capture_output=True, text=True, timeout=60
            )
            assert (looked.returncode, looked.stdout) == (1, "")
            assert "is NATS_URL right?" in looked.stderr
        assert not list(tmp_path.rglob("HANZO_P0*"))
