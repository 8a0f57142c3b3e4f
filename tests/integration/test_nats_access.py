"""A NATS cluster that lets in whom it knows, over TLS that an authority of its own vouches for: a server with the right
settings works on it, and one without is told what is wrong, at once or in its log."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from examples.local_server import LocalServer
from hanzo_queues import AsyncQueues
from hanzo_queues.server.journal.base import JournalError
from hanzo_queues.server.journal.jetstream import JetStreamJournal
from hanzo_queues.server.nats_access import NatsAccess
from hanzo_queues.server.nats_binary import find_nats_server
from hanzo_queues.server.nats_connection import NatsEndpoint
from hanzo_queues.server.settings import read_settings
from hanzo_queues.server.storage import StartRefused, open_storage
from tests import nats_keys
from tests.nats_servers import NatsServer, free_ports
from tests.tidy.sources import ROOT

TLS = ROOT / "tests" / "nats_tls"
CA, CERT, KEY = TLS / "ca.pem", TLS / "client.pem", TLS / "client.key"
ENCRYPTED = {"tls": {"cert_file": str(TLS / "server.pem"), "key_file": str(TLS / "server.key")}}
VERIFIED = {"tls": {**ENCRYPTED["tls"], "ca_file": str(CA), "verify": True}}


@contextmanager
def nats_server(directory: Path, **config: Any) -> Iterator[NatsServer]:
    """One, set up so."""
    usual = {
        "server_name": "nats0", "host": "127.0.0.1", "port": free_ports(1)[0], "max_payload": 2 << 20,
        "jetstream": {"store_dir": str(directory / "store"), "sync_interval": "always"},
    }  # fmt: skip
    server = NatsServer(find_nats_server(), {**usual, **config}, directory)
    try:
        server.start()
        server.wait_until_ready()
        yield server
    finally:
        server.kill()


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


async def works(nats: NatsServer, scheme: str, **access: object) -> None:
    """Enqueue, receive and ack, and again when its nats-server was killed in between."""
    url = f"{scheme}://127.0.0.1:{nats.port}"
    environment = {"NATS_URL": url, "NATS_REPLICAS": "1", **{name: str(value) for name, value in access.items()}}
    with LocalServer(environment=environment) as server:
        async with AsyncQueues(server.api_key, url=server.url) as queues:
            await queues.create("mails")
            for payload in ("before", "after"):
                await queues.enqueue("mails", payload, dedup_id=payload)
                (message,) = await queues.receive("mails", wait_time=20)
                assert message.payload == payload
                await queues.ack(message)
                nats.kill()
                nats.start()
                nats.wait_until_ready()
        assert "Traceback" not in server.log_path.read_text()


async def test_an_nkey_over_tls_with_certificates_on_both_sides(tmp_path: Path) -> None:
    """And with no more rights than docs/howto/cluster.md says."""
    user = nats_keys.user()
    rights = {"publish": ["$JS.API.>", "hanzo.>", "$KV.HANZO_OWNERS.>"], "subscribe": ["_INBOX.>"]}
    with nats_server(
        tmp_path, **VERIFIED, authorization={"users": [{"nkey": user.public, "permissions": rights}]}
    ) as nats:
        await works(nats, "tls", NATS_NKEY_SEED=user.seed, NATS_CA=CA, NATS_CERT=CERT, NATS_KEY=KEY)


async def test_credentials_of_an_account(tmp_path: Path) -> None:
    config, creds = nats_keys.operated()
    with nats_server(tmp_path, **config) as nats:
        await works(nats, "nats", NATS_CREDS=written(tmp_path / "one.creds", creds))


async def refusal(nats: NatsServer, scheme: str, access: NatsAccess) -> str:
    """What a journal there says, when it can't be opened."""
    endpoint = NatsEndpoint((f"{scheme}://127.0.0.1:{nats.port}",), access=access)
    journal = JetStreamJournal(endpoint, partition=0, replicas=1, call_timeout_s=1.5)
    with pytest.raises(JournalError) as caught:
        await journal.open()
    await journal.close()
    return str(caught.value)


async def test_who_is_not_let_in_is_told_why(tmp_path: Path) -> None:
    user, other = nats_keys.user(), nats_keys.user()
    seed = written(tmp_path / "seed", f"{user.seed}\n")
    with nats_server(tmp_path, **VERIFIED, authorization={"users": [{"nkey": user.public}]}) as nats:
        assert "Authorization" in await refusal(nats, "tls", NatsAccess(None, other.seed, CA, CERT, KEY))
        assert "CERTIFICATE_VERIFY_FAILED" in await refusal(nats, "tls", NatsAccess(None, str(seed)))
        assert "certificate" in (await refusal(nats, "tls", NatsAccess(None, user.seed, CA))).lower()


@pytest.mark.parametrize(("scheme", "ca"), [("tls", None), ("nats", CA)])
async def test_nothing_is_told_without_the_tls_that_was_asked_for(tmp_path: Path, scheme: str, ca: Path | None) -> None:
    """nats-py would go on in clear."""
    with nats_server(tmp_path) as nats:
        assert "it offers no TLS" in await refusal(nats, scheme, NatsAccess(ca=ca))


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        ({"NATS_CREDS": "none"}, "NATS_CREDS: it can't be used: [Errno 2] No such file or directory: 'none'; it must"),
        ({"NATS_CREDS": str(CA)}, "NATS_CREDS: it can't be used: it has no JWT, or no seed; it must be a credentials"),
        ({"NATS_NKEY_SEED": "SUAKEY"}, "NATS_NKEY_SEED: it can't be used: it is no seed; it must be the seed"),
        ({"NATS_NKEY_SEED": "none"}, "NATS_NKEY_SEED: it can't be used: [Errno 2] No such file"),
        ({"NATS_CA": str(KEY)}, "NATS_CA: it can't be used: [X509: NO_CERTIFICATE_OR_CRL_FOUND]"),
        ({"NATS_CERT": str(CERT), "NATS_KEY": str(TLS / "server.key")}, "NATS_CERT: it can't be used: [X509: KEY"),
    ],
)
async def test_what_can_not_be_used_ends_the_start(tmp_path: Path, variables: dict[str, str], why: str) -> None:
    keys = {"NATS_URL": "tls://127.0.0.1:1", "HANZO_API_KEYS": "test-api-key", "HANZO_DATA_DIR": str(tmp_path)}
    with pytest.raises(StartRefused) as caught:
        async with open_storage(read_settings({**keys, **variables})):
            pass
    assert str(caught.value).startswith(why)
    assert "SUAKEY" not in str(caught.value)


def test_a_server_ends_with_that_sentence(tmp_path: Path) -> None:
    server = LocalServer(environment={"NATS_URL": "nats://127.0.0.1:1", "NATS_CREDS": str(tmp_path / "none")})
    began = time.monotonic()
    try:
        server.spawn()
        assert server.process is not None
        assert server.process.wait(30) != 0
    except subprocess.TimeoutExpired:
        server.close()
        raise
    assert time.monotonic() - began < 20
    assert "NATS_CREDS: it can't be used" in server.log_path.read_text()
    server.close()
