"""spec/openapi.yaml is the contract: the same paths, methods, parameters, codes and limits as the server's."""

from __future__ import annotations

import re
from typing import Any

import orjson
import pytest
from openapi_spec_validator import validate

from hanzo_queues.server.limits_table import LIMITS
from hanzo_queues.server.problems import KINDS
from hanzo_queues.server.routes import OPERATIONS
from hanzo_queues.server.routes.openapi import openapi_json
from hanzo_queues.server.settings import BATCH_ENTRIES_MAX_MOST

SPEC: dict[str, Any] = orjson.loads(openapi_json())
SPEC_OPERATIONS = [
    (path, method.upper())
    for path, item in SPEC["paths"].items()
    for method in item
    if method in ("get", "put", "post", "patch", "delete")
]
ROUTER_OPERATIONS = [(path, method) for path, operations in OPERATIONS.items() for method in operations]


def resolved(node: Any) -> Any:
    while isinstance(node, dict) and "$ref" in node:
        place: Any = SPEC
        for step in node["$ref"].removeprefix("#/").split("/"):
            place = place[step]
        node = place
    return node


def operation(path: str, method: str) -> dict[str, Any]:
    found: dict[str, Any] = SPEC["paths"][path][method.lower()]
    return found


def parameters(path: str, method: str, place: str) -> dict[str, Any]:
    listed = SPEC["paths"][path].get("parameters", []) + operation(path, method).get("parameters", [])
    every = [resolved(parameter) for parameter in listed]
    return {parameter["name"]: parameter for parameter in every if parameter["in"] == place}


def test_it_is_valid_openapi() -> None:
    validate(SPEC)
    assert SPEC["openapi"].startswith("3.1.")


def test_paths_and_methods_are_the_routers() -> None:
    assert sorted(SPEC_OPERATIONS) == sorted(ROUTER_OPERATIONS)


@pytest.mark.parametrize(("path", "method"), ROUTER_OPERATIONS)
def test_parameters_are_the_routers(path: str, method: str) -> None:
    assert set(parameters(path, method, "query")) == set(OPERATIONS[path][method].query)
    assert set(parameters(path, method, "path")) == set(re.findall(r"{(\w+)}", path))
    assert all(parameter["required"] for parameter in parameters(path, method, "path").values())


@pytest.mark.parametrize(("path", "method"), ROUTER_OPERATIONS)
def test_every_operation_is_complete(path: str, method: str) -> None:
    said = operation(path, method)
    public = OPERATIONS[path][method].public
    assert said["operationId"]
    assert said["summary"]
    assert (said.get("security") == []) == public
    success = [answer for status, answer in said["responses"].items() if status.startswith("2")]
    assert all("example" in resolved(answer)["content"]["application/json"] for answer in success)
    if path.startswith("/v1/"):
        assert {"400", "401", "500", "503"} <= set(said["responses"])
    if "requestBody" in said:
        assert {"413", "415"} <= set(said["responses"])
        assert "example" in said["requestBody"]["content"]["application/json"]


def test_operation_ids_are_unique() -> None:
    ids = [operation(path, method)["operationId"] for path, method in SPEC_OPERATIONS]
    assert len(ids) == len(set(ids))


def test_the_codes_are_the_catalogues() -> None:
    assert SPEC["components"]["schemas"]["ErrorCode"]["enum"] == list(KINDS)


def test_every_code_of_an_answer_has_its_status() -> None:
    wrong = [
        (path, method, status, code)
        for path, method in SPEC_OPERATIONS
        for status, answer in operation(path, method)["responses"].items()
        for code in re.findall(r"`([a-z]+(?:_[a-z]+)+)`", resolved(answer)["description"])
        if code in KINDS and KINDS[code].status != int(status)
    ]
    assert not wrong


def test_every_reference_leads_somewhere() -> None:
    text = openapi_json().decode()
    for reference in set(re.findall(r'"\$ref":"([^"]+)"', text)):
        assert resolved({"$ref": reference})


@pytest.mark.parametrize(
    ("place", "keyword", "value"),
    [
        ("paths//v1/queues/{queue}/messages/get/parameters/1/schema", "maximum", LIMITS["wait_time_ms_max"] / 1000),
        ("paths//v1/queues/{queue}/messages/get/parameters/0/schema", "maximum", BATCH_ENTRIES_MAX_MOST),
        ("paths//v1/queues/get/parameters/1/schema", "maximum", LIMITS["list_limit_max"]),
        ("components/schemas/VisibilityTimeout", "maximum", LIMITS["visibility_timeout_ms_max"] / 1000),
        ("components/schemas/QueueConfig/properties/maxRetries", "maximum", LIMITS["max_retries_max"]),
        ("components/schemas/QueueConfig/properties/dedupWindow", "maximum", LIMITS["dedup_window_ms_max"] / 1000),
        ("components/schemas/NewMessage/properties/delay", "maximum", LIMITS["delay_ms_max"] / 1000),
        ("components/schemas/NewMessage/properties/ttl", "maximum", LIMITS["ttl_ms_max"] / 1000),
        ("components/schemas/NewMessage/properties/dedupId", "maxLength", LIMITS["key_bytes_max"]),
    ],
)
def test_bounds_are_the_limits(place: str, keyword: str, value: float) -> None:
    group, _, rest = place.partition("/")
    node: Any = SPEC[group]
    if group == "paths":
        path = max((path for path in node if rest.startswith(path + "/")), key=len)
        node, rest = node[path], rest[len(path) + 1 :]
    for step in rest.split("/"):
        node = node[int(step) if isinstance(node, list) else step]
    assert node[keyword] == value
