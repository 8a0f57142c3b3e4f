"""The error catalogue, and the problems made from it."""

from __future__ import annotations

import re
from importlib.resources import files

import orjson
import pytest

from hanzo_queues.server import faults
from hanzo_queues.server.faults import Fault
from hanzo_queues.server.limits_table import LIMITS, within_batch
from hanzo_queues.server.problems import KINDS, problem
from hanzo_queues.server.spec_files import read_spec, read_spec_table
from tests.tidy.sources import ROOT

CODES = sorted(KINDS)


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_complete(code: str) -> None:
    kind = KINDS[code]
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", code)
    assert 400 <= kind.status <= 599
    assert not kind.title.endswith(".")
    assert kind.cause.endswith(".")
    assert kind.fix.endswith(".")
    assert kind.outcome in ("none", "unknown")
    assert kind.retryable or kind.status < 500
    assert not kind.retryable or kind.status in (408, 409, 429) or kind.status >= 500
    assert kind.retry_after is None or kind.retryable
    assert kind.retry_after is not None or kind.status != 503


@pytest.mark.parametrize("code", CODES)
def test_every_code_renders(code: str) -> None:
    made = problem(code, "what happened", "id-1")
    body = orjson.loads(made.body)
    kind = KINDS[code]
    assert made.status == body["status"] == kind.status
    assert dict(made.headers)[b"content-type"] == b"application/problem+json"
    assert body["type"] == f"urn:hanzo-queues:problem:{code}"
    assert (body["code"], body["title"], body["detail"], body["fix"]) == (code, kind.title, "what happened", kind.fix)
    assert (body["retryable"], body["outcome"], body["requestId"]) == (kind.retryable, kind.outcome, "id-1")
    assert body.get("retryAfter") == kind.retry_after
    assert (b"retry-after" in dict(made.headers)) == (kind.retry_after is not None)


def test_the_cause_stands_in_for_a_missing_detail() -> None:
    assert orjson.loads(problem("internal_error", "", "id").body)["detail"] == KINDS["internal_error"].cause


def test_errors_members_and_retry_after_are_carried() -> None:
    errors = [{"pointer": "/priority", "detail": "must be from 0 to 255"}]
    made = problem(
        "overloaded", "d", "id", errors=errors, retry_after_s=1.2, outcome="unknown", members=b'{"failed":2}'
    )
    body = orjson.loads(made.body)
    assert body["errors"] == errors
    assert body["failed"] == 2
    assert body["retryAfter"] == 1.2
    assert body["outcome"] == "unknown"
    assert dict(made.headers)[b"retry-after"] == b"2"


def test_every_fault_is_in_the_catalogue_with_its_outcome() -> None:
    found = [value for value in vars(faults).values() if isinstance(value, type) and issubclass(value, Fault)]
    assert len(found) > 3
    assert {(fault.code, fault.outcome) for fault in found} == {
        (fault.code, KINDS[fault.code].outcome) for fault in found
    }


def test_every_code_of_the_core_is_in_the_catalogue() -> None:
    rejections = (ROOT / "rust_core/engine/src/rejection.rs").read_text()
    codes = re.findall(r'=> "([a-z_]+)"', rejections)
    assert "lease_lost" in codes
    assert set(codes) <= set(KINDS)


def test_every_limit_has_a_unit_and_a_reason() -> None:
    for name, limit in read_spec_table("limits.toml").items():
        assert set(limit) == {"value", "unit", "reason"}, name
        assert isinstance(limit["value"], int)
        assert limit["reason"].endswith(".")
        assert (limit["unit"] == "milliseconds") == name.endswith(("_ms", "_ms_max"))
        assert (limit["unit"] == "bytes") == name.endswith(("_bytes_max", "_bytes_min"))


def test_a_small_journal_lowers_what_a_request_may_carry() -> None:
    limits = within_batch(LIMITS, 1_000_000)
    assert limits["request_bytes_max"] == 1_000_000
    assert 900_000 < limits["payload_bytes_max"] < 1_000_000
    assert within_batch(LIMITS, 8_300_000) == LIMITS


@pytest.mark.parametrize("name", ["errors.toml", "limits.toml", "openapi.yaml"])
def test_the_package_ships_the_spec(name: str) -> None:
    """The files in the package are spec/'s own: one source of truth."""
    assert read_spec(name) == (ROOT / "spec" / name).read_bytes()
    assert (files("hanzo_queues") / "spec" / name).is_file()
