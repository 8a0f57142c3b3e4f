"""Values on their way in and out: config, messages, errors, access, leases."""

from __future__ import annotations

import copy
import pickle
import tomllib
from datetime import UTC, datetime, timedelta
from enum import Enum
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from hanzo_queues import AsyncQueues, EnqueueResult, EntryResult, Message, MessageView, QueueConfig, QueueInfo, errors
from hanzo_queues.client.access import find_access
from hanzo_queues.client.config import RateLimit, to_wire
from hanzo_queues.client.leases import Leases
from hanzo_queues.client.wire import encode_message, queue_target
from tests.unit.client_stand_in import StandIn, accepted, message, problem, queue

CATALOGUE = tomllib.loads((files("hanzo_queues") / "spec" / "errors.toml").read_text())


# Errors


def test_there_is_a_class_for_every_code() -> None:
    assert set(errors.BY_CODE) == set(CATALOGUE)


@pytest.mark.parametrize("code", CATALOGUE)
def test_a_class_says_what_the_catalogue_says(code: str) -> None:
    error = errors.BY_CODE[code]("detail")
    entry = CATALOGUE[code]
    assert (error.status, error.retryable, error.outcome) == (entry["status"], entry["retryable"], entry["outcome"])
    assert type(error).__name__.lower() == code.replace("_", "")


@pytest.mark.parametrize(
    "error",
    [
        errors.LeaseLost("gone", request_id="abc", errors=({"pointer": "", "detail": "x"},)),
        errors.ServerUnreachable("away", outcome="unknown"),
        errors.OutcomeUnknown("who knows"),
        errors.ClientClosed(),
    ],
)
def test_errors_can_be_copied_and_sent_to_another_process(error: errors.QueuesError) -> None:
    for other in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert type(other) is type(error)
        assert (str(other), other.__dict__) == (str(error), error.__dict__)


# Results


@pytest.mark.parametrize("kind", [EnqueueResult, EntryResult])
def test_results_are_values(kind: type[EnqueueResult] | type[EntryResult]) -> None:
    result, same = (kind.of({"id": "m1", "duplicate": False}) for _ in range(2))
    assert (result == same, hash(result) == hash(same), {result: 1}[same]) == (True, True, 1)
    assert result != kind.of({"id": "m1", "duplicate": True, "state": "done", "result": None})
    with pytest.raises(AttributeError):
        setattr(result, "id", "m2")  # noqa: B010
    for other in (copy.copy(result), pickle.loads(pickle.dumps(result))):
        assert (type(other), other) == (kind, result)


# Config


def test_config_goes_out_in_the_wires_words() -> None:
    config = {
        "max_retries": 5,
        "dead_letter_queue": "dlq",
        "rate_limit": {"requests": 100, "per": "second"},
        "scheduling": {"mode": "strict"},
        "ttl": None,
    }
    assert to_wire(config) == {
        "maxRetries": 5,
        "deadLetterQueue": "dlq",
        "rateLimit": {"requests": 100, "per": "second"},
        "scheduling": {"mode": "strict"},
        "ttl": None,
    }


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"max_retrys": 3}, "'max_retrys': did you mean 'max_retries'"),
        ({"maxRetries": 3}, "'maxRetries': in Python it is 'max_retries'"),
        ({"rate_limit": {"request": 3}}, r"config\['rate_limit'\] has no key 'request': did you mean 'requests'"),
        ({"xyzzy": 3}, "Known: max_retries, visibility_timeout"),
        ({3: 3}, "has no key 3"),
    ],
)
def test_an_unknown_key_names_the_right_one(config: dict[Any, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        to_wire(config)


def test_a_config_of_the_wrong_shape_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="rate_limit"):
        to_wire({"rate_limit": 100})


def test_config_comes_in_typed_and_tolerates_a_newer_server() -> None:
    wire = queue(rateLimit={"requests": 9, "per": "hour", "burst": 9, "shape": "new"}, ofTomorrow=1)
    info = QueueInfo.of(wire)
    assert info.config == QueueConfig(rate_limit=RateLimit(9, "hour", 9))
    assert info.counts.ready == 1
    assert info.created_at == datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)


# Messages


