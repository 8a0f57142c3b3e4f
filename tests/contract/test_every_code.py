"""Every code of spec/errors.toml is what a client meets: each is raised here, over HTTP."""

from __future__ import annotations

import pytest

from hanzo_queues.server.problems import KINDS
from tests.contract.refusals import REFUSALS, problem


def test_no_refusal_is_of_a_code_that_is_gone() -> None:
    assert set(REFUSALS) - set(KINDS) == set()


@pytest.mark.parametrize("code", KINDS)
async def test_a_code_is_raised(code: str) -> None:
    assert code in REFUSALS, f"nothing raises {code}: say how in tests/contract/refusals.py"
    reply = await REFUSALS[code]()
    told, kind = problem(reply), KINDS[code]
    assert told["code"] == code, told
    assert reply.status == told["status"] == kind.status
    assert reply.headers["content-type"] == "application/problem+json"
    assert (told["title"], told["retryable"], told["fix"]) == (kind.title, kind.retryable, kind.fix)
