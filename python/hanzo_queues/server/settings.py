"""The server's settings, read once from the environment.

Owns every variable: its name, default, form and bounds. Unknown or malformed settings never start a server: every fault
is found at once, one sentence each. Must not touch files or the network. Values that may hold secrets are never shown.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hanzo_queues.data_path import HomeUnknown, data_directory
from hanzo_queues.server.limits_table import LIMITS, payload_room
from hanzo_queues.server.nats_access import NatsAccess
from hanzo_queues.server.units import (
    DURATION_FORM,
    SIZE_FORM,
    format_duration,
    format_size,
    parse_duration_ms,
    parse_size_bytes,
)

LOG_LEVELS = ("debug", "info", "warning", "error")
API_KEY_LENGTH_MIN = 8
BATCH_ENTRIES_MAX_MOST = 10_000
DIGITS_MAX = 20
PAYLOAD_MEMORY_BYTES_MIN = 16 * 1024 * 1024
DEDUP_MEMORY_BYTES_MIN = 1024 * 1024
CHECKPOINT_BYTES_MIN = 64 * 1024


class SettingsError(Exception):
    """The environment can't be used. `sentences` says for each fault which variable, why, and what would be right."""

    def __init__(self, sentences: list[str]) -> None:
        super().__init__("\n".join(sentences))
        self.sentences = sentences


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a server was told. Every field is valid, alone and together."""

    nats_url: str | None = None
    nats_replicas: int = 1
    nats_creds: Path | None = None
    nats_nkey_seed: str | None = None
    nats_ca: Path | None = None
    nats_cert: Path | None = None
    nats_key: Path | None = None
    host: str = "127.0.0.1"
    port: int = 8080
    log_level: str = "info"
    visibility_timeout_ms: int = 30_000
    max_retries: int = 3
    batch_entries_max: int = 100
    payload_bytes_max: int = 1024 * 1024
    payload_memory_bytes: int = 256 * 1024 * 1024
    dedup_memory_bytes: int = 1024**3
    checkpoint_bytes: int = 16 * 1024 * 1024
    api_keys: tuple[str, ...] = ()
    data_dir: Path = Path("hanzo-data")

    @property
    def nats_access(self) -> NatsAccess:
        """How the cluster lets this server in."""
        return NatsAccess(self.nats_creds, self.nats_nkey_seed, self.nats_ca, self.nats_cert, self.nats_key)


def _whole_number(least: int, most: int, example: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        # A bound on the length, too: reading a number costs the square of it.
        value = int(text) if text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX else -1
        if not least <= value <= most:
            raise ValueError(f"a whole number from {least} to {most}, like {example}")
        return value

    return parse


def _between(
    parse_text: Callable[[str], int], least: int, most: int, form: str, say: Callable[[int], str]
) -> Callable[[str], int]:
    def parse(text: str) -> int:
        value = parse_text(text)
        if not least <= value <= most:
            raise ValueError(f"{form}, from {say(least)} to {say(most)}")
        return value

    return parse


def _log_level(text: str) -> str:
    if text.lower() not in LOG_LEVELS:
        raise ValueError("one of " + ", ".join(LOG_LEVELS))
    return text.lower()


def _host(text: str) -> str:
    if "://" in text or "/" in text or " " in text:
        raise ValueError("an address or host name alone, like 127.0.0.1 or 0.0.0.0; the port is set by PORT")
    return text


def _nats_url(text: str) -> str:
    form = "one or more nats:// or tls:// addresses, separated by commas, like nats://10.0.0.1:4222"
    for address in text.split(","):
        try:
            parts = urlsplit(address.strip())
            valid = parts.scheme in ("nats", "tls") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            valid = False
        if not valid:
            raise ValueError(form)
    return text


def _api_keys(text: str) -> tuple[str, ...]:
    keys = tuple(key.strip() for key in text.split(","))
    if not all(len(key) >= API_KEY_LENGTH_MIN and key.isascii() and key.isprintable() for key in keys):
        raise ValueError(f"keys of at least {API_KEY_LENGTH_MIN} printable ASCII characters, separated by commas")
    if any(" " in key for key in keys):
        raise ValueError("keys without spaces, separated by commas")
    return keys


def _redis_url(text: str) -> None:
    raise ValueError(
        "unset: limits are not shared between nodes yet, and each limit is exact on the one node that keeps it"
    )


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable of the environment. `parse` raises ValueError with what would be right."""

    name: str
    field: str | None
    parse: Callable[[str], Any]
    default: str
    meaning: str
    secret: bool = False