def test_a_message_is_typed() -> None:
    dead = {
        "reason": "rejected",
        "error": "no",
        "sourceQueue": "a",
        "sourceId": "m0",
        "deliveries": 4,
        "attempts": 4,
        "firstFailureAt": "2026-01-02T03:04:05.678Z",
        "lastFailureAt": None,
    }
    received = Message.of(message(1, deadLetter=dead, orderingKey="k", expiresAt="2026-01-03T00:00:00.000Z"))
    assert (received.id, received.payload, received.ordering_key) == ("m1", 1, "k")
    assert received.expires_at == datetime(2026, 1, 3, tzinfo=UTC)
    assert received.dead_letter is not None
    assert (received.dead_letter.reason, received.dead_letter.last_failure_at) == ("rejected", None)


@pytest.mark.parametrize(("state", "name"), [("ready", "readyAt"), ("delayed", "dueAt"), ("dead", "deadAt")])
def test_a_views_instant_is_named_by_its_state(state: str, name: str) -> None:
    view = MessageView.of(message(1, state=state, **{name: "2026-01-03T00:00:00.000Z"}))
    assert view.at == datetime(2026, 1, 3, tzinfo=UTC)


def test_what_is_left_out_is_not_sent() -> None:
    assert encode_message({"payload": None, "priority": None}) == b'{"payload":null}'
    fields = {"payload": 1, "dedup_id": "d", "delay": timedelta(minutes=1)}
    assert encode_message(fields) == b'{"payload":1,"dedupId":"d","delay":60.0}'


@pytest.mark.parametrize(
    ("payload", "says"),
    [(b"raw", "base64"), ({"deep": [b"raw"]}, "base64"), ({1, 2}, "can't hold a set"), ({1: 2}, "str")],
)
def test_what_json_cannot_hold_is_refused_with_a_way_out(payload: Any, says: str) -> None:
    with pytest.raises(TypeError, match=says):
        encode_message({"payload": payload})


def test_a_message_of_a_batch_is_checked_by_name() -> None:
    with pytest.raises(ValueError, match="no field 'dedupId'"):
        encode_message({"payload": 1, "dedupId": "x"})
    with pytest.raises(ValueError, match="backoff has no key 'inital': did you mean 'initial'"):
        encode_message({"payload": 1, "backoff": {"inital": 1}})
    with pytest.raises(ValueError, match="needs a payload"):
        encode_message({"priority": 1})


@pytest.mark.parametrize("messages", [[1], ["payload"], {"payload": 1}, [{"payload": 1}, None]])
@pytest.mark.parametrize("traceparent", [None, lambda: None])
async def test_what_is_no_message_is_refused_with_what_one_is(messages: Any, traceparent: Any) -> None:
    client = AsyncQueues("key", connect=lambda: StandIn(accepted), traceparent=traceparent)
    with pytest.raises(TypeError, match=r"a message to enqueue is a dict, like {'payload': \.\.\.}, not"):
        await client.enqueue_batch("q", messages)


def test_names_are_escaped_in_paths() -> None:
    assert queue_target("a/b?c", "/messages") == "/v1/queues/a%2Fb%3Fc/messages"
    with pytest.raises(TypeError, match="queue is None"):
        queue_target(None)  # type: ignore[arg-type]


class Name(str, Enum):  # noqa: UP042  str() of it is not its value
    MAIL = "mail"


@pytest.mark.parametrize(
    "value", ["mail", "a b", "x+y", "50%", "größe", "", "a-b_c.d~e", 30, 0.25, 1e17, True, Name.MAIL]
)
def test_what_is_asked_is_escaped_in_queries(value: Any) -> None:
    target = queue_target("mail", "/peek", after=value, state=None, limit=10)
    said = value.value if isinstance(value, Name) else value
    assert target == f"/v1/queues/mail/peek?{urlencode({'after': said, 'limit': 10})}"


def test_a_name_can_be_of_an_enum() -> None:
    assert queue_target(Name.MAIL) == "/v1/queues/mail"


async def test_an_atomic_batch_that_is_refused_says_why() -> None:
    results = [{"error": {"code": "batch_aborted", "detail": "another"}}, {"error": {"code": "dedup_conflict"}}]
    client = StandIn(lambda asked: problem(409, "batch_aborted", results=results, failed=2)).client()
    with pytest.raises(errors.BatchAborted) as caught:
        await client.enqueue_batch("q", [{"payload": 1}, {"payload": 2}], atomic=True)
    assert [type(result.error).__name__ for result in caught.value.results] == ["BatchAborted", "DedupConflict"]


# Access


