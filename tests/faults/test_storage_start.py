"""What can't be opened is refused in a sentence that names it; a cluster that is not there yet is waited for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from hanzo_queues.server import embedded_nats, nats_port
from hanzo_queues.server.app import App
from hanzo_queues.server.auth import ApiKeys
from hanzo_queues.server.data_directory import CLAIM_FILE, NODE_FILE, DataDirectory
from hanzo_queues.server.nats_port import PORT_FILE
from hanzo_queues.server.settings import Settings
from hanzo_queues.server.storage import StartRefused, open_storage
from tests.nats_servers import NatsServers

PATIENCE_S = 20.0


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data")


@pytest.fixture
def absent_servers(tmp_path: Path) -> Iterator[NatsServers]:
    """Not started yet."""
    servers = NatsServers(tmp_path, 1)
    yield servers
    servers.kill()
    servers.let_go()


async def refusal(settings: Settings) -> str:
    with pytest.raises(StartRefused) as refused:
        async with open_storage(settings):
            pass
    return str(refused.value)


@pytest.mark.parametrize("name", [CLAIM_FILE, NODE_FILE, PORT_FILE, "nats-token", "nats-server.conf"])
async def test_a_file_that_can_not_be_used_is_named(settings: Settings, name: str) -> None:
    (settings.data_dir / name).mkdir(parents=True)
    assert name in await refusal(settings)


async def test_a_port_file_of_nonsense_is_replaced(settings: Settings) -> None:
    settings.data_dir.mkdir()
    (settings.data_dir / PORT_FILE).write_bytes(b"\xff\xfe")
    async with open_storage(settings) as storage:
        await storage.journal.open()
        await storage.journal.close()


async def test_no_free_port_is_told(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nats_port, "is_free", lambda port: False)
    assert "no free port" in await refusal(settings)


async def test_a_program_that_can_not_be_run_is_named(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "nats-server"
    program.write_text("#!/no/such/interpreter\n")
    program.chmod(0o755)
    monkeypatch.setattr(embedded_nats, "find_nats_server", lambda: program)
    assert str(program) in await refusal(settings)


async def test_what_holds_the_directory_is_told(settings: Settings) -> None:
    with DataDirectory(settings.data_dir):
        assert "process id" in await refusal(settings)


async def test_a_cluster_that_is_not_there_is_told_at_once_and_waited_for(
    absent_servers: NatsServers, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    port = absent_servers.servers[0].port
    settings = Settings(nats_url=f"nats://a-token@127.0.0.1:{port}", nats_replicas=1, data_dir=tmp_path / "data")
    serving = asyncio.Event()
    async with open_storage(settings) as storage:
        app = App(
            settings,
            storage.journal,
            ApiKeys(["a-key-of-tests"]),
            ownership=storage.ownership,
            on_serving=serving.set,
        )
        app.start()
        async with asyncio.timeout(PATIENCE_S):
            while f"connecting to 127.0.0.1:{port}" not in caplog.text:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        done, _ = await asyncio.wait([asyncio.create_task(serving.wait())], timeout=0.5)
        assert not done
        assert "a-token" not in caplog.text
        absent_servers.start()
        await asyncio.wait_for(serving.wait(), PATIENCE_S)
        await app.close()


async def test_who_runs_a_cluster_is_told_what_only_they_can_do(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(data_dir=tmp_path, nats_url="nats://user:secret@127.0.0.1:1", nats_replicas=1)
    async with open_storage(settings) as storage:
        await storage.on_stuck()
    assert "restart the one that leads the stream HANZO_P0" in caplog.text
    assert "127.0.0.1:1" in caplog.text
    assert "secret" not in caplog.text