VARIABLES = (
    Variable(
        "NATS_URL", "nats_url", _nats_url, "unset", "the NATS cluster to join; unset: an embedded nats-server", True
    ),
    Variable(
        "NATS_REPLICAS", "nats_replicas", _whole_number(1, 5, 3), "3 with NATS_URL, else 1", "copies of the journal"
    ),
    Variable("NATS_CREDS", "nats_creds", Path, "unset", "a credentials file of a user of that cluster"),
    Variable("NATS_NKEY_SEED", "nats_nkey_seed", str, "unset", "a user's nkey seed, or a file with it", True),
    Variable("NATS_CA", "nats_ca", Path, "unset", "a PEM file: who vouches for the cluster's TLS certificates"),
    Variable("NATS_CERT", "nats_cert", Path, "unset", "a PEM file: this server's own certificate for the cluster"),
    Variable("NATS_KEY", "nats_key", Path, "unset", "a PEM file: the key of NATS_CERT"),
    Variable("REDIS_URL", None, _redis_url, "unset", "refused until limits are shared between nodes", True),
    Variable("HOST", "host", _host, "127.0.0.1", "the address to listen on; 0.0.0.0 for every interface"),
    Variable("PORT", "port", _whole_number(0, 65535, 8080), "8080", "the port to listen on; 0 picks a free one"),
    Variable("LOG_LEVEL", "log_level", _log_level, "info", "debug, info, warning or error"),
    Variable(
        "DEFAULT_VISIBILITY_TIMEOUT",
        "visibility_timeout_ms",
        _between(parse_duration_ms, 1, LIMITS["visibility_timeout_ms_max"], DURATION_FORM, format_duration),
        "30s",
        "how long a lease lasts in a queue that does not say",
    ),
    Variable(
        "DEFAULT_MAX_RETRIES",
        "max_retries",
        _whole_number(0, LIMITS["max_retries_max"], 3),
        "3",
        "deliveries after a failed first one, in a queue that does not say",
    ),
    Variable(
        "MAX_BATCH_SIZE",
        "batch_entries_max",
        _whole_number(1, BATCH_ENTRIES_MAX_MOST, 100),
        "100",
        "messages of one batch, receive or settle",
    ),
    Variable(
        "HANZO_API_KEYS",
        "api_keys",
        _api_keys,
        "unset: one is generated",
        "keys that clients may use; needed with NATS_URL",
        True,
    ),
    Variable(
        "HANZO_DATA_DIR", None, Path, "~/.local/share/hanzo-queues", "where the journal and the generated key lie"
    ),
    Variable(
        "HANZO_MAX_PAYLOAD",
        "payload_bytes_max",
        _between(parse_size_bytes, 1, LIMITS["request_bytes_max"], SIZE_FORM, format_size),
        "1MiB",
        "the largest payload of one message",
    ),
    Variable(
        "HANZO_PAYLOAD_MEMORY",
        "payload_memory_bytes",
        _between(parse_size_bytes, PAYLOAD_MEMORY_BYTES_MIN, 1024**4, SIZE_FORM, format_size),
        "256MiB",
        "memory for recent payloads; older ones are read from the journal",
    ),
    Variable(
        "HANZO_DEDUP_MEMORY",
        "dedup_memory_bytes",
        _between(parse_size_bytes, DEDUP_MEMORY_BYTES_MIN, 1024**4, SIZE_FORM, format_size),
        "1GiB",
        "memory for dedup ids, 72 bytes each; enqueues with a new id are refused when it is full",
    ),
    Variable(
        "HANZO_CHECKPOINT_EVERY",
        "checkpoint_bytes",
        _between(parse_size_bytes, CHECKPOINT_BYTES_MIN, 1024**4, SIZE_FORM, format_size),
        "16MiB",
        "journal bytes between two checkpoints, at least",
    ),
)
CLIENT_VARIABLES = ("HANZO_API_KEY", "HANZO_URL")  # the SDK's, harmless here


