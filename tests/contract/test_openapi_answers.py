"""Whatever is sent, the answer is one that spec/openapi.yaml describes: no 5xx, a status that is listed, the content
type and the schema that belong to it. `make schemathesis` sends 20,000 requests, new ones each time, and prints their
seed.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.contract.openapi_cases import OPERATIONS, Case, Target, cases, takes_nothing

TOTAL = int(os.environ.get("SCHEMATHESIS_CASES", "0"))
SEED = int(os.environ.get("SCHEMATHESIS_SEED", random.SystemRandom().randrange(1 << 32) if TOTAL else 1))
VARIED = [label for label, operation in OPERATIONS.items() if not takes_nothing(operation)]
EACH = TOTAL // (2 * len(VARIED)) + 1 if TOTAL else 40
KNOWN = st.sampled_from([True] * 9 + [False])
"""Whether the key is a known one: not a number, of which 0 would come half of the time."""
KINDS = [(label, valid) for label in OPERATIONS for valid in (True, False) if valid or label in VARIED]


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    target = Target()
    print(f"SCHEMATHESIS_SEED={SEED}")
    yield target
    print(f"{sum(target.statuses.values())} requests: {dict(sorted(target.statuses.items()))}")
    target.close()


@pytest.mark.parametrize(("label", "valid"), KINDS, ids=lambda value: value if isinstance(value, str) else str(value))
def test_every_answer_is_in_the_contract(target: Target, label: str, valid: bool) -> None:
    @seed(SEED)
    @settings(
        max_examples=EACH,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases(OPERATIONS[label], valid), aimed=st.booleans(), known=KNOWN)
    def ask(case: Case, aimed: bool, known: bool) -> None:
        if valid and aimed:
            target.aim(case)
        target.check(case, known)

    ask()


def test_the_requests_reached_what_they_were_aimed_at(target: Target) -> None:
    assert {200, 201, 400, 401, 404, 409} <= set(target.statuses), target.statuses
    assert sum(target.statuses.values()) >= (TOTAL or EACH * len(VARIED))
