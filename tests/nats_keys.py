"""Keys and credentials for nats-servers of tests: an operator's, an account's, and those of users."""

from __future__ import annotations

import base64
import json
import os
import time
from typing import Any

import nkeys


class Keys:
    """A fresh pair. `kind`: as nkeys.PREFIX_BYTE_USER."""

    def __init__(self, kind: int) -> None:
        self.seed = nkeys.encode_seed(os.urandom(32), kind).decode()
        self._pair = nkeys.from_seed(bytearray(self.seed.encode()))
        self.public = self._pair.public_key.decode()

    def signed(self, subject: Keys, name: str, nats: dict[str, Any]) -> str:
        """A JWT about `subject`."""
        claims = {
            "jti": name, "iat": int(time.time()), "iss": self.public, "name": name, "sub": subject.public,
            "nats": {"version": 2, **nats},
        }  # fmt: skip
        head = ".".join(map(_encoded, ({"typ": "JWT", "alg": "ed25519-nkey"}, claims)))
        return f"{head}.{_base64(self._pair.sign(head.encode()))}"


def user() -> Keys:
    return Keys(nkeys.PREFIX_BYTE_USER)


def operated() -> tuple[dict[str, object], str]:
    """Of a nats-server whose users have credentials: its configuration, and the credentials of one."""
    operator, account, one = Keys(nkeys.PREFIX_BYTE_OPERATOR), Keys(nkeys.PREFIX_BYTE_ACCOUNT), user()
    system = Keys(nkeys.PREFIX_BYTE_ACCOUNT)
    everything = dict.fromkeys(("subs", "conn", "leaf", "imports", "exports", "data", "payload"), -1)
    stored = {"mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1}
    limits = {**everything, **stored, "wildcards": True}
    of_account = operator.signed(account, "tests", {"type": "account", "limits": limits})
    of_system = operator.signed(system, "system", {"type": "account", "limits": {**everything, "wildcards": True}})
    of_user = account.signed(one, "one", {"type": "user", "subs": -1, "data": -1, "payload": -1})
    config: dict[str, object] = {
        "operator": operator.signed(operator, "tests", {"type": "operator"}),
        "resolver": "MEMORY",
        "resolver_preload": {account.public: of_account, system.public: of_system},
        "system_account": system.public,
    }
    return config, "\n".join(
        [
            "-----BEGIN NATS USER JWT-----", of_user, "------END NATS USER JWT------", "",
            "-----BEGIN USER NKEY SEED-----", one.seed, "------END USER NKEY SEED------", "",
        ]
    )  # fmt: skip


def _encoded(json_object: dict[str, Any]) -> str:
    return _base64(json.dumps(json_object).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