def read_settings(environ: Mapping[str, str]) -> Settings:
    """The settings of `environ`. An empty variable counts as unset. Raises SettingsError with every fault found."""
    faults = [*_unknown(environ)]
    values: dict[str, Any] = {}
    try:
        values["data_dir"] = data_directory(environ)
    except HomeUnknown as unknown:
        faults.append(str(unknown))
    for variable in VARIABLES:
        text = environ.get(variable.name, "").strip()
        if not text:
            continue
        try:
            value = variable.parse(text)
        except ValueError as right:
            shown = "its value (not shown)" if variable.secret else repr(text)
            faults.append(f"{variable.name}: {shown} can't be used; it must be {right}.")
        else:
            if variable.field is not None:
                values[variable.field] = value
    values.setdefault("nats_replicas", 3 if "nats_url" in values else 1)
    settings = Settings(**values)
    faults += _contradictions(settings)
    if faults:
        raise SettingsError(faults)
    return settings


def _unknown(environ: Mapping[str, str]) -> list[str]:
    known = [variable.name for variable in VARIABLES] + list(CLIENT_VARIABLES)
    return [
        _unknown_sentence(name, known) for name in sorted(environ) if name.startswith("HANZO_") and name not in known
    ]


def _unknown_sentence(name: str, known: list[str]) -> str:
    # What they all begin with would make anything look near.
    by_rest = {other.removeprefix("HANZO_"): other for other in known}
    near = difflib.get_close_matches(name.removeprefix("HANZO_"), by_rest, 1, 0.6)
    hanzo = ", ".join(sorted(other for other in known if other.startswith("HANZO_")))
    right = f"did you mean {by_rest[near[0]]}?" if near else f"the variables that begin with HANZO_ are {hanzo}."
    return f"{name}: there is no such setting; {right}"


def _contradictions(settings: Settings) -> list[str]:
    """Settings that are right alone and wrong together."""
    faults = []
    payload_most = payload_room(LIMITS, LIMITS["request_bytes_max"])
    if settings.payload_bytes_max > payload_most:
        faults.append(
            f"HANZO_MAX_PAYLOAD: {format_size(settings.payload_bytes_max)} leaves no room for a message's metadata in "
            f"a request; it must be at most {payload_most} bytes."
        )
    if settings.nats_url is not None and not settings.api_keys:
        faults.append(
            "HANZO_API_KEYS: it is not set, and with NATS_URL every node would make a key of its own that the others "
            "refuse; set the same keys on every node."
        )
    if settings.nats_replicas > 1 and settings.nats_url is None:
        faults.append(
            f"NATS_REPLICAS: {settings.nats_replicas} copies need a NATS cluster, and NATS_URL is not set; "
            "set NATS_URL, or leave NATS_REPLICAS out."
        )
    faults += _contradictions_of_nats(settings)
    if settings.nats_replicas % 2 == 0:
        faults.append(
            f"NATS_REPLICAS: {settings.nats_replicas} copies survive no more failures than "
            f"{settings.nats_replicas - 1}; it must be 1, 3 or 5."
        )
    if settings.payload_memory_bytes < 4 * settings.payload_bytes_max:
        faults.append(
            f"HANZO_PAYLOAD_MEMORY: {format_size(settings.payload_memory_bytes)} holds fewer than four payloads of "
            f"HANZO_MAX_PAYLOAD ({format_size(settings.payload_bytes_max)}); raise it or lower HANZO_MAX_PAYLOAD."
        )
    return faults


def _contradictions_of_nats(settings: Settings) -> list[str]:
    faults = []
    named = {
        "NATS_CREDS": settings.nats_creds, "NATS_NKEY_SEED": settings.nats_nkey_seed, "NATS_CA": settings.nats_ca,
        "NATS_CERT": settings.nats_cert, "NATS_KEY": settings.nats_key,
    }  # fmt: skip
    given = [name for name, value in named.items() if value is not None]
    if settings.nats_url is None:
        return [
            f"{name}: it is for a NATS cluster, and NATS_URL is not set; set NATS_URL, or leave {name} out."
            for name in given
        ]
    who = [name for name in given if name in ("NATS_CREDS", "NATS_NKEY_SEED")]
    if any("@" in address for address in settings.nats_url.split(",")):
        who.append("the user or token in NATS_URL")
    if len(who) > 1:
        faults.append(f"{who[0]}: {' and '.join(who)} say each who this server is; leave all out but one.")
    if ("NATS_CERT" in given) != ("NATS_KEY" in given):
        alone, missing = ("NATS_CERT", "NATS_KEY") if "NATS_CERT" in given else ("NATS_KEY", "NATS_CERT")
        faults.append(f"{alone}: a certificate and its key belong together; set {missing}, too.")
    return faults
