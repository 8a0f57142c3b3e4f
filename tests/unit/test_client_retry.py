"""What is tried again, when, and what is not: the table."""

from __future__ import annotations

import asyncio

import pytest

from hanzo_queues import errors
from hanzo_queues.client.http_stream import Answer
from hanzo_queues.client.retry import RetryPolicy
from hanzo_queues.client.transport import error_of, retry_after_of
from hanzo_queues.errors import ApiError, OutcomeUnknown, QueuesError, ServerUnreachable
from tests.unit.client_stand_in import StandIn, answer, problem

REFUSED = ServerUnreachable("refused")
BROKEN = ServerUnreachable("broke", outcome="unknown")


def plain(status: int, **headers: str) -> ApiError:
    """An answer that is not the server's: a proxy's."""
    return error_of(Answer(status, headers, b"<html>"))


@pytest.mark.parametrize(
    ("error", "safe", "unsafe"),
    [
        (REFUSED, True, True),
        (BROKEN, True, False),
        (plain(408), True, True),
        (plain(429), True, True),
        (plain(502), True, False),
        (plain(503), True, False),
        (plain(504), True, False),
        (plain(500), False, False),
        (plain(400), False, False),
        (errors.PartitionRecovering("x"), True, True),
        (errors.ShuttingDown("x"), True, True),
        (errors.Overloaded("x"), True, True),
        (errors.JournalUnavailable("x"), True, False),
        (errors.InternalError("x"), True, False),
        (errors.QueueNotFound("x"), False, False),
        (errors.LeaseLost("x"), False, False),
        (errors.MessageLeased("x"), False, False),
        (errors.ApiError("x", code="of_tomorrow", status=409, retryable=True), True, True),
    ],
    ids=lambda value: f"{type(value).__name__}" if isinstance(value, QueuesError) else str(value),
)
def test_what_is_tried_again(error: QueuesError, safe: bool, unsafe: bool) -> None:
    policy = RetryPolicy()
    assert (policy.next_delay(1, error, safe=True) is not None) is safe
    assert (policy.next_delay(1, error, safe=False) is not None) is unsafe


def test_waits_grow_to_a_bound_and_are_drawn_below_it() -> None:
    policy = RetryPolicy(retries_max=8, delay_initial=0.1, delay_max=5, chance=lambda: 1.0)
    waits = [policy.next_delay(failures, REFUSED, safe=True) for failures in range(1, 10)]
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5, None]
    lowest = RetryPolicy(chance=lambda: 0.0)
    assert lowest.next_delay(5, REFUSED, safe=True) == 0
    assert policy.backoff(10_000) == 5


def test_what_the_server_asks_for_is_a_lower_bound() -> None:
    policy = RetryPolicy(chance=lambda: 1.0)
    assert policy.next_delay(1, errors.Overloaded("x", retry_after=7), safe=True) == 7.1
    assert policy.next_delay(1, errors.Overloaded("x", retry_after=10.5), safe=True) is None


def test_a_call_waits_for_ten_seconds_at_most() -> None:
    policy = RetryPolicy(chance=lambda: 1.0)
    assert policy.next_delay(8, REFUSED, safe=True, waited=6) == 4
    assert policy.next_delay(8, REFUSED, safe=True, waited=10) is None
    asks = errors.QueueFull("x", retry_after=1)
    assert policy.next_delay(2, asks, safe=True, waited=8.9) == 10 - 8.9
    assert policy.next_delay(2, asks, safe=True, waited=9.1) is None


@pytest.mark.parametrize("batch", [False, True])
async def test_a_full_queue_is_told_after_ten_seconds_of_waiting(batch: bool) -> None:
    """Whether the whole request is refused or an entry of one that is shared."""
    refused = problem(429, "queue_full", retryable=True, outcome="none", retryAfter=1)
    of_entry = {"error": {"code": "queue_full", "detail": "full", "retryAfter": 1}}
    server = StandIn(lambda asked: {"results": [of_entry] * len(asked.body["messages"])} if batch else refused)
    client = server.client()
    calls = [client.enqueue("q", number) for number in range(2 if batch else 1)]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {errors.QueueFull}
    assert 9 < sum(server.slept) <= 10


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2", 2.0), ("0.5", 0.5), ("-1", 0.0), ("Thu, 01 Jan 1970 00:01:40 GMT", 40.0), ("soon", None)],
)
def test_retry_after_is_a_number_or_a_date(text: str, seconds: float | None) -> None:
    assert retry_after_of({"Retry-After": text}, now=lambda: 60.0) == seconds


