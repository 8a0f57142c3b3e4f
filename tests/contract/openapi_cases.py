"""Requests that schemathesis makes of spec/openapi.yaml, valid ones and broken ones, and a server in this process.

A request of random names meets nothing but 404 and 401, so most are aimed: at a queue that is there, a message that is
leased, with a receipt that holds and a key that is known.
"""

from __future__ import annotations

from collections import Counter
from typing import Any
from urllib.parse import urlsplit

import orjson
import requests
import schemathesis
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from hanzo_queues.server.routes.openapi import openapi_json
from tests.property.in_process import KEY, InProcess

HOST = "http://server"
QUEUE = "q"
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
Operation = Any  # schemathesis.APIOperation and Case take types of their own
Case = Any

SCHEMA = schemathesis.openapi.from_dict(orjson.loads(openapi_json()))
_FOUND: list[Operation] = [found.ok() for found in SCHEMA.get_all_operations() if isinstance(found, Ok)]
OPERATIONS: dict[str, Operation] = {operation.label: operation for operation in _FOUND}


def takes_nothing(operation: Operation) -> bool:
    """Nothing of it can be broken, and there are few ways to ask."""
    return bool(operation.path.startswith("/health/"))


def cases(operation: Operation, valid: bool) -> st.SearchStrategy[Case]:
    """Requests of one operation."""
    mode = GenerationMode.POSITIVE if valid else GenerationMode.NEGATIVE
    named = {"queue": QUEUE} if "{queue}" in operation.path else {}
    aimed = operation.as_strategy(mode, path_parameters=named)
    return st.one_of(aimed, aimed, aimed, operation.as_strategy(mode))


class Target:
    """A server, and how often it answered with which status."""

    def __init__(self) -> None:
        self.server = InProcess()
        self.statuses: Counter[int] = Counter()

    def close(self) -> None:
        self.server.close()

    def aim(self, case: Case) -> None:
        """Names a message that is there, and its receipt."""
        message = self._leased()
        if "message" in case.path_parameters:
            case.path_parameters["message"] = message["id"]
        if isinstance(case.body, dict) and "receipt" in case.body:
            case.body["receipt"] = message["receipt"]
        if isinstance(case.body, dict) and case.operation.path.endswith("/settle"):
            for entry in [entry for entries in case.body.values() for entry in entries]:
                entry.update(id=message["id"], receipt=message["receipt"])

    def _leased(self) -> dict[str, Any]:
        """One of two messages of a new queue."""
        path = f"/v1/queues/{QUEUE}"
        self.server.call("DELETE", path)
        assert self.server.call("POST", "/v1/queues", {"name": QUEUE}).status == 201
        batch = [{"payload": {"to": [1, "two"]}, "orderingKey": "k", "metadata": {"a": None}}, {"payload": None}]
        assert self.server.call("POST", f"{path}/messages/batch", {"messages": batch}).status == 200
        message: dict[str, Any] = self.server.call("GET", f"{path}/messages").json["messages"][0]
        return message

    def check(self, case: Case, known: bool) -> None:
        """Sends it, with a known key or what was made up; the answer is one that the contract describes."""
        sent = requests.Request(**case.as_transport_kwargs(base_url=HOST)).prepare()
        url = urlsplit(sent.url or "")
        body = sent.body.encode() if isinstance(sent.body, str) else sent.body
        headers = {name.lower(): str(value) for name, value in sent.headers.items()}
        if known:
            headers["authorization"] = f"Bearer {KEY}"
        path = url.path + (f"?{url.query}" if url.query else "")
        reply = self.server.call(sent.method or "", path, body, headers)
        self.statuses[reply.status] += 1
        told = {name: [value] for name, value in reply.headers.items()}
        case.validate_response(Response(reply.status, told, reply.text, sent, 0.0, verify=True), checks=CHECKS)