def test_arguments_go_before_variables_before_defaults() -> None:
    env = {"HANZO_URL": "http://there:1/", "HANZO_API_KEY": "of-env"}
    assert str(find_access(None, None, env).url) == "http://there:1"
    assert find_access(None, None, env).api_key == "of-env"
    assert find_access("https://other/base/", "mine", env).api_key == "mine"
    assert str(find_access(None, "k", {}).url) == "http://localhost:8080"


def test_the_generated_key_is_found_on_this_machine_and_stays_on_it(tmp_path: Path) -> None:
    (tmp_path / "api-key").write_text("generated\n")
    env = {"HANZO_DATA_DIR": str(tmp_path)}
    assert find_access(None, None, env).api_key == "generated"
    assert find_access("http://127.0.0.1:9", None, env).api_key == "generated"
    with pytest.raises(ValueError, match="no API key"):
        find_access("http://example.org", None, env)


def test_the_key_is_not_shown(tmp_path: Path) -> None:
    assert "secret" not in repr(find_access(None, "secret", {}))
    with pytest.raises(ValueError, match="copied whole"):
        find_access(None, "two words", {})
    with pytest.raises(ValueError, match="must be like"):
        find_access("localhost:8080", "k", {})
    with pytest.raises(ValueError, match="HANZO_API_KEY"):
        find_access(None, None, {"HANZO_DATA_DIR": str(tmp_path)})


# Leases


def received(number: int, receipt: str = "r") -> Message:
    return Message.of(message(number, receipt=receipt))


def test_a_lease_is_found_by_id_until_it_is_settled() -> None:
    leases = Leases()
    leases.remember([received(1)])
    assert leases.find("m1") == ("q", "m1", "r")
    leases.forget("m1", "r")
    with pytest.raises(errors.ReceiptUnknown, match="'m1'"):
        leases.find("m1")
    assert leases.find(received(1)) == ("q", "m1", "r")


def test_an_older_ack_does_not_forget_a_newer_lease() -> None:
    leases = Leases()
    leases.remember([received(1, "old")])
    leases.remember([received(1, "new")])
    leases.forget("m1", "old")
    assert leases.find("m1") == ("q", "m1", "new")


def test_a_watched_lease_is_settled_by_its_own_receipt_only() -> None:
    leases = Leases()
    old, new = received(1, "old"), received(1, "new")
    for lease in (old, new):
        leases.remember([lease])
        leases.watch(lease)
    leases.forget("m1", "new")
    assert (leases.is_settled(old), leases.is_settled(new)) == (False, True)


def test_leases_are_bounded_by_number_and_time() -> None:
    now = 0.0
    leases = Leases(leases_max=3, clock=lambda: now)
    leases.remember([received(number) for number in range(5)])
    assert len(leases) == 3
    now = 100_000.0
    leases.remember([received(9)])
    assert len(leases) == 1


async def test_what_was_received_is_settled_by_id() -> None:
    def answers(asked: Any) -> Any:
        if asked.method == "GET":
            return {"messages": [message(1)]}
        return {"acks": [{"state": "acked", "already": False}], "failed": 0}

    client = StandIn(answers).client()
    [only] = await client.receive("q")
    assert (await client.ack(only.id)).already is False
    with pytest.raises(errors.ReceiptUnknown):
        await client.ack(only.id)


async def test_an_empty_receive_says_why() -> None:
    client = StandIn(lambda asked: {"messages": [], "limitedBy": "queue", "retryAfter": 0.5}).client()
    empty = await client.receive("q", max_messages=5, wait_time=timedelta(seconds=2))
    assert (empty, empty.limited_by, empty.retry_after) == ([], "queue", 0.5)


async def test_computed_durations_are_sent_with_the_three_decimals_that_a_query_takes() -> None:
    server = StandIn(lambda asked: {"messages": []})
    await server.client().receive("q", wait_time=0.1 + 0.2, visibility_timeout=10 / 3)
    query = server.asked[0].query
    assert (query["waitTime"], query["visibilityTimeout"]) == ("0.3", "3.333")


async def test_an_argument_that_is_no_number_is_not_silently_the_default() -> None:
    client = StandIn(lambda asked: {}).client()
    with pytest.raises(ValueError, match="delay is nan"):
        await client.enqueue("q", 1, delay=float("nan"))
    with pytest.raises(ValueError, match="delay is inf"):
        await client.nack(Message.of(message(1)), delay=float("inf"))