async def test_a_request_is_repeated_until_it_succeeds() -> None:
    tries = [REFUSED, plain(503), problem(503, "shutting_down", retryable=True, outcome="none", retryAfter=2)]
    server = StandIn(lambda asked: tries.pop() if tries else {"messages": 0})
    assert await server.client()._transport.call("GET", "/x", safe=True) == {"messages": 0}
    assert server.slept == [2.1, 0.2, 0.4]


async def test_it_gives_up_with_the_last_error() -> None:
    server = StandIn(lambda asked: ServerUnreachable("refused"))
    with pytest.raises(ServerUnreachable, match="refused"):
        await server.client(retries_max=3).get("q")
    assert len(server.asked) == 4


async def test_an_unknown_outcome_is_said_and_not_tried_again() -> None:
    server = StandIn(lambda asked: ServerUnreachable("broke", outcome="unknown"))
    with pytest.raises(OutcomeUnknown) as caught:
        await server.client().enqueue("q", 1)
    assert caught.value.outcome == "unknown"
    assert "dedup_id" in str(caught.value)
    assert len(server.asked) == 1


async def test_an_earlier_tries_doubt_is_the_last_errors_too() -> None:
    """The first try may have stored the message, though the last one did not even get through."""
    tries = [REFUSED, REFUSED, BROKEN]
    with pytest.raises(ServerUnreachable) as caught:
        await StandIn(lambda asked: tries.pop()).client(retries_max=2).enqueue("q", 1, dedup_id="1")
    assert (str(caught.value), caught.value.outcome) == ("refused", "unknown")


async def test_an_enqueue_that_never_arrived_is_tried_again() -> None:
    tries = [ServerUnreachable("refused")]
    server = StandIn(lambda a: tries.pop() if tries else {"id": "1", "state": "ready", "duplicate": False})
    assert (await server.client().enqueue("q", 1)).id == "1"


async def test_a_problem_becomes_its_class_with_all_it_says() -> None:
    said = problem(
        400,
        "request_invalid",
        errors=[{"pointer": "/priority", "detail": "0 to 255"}],
        requestId="abc",
        retryable=False,
        outcome="none",
    )
    with pytest.raises(errors.RequestInvalid) as caught:
        await StandIn(lambda asked: said).client().enqueue("q", 1, priority=999)
    error = caught.value
    assert (error.status, error.code, error.request_id) == (400, "request_invalid", "abc")
    assert "/priority: 0 to 255" in str(error)
    assert "[request abc]" in str(error)


async def test_a_success_that_is_not_json_is_an_error() -> None:
    with pytest.raises(ApiError, match="not JSON"):
        await StandIn(lambda asked: Answer(200, {}, b"<html>")).client().get("q")


async def test_a_code_of_tomorrow_is_an_api_error() -> None:
    said = answer({"code": "of_tomorrow", "detail": "new"}, 418)
    with pytest.raises(ApiError) as caught:
        await StandIn(lambda asked: said).client().get("q")
    assert type(caught.value) is ApiError
    assert caught.value.code == "of_tomorrow"


async def test_a_problem_of_something_before_the_server_is_an_api_error() -> None:
    said = answer({"title": "Bad", "errors": {"body": ["x"]}, "retryAfter": "soon"}, 400)
    with pytest.raises(ApiError) as caught:
        await StandIn(lambda asked: said).client().get("q")
    assert (str(caught.value), caught.value.retry_after) == ("400: Bad", None)


def test_a_fault_is_told_once() -> None:
    fault = {"pointer": "/priority", "detail": "0 to 255"}
    assert str(errors.RequestInvalid("/priority: 0 to 255", errors=(fault,))) == "request_invalid: /priority: 0 to 255"
    assert str(errors.RequestInvalid("bad", errors=(fault,))) == "request_invalid: bad (/priority: 0 to 255)"
