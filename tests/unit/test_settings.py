"""Settings: what is read, and that what can't be used never starts a server."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hanzo_queues.server.settings import VARIABLES, Settings, SettingsError, read_settings

MIB = 1024 * 1024
KEYS = {"HANZO_API_KEYS": "test-api-key"}


def refused(environ: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read_settings(environ)
    return caught.value.sentences


def test_the_defaults() -> None:
    settings = read_settings({"HANZO_DATA_DIR": "somewhere"})
    assert settings == Settings(
        nats_url=None,
        nats_replicas=1,
        host="127.0.0.1",
        port=8080,
        log_level="info",
        visibility_timeout_ms=30_000,
        max_retries=3,
        batch_entries_max=100,
        payload_bytes_max=MIB,
        payload_memory_bytes=256 * MIB,
        api_keys=(),
        data_dir=Path("somewhere"),
    )


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        ("NATS_URL", "nats://10.0.0.1:4222,tls://nats.example", "nats_url", "nats://10.0.0.1:4222,tls://nats.example"),
        ("HOST", "0.0.0.0", "host", "0.0.0.0"),
        ("HOST", "::1", "host", "::1"),
        ("PORT", "0", "port", 0),
        ("PORT", "65535", "port", 65535),
        ("PORT", "0080", "port", 80),
        ("LOG_LEVEL", "WARNING", "log_level", "warning"),
        ("DEFAULT_VISIBILITY_TIMEOUT", "45", "visibility_timeout_ms", 45_000),
        ("DEFAULT_VISIBILITY_TIMEOUT", "500ms", "visibility_timeout_ms", 500),
        ("DEFAULT_VISIBILITY_TIMEOUT", "5m", "visibility_timeout_ms", 300_000),
        ("DEFAULT_VISIBILITY_TIMEOUT", "1.5h", "visibility_timeout_ms", 5_400_000),
        ("DEFAULT_VISIBILITY_TIMEOUT", "12h", "visibility_timeout_ms", 43_200_000),
        ("DEFAULT_MAX_RETRIES", "0", "max_retries", 0),
        ("DEFAULT_MAX_RETRIES", "1000", "max_retries", 1000),
        ("MAX_BATCH_SIZE", "1", "batch_entries_max", 1),
        ("MAX_BATCH_SIZE", "10000", "batch_entries_max", 10_000),
        ("HANZO_API_KEYS", "first-key, second-key", "api_keys", ("first-key", "second-key")),
        ("HANZO_DATA_DIR", "data", "data_dir", Path("data")),
        ("HANZO_MAX_PAYLOAD", "64KiB", "payload_bytes_max", 65_536),
        ("HANZO_MAX_PAYLOAD", "2MB", "payload_bytes_max", 2_000_000),
        ("HANZO_PAYLOAD_MEMORY", "1GiB", "payload_memory_bytes", 1024 * MIB),
    ],
)
def test_a_variable_is_read(variable: str, text: str, field: str, value: object) -> None:
    assert getattr(read_settings({**KEYS, variable: text}), field) == value


@pytest.mark.parametrize(
    ("variable", "text", "why"),
    [
        ("NATS_URL", "http://nats:4222", "nats://"),
        ("NATS_URL", "nats://", "nats://"),
        ("NATS_REPLICAS", "7", "from 1 to 5"),
        ("REDIS_URL", "redis://:secret@redis", "not shared between nodes yet"),
        ("HOST", "http://localhost", "host name alone"),
        ("PORT", "80800", "from 0 to 65535"),
        ("PORT", "-1", "from 0 to 65535"),
        ("PORT", "http", "from 0 to 65535"),
        ("PORT", "0" * 20 + "80800", "from 0 to 65535"),
        ("PORT", "0" * 15 + "80800", "from 0 to 65535"),
        ("PORT", "٨٠٨٠", "from 0 to 65535"),
        ("LOG_LEVEL", "loud", "debug, info, warning, error"),
        ("DEFAULT_VISIBILITY_TIMEOUT", "0", "from 1ms to 12h"),
        ("DEFAULT_VISIBILITY_TIMEOUT", "13h", "from 1ms to 12h"),
        ("DEFAULT_VISIBILITY_TIMEOUT", "30 parsecs", "like 500ms, 30s"),
        ("DEFAULT_VISIBILITY_TIMEOUT", "0.0001", "like 500ms, 30s"),
        ("DEFAULT_VISIBILITY_TIMEOUT", "-5s", "like 500ms, 30s"),
        ("DEFAULT_MAX_RETRIES", "1001", "from 0 to 1000"),
        ("DEFAULT_MAX_RETRIES", "0" * 20 + "9999999", "from 0 to 1000"),
        ("MAX_BATCH_SIZE", "0", "from 1 to 10000"),
        ("MAX_BATCH_SIZE", "10001", "from 1 to 10000"),
        ("HANZO_API_KEYS", "short", "at least 8"),
        ("HANZO_API_KEYS", "long-enough,", "at least 8"),
        ("HANZO_API_KEYS", "with a space", "without spaces"),
        ("HANZO_MAX_PAYLOAD", "1 bushel", "like 512KiB"),
        ("HANZO_MAX_PAYLOAD", "1GiB", "from 1 bytes to"),
        ("HANZO_PAYLOAD_MEMORY", "1MiB", "from 16MiB"),
    ],
)
def test_a_malformed_variable_is_refused_in_one_sentence(variable: str, text: str, why: str) -> None:
    (sentence,) = refused({variable: text})
    assert sentence.startswith(f"{variable}: ")
    assert why in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("environ", "variable", "why"),
    [
        ({"HANZO_MAX_PAYLOAD": "7950000"}, "HANZO_MAX_PAYLOAD", "no room"),
        ({"NATS_REPLICAS": "3"}, "NATS_REPLICAS", "NATS_URL is not set"),
        ({"NATS_CREDS": "a.creds"}, "NATS_CREDS", "NATS_URL is not set"),
        ({"NATS_CA": "ca.pem"}, "NATS_CA", "NATS_URL is not set"),
        ({"NATS_URL": "nats://a", "NATS_CREDS": "a", "NATS_NKEY_SEED": "b"}, "NATS_CREDS", "all out but one"),
        ({"NATS_URL": "nats://user:secret@a", "NATS_CREDS": "a"}, "NATS_CREDS", "the user or token in NATS_URL"),
        ({"NATS_URL": "nats://a", "NATS_CERT": "a.pem"}, "NATS_CERT", "set NATS_KEY, too"),
        ({"NATS_URL": "nats://a", "NATS_KEY": "a.key"}, "NATS_KEY", "set NATS_CERT, too"),
        ({"NATS_REPLICAS": "2", "NATS_URL": "nats://a"}, "NATS_REPLICAS", "1, 3 or 5"),
        ({"HANZO_MAX_PAYLOAD": "6MiB", "HANZO_PAYLOAD_MEMORY": "16MiB"}, "HANZO_PAYLOAD_MEMORY", "fewer than four"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(environ: dict[str, str], variable: str, why: str) -> None:
    (sentence,) = refused({**KEYS, **environ})
    assert sentence.startswith(f"{variable}: ")
    assert why in sentence


def test_a_cluster_is_given_its_keys() -> None:
    """Each node would make one that the others refuse."""
    (sentence,) = refused({"NATS_URL": "nats://a:4222"})
    assert sentence.startswith("HANZO_API_KEYS: it is not set")


def test_a_cluster_keeps_three_copies() -> None:
    assert read_settings({**KEYS, "NATS_URL": "nats://a:4222"}).nats_replicas == 3
    assert read_settings({**KEYS, "NATS_URL": "nats://a:4222", "NATS_REPLICAS": "1"}).nats_replicas == 1


@pytest.mark.parametrize(
    ("variable", "right"),
    [
        ("HANZO_APIKEYS", "did you mean HANZO_API_KEYS?"),
        ("HANZO_MAXPAYLOAD", "did you mean HANZO_MAX_PAYLOAD?"),
        ("HANZO_MAX_BATCH_SIZE", "did you mean MAX_BATCH_SIZE?"),
        ("HANZO_PORT", "did you mean PORT?"),
        ("HANZO_XYZZY", "the variables that begin with HANZO_ are"),
    ],
)
def test_an_unknown_variable_is_refused(variable: str, right: str) -> None:
    (sentence,) = refused({variable: "1"})
    assert sentence.startswith(f"{variable}: there is no such setting; ")
    assert right in sentence


def test_variables_of_the_client_and_of_others_are_left_alone() -> None:
    read_settings({"HANZO_API_KEY": "x", "HANZO_URL": "http://localhost:8080", "PORTAL": "1", "PATH": "/bin"})


def test_an_empty_variable_counts_as_unset() -> None:
    environ = {variable.name: "" for variable in VARIABLES}
    assert read_settings(environ) == read_settings({})


def test_every_fault_is_told_at_once() -> None:
    sentences = refused({"PORT": "x", "LOG_LEVEL": "x", "HANZO_TYPO": "x"})
    assert {sentence.partition(":")[0] for sentence in sentences} == {"HANZO_TYPO", "LOG_LEVEL", "PORT"}


@pytest.mark.parametrize("variable", ["NATS_URL", "REDIS_URL", "HANZO_API_KEYS"])
def test_secrets_are_not_shown(variable: str) -> None:
    (sentence,) = refused({variable: "hush:hush hush"})
    assert "hush" not in sentence


def test_every_field_has_a_variable() -> None:
    settable = {variable.field for variable in VARIABLES if variable.field} | {"data_dir"}
    assert settable == {field.name for field in dataclasses.fields(Settings)}


def test_the_command_line_says_what_is_wrong_and_exits_with_2() -> None:
    environ = {**os.environ, "PORT": "80800", "HANZO_TYPO": "1"}
    command = [sys.executable, "-m", "hanzo_queues.server", "serve"]
    ran = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 2
    assert ran.stdout == ""
    lines = ran.stderr.splitlines()
    assert [line.split(":")[1].strip() for line in lines] == ["HANZO_TYPO", "PORT"]
    assert "Traceback" not in ran.stderr
