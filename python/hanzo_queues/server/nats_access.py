"""How a server shows a NATS cluster who it is, and knows the cluster: what NATS_CREDS, NATS_NKEY_SEED, NATS_CA,
NATS_CERT and NATS_KEY say. Files are read at each connection, so that they can be renewed in their place; and once at
the start, so that what can't be used is told then. Knows no connection.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

CREDS_BEGIN = ("-----BEGIN NATS USER JWT-----", "-----BEGIN USER NKEY SEED-----")


class NatsAccessUnusable(ValueError):
    """The text says which variable, why, and what would be right."""


@dataclass(frozen=True, slots=True)
class NatsAccess:
    """`creds`: a file of them; `nkey_seed`: itself, or its file. `ca`: who vouches for the cluster, in place of those
    whom this machine trusts; `cert`, `key`: this server's own. With `ca` or `cert` no connection is without TLS."""

    creds: Path | None = None
    nkey_seed: str | None = None
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    @property
    def is_encrypted(self) -> bool:
        """Whether a connection must be, whatever its URL says."""
        return self.ca is not None or self.cert is not None

    def options(self) -> dict[str, Any]:
        """Those of a connection of nats-py. Raises NatsAccessUnusable."""
        options: dict[str, Any] = {}
        if self.creds is not None:
            with _saying("NATS_CREDS", "a credentials file, as `nsc generate creds` writes it"):
                _check_creds(self.creds.read_text())
            options["user_credentials"] = str(self.creds)
        if self.nkey_seed is not None:
            with _saying("NATS_NKEY_SEED", "the seed of a user's nkey (SU...), or a file with one"):
                options["nkeys_seed_str"] = _seed(self.nkey_seed)
        if self.is_encrypted:
            with _saying("NATS_CA", "a PEM file of certificates"):
                options["tls"] = context = ssl.create_default_context(cafile=self.ca)
            if self.cert is not None:
                with _saying("NATS_CERT", "a PEM file, and NATS_KEY the one with its key, unencrypted"):
                    context.load_cert_chain(self.cert, self.key, password=_no_password)
        return options


@contextmanager
def _saying(variable: str, right: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:  # an SSLError is an OSError, text that is no UTF-8 a ValueError
        why = str(error)
        raise NatsAccessUnusable(f"{variable}: it can't be used: {why}; it must be {right}.") from error


def _seed(text: str) -> str:
    seed = text if text.startswith("SU") else Path(text).read_text().strip()
    _check_seed(seed)
    return seed


def _check_creds(text: str) -> None:
    lines = text.splitlines()
    told = [after for line, after in pairwise(lines) if line in CREDS_BEGIN]
    if len(told) != len(CREDS_BEGIN):
        raise ValueError("it has no JWT, or no seed")
    _check_seed(told[-1])


def _check_seed(seed: str) -> None:
    import nkeys  # with its cryptography: only for who has a seed

    try:
        nkeys.from_seed(bytearray(seed.encode())).wipe()
    except Exception:  # whatever it takes for a seed that is none; its text might show it
        raise ValueError("it is no seed") from None


def _no_password() -> str:
    raise ValueError("the key is encrypted")
