"""What the core says of requests it can't take: a code, a pointer to each fault, and what would be right."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from hanzo_queues._core import Command, Invalid
from tests.unit.core_journal import new_parser

ID = "00000000000020000000"
RECEIPT = "AAAAAAAAAAEAAAAAAAAAAAABAAAAAU2v0HkQ4mEJ_BQ"
PARSER = new_parser()
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def refusal(parse: Callable[[], object]) -> Invalid:
    with pytest.raises(Invalid) as raised:
        parse()
    assert raised.value.detail
    return raised.value


def faults(parse: Callable[[], object]) -> dict[str, str]:
    return {fault["pointer"]: fault["detail"] for fault in refusal(parse).errors}


@pytest.mark.parametrize(
    ("body", "pointer", "says"),
    [
        ("{}", "/payload", "is required"),
        ("[]", "", "a message, an object; found an array"),
        ("3", "", "found a number"),
        ("null", "", "found null"),
        ('"x"', "", "found a string"),
        ('{"payload":1,"Payload":2}', "/Payload", "did you mean payload?"),
        ('{"payload":1,"dedup_id":"x"}', "/dedup_id", "did you mean dedupId?"),
        ('{"payload":1,"a/b~c":"x"}', "/a~1b~0c", "the fields are payload, priority"),
        ('{"payload":1,"payload":2}', "/payload", "is given twice"),
        ('{"payload":1,"\\u0070ayload":2}', "/payload", "is given twice"),
        ('{"payload":1,"priority":256}', "/priority", "0 to 255; found 256"),
        ('{"payload":1,"priority":-1}', "/priority", "0 to 255; found -1"),
        ('{"payload":1,"priority":1.5}', "/priority", "a whole number"),
        ('{"payload":1,"priority":"1"}', "/priority", "found a string"),
        ('{"payload":1,"priority":1e400}', "/priority", "found 1e400"),
        ('{"payload":1,"delay":-0.5}', "/delay", "a number of seconds, 0 to 315360000; found -0.5"),
        ('{"payload":1,"delay":1e400}', "/delay", "a number of seconds"),
        ('{"payload":1,"delay":true}', "/delay", "found a boolean"),
        ('{"payload":1,"ttl":0}', "/ttl", "0.001 to 315360000"),
        ('{"payload":1,"ttl":0.0001}', "/ttl", "0.001 to 315360000"),
        ('{"payload":1,"maxRetries":1001}', "/maxRetries", "0 to 1000"),
        ('{"payload":1,"backoff":5}', "/backoff", "an object; found a number"),
        ('{"payload":1,"backoff":{"initial":2,"max":1}}', "/backoff/max", "must not be less than initial"),
        ('{"payload":1,"backoff":{"factor":2}}', "/backoff/factor", ""),
        ('{"payload":1,"dedupId":""}', "/dedupId", "must not be empty"),
        ('{"payload":1,"dedupId":7}', "/dedupId", "must be a string; found a number"),
        ('{"payload":1,"orderingKey":"%s"}' % ("k" * 257), "/orderingKey", "has 257 bytes; at most 256"),
        ('{"payload":1,"fairnessKey":"\\ud800"}', "/fairnessKey", "half a surrogate pair"),
        ('{"payload":1,"metadata":[]}', "/metadata", "must be an object; found an array"),
        ('{"payload":1,"metadata":{"a":"%s"}}' % ("m" * 65536), "/metadata", "at most 65536"),
        ('{"payload":1,"traceparent":"00-xyz"}', "/traceparent", "W3C traceparent"),
        ('{"payload":"\\udc00"}', "/payload", "half a surrogate pair"),
        ('{"payload":%s}' % ("[" * 101 + "]" * 101), "/payload", "nested more than 100 levels"),
    ],
)
def test_a_message_with_a_fault(body: str, pointer: str, says: str) -> None:
    found = faults(lambda: PARSER.enqueue("q", body.encode()))
    assert list(found) == [pointer]
    assert says in found[pointer]
    if body.startswith("{"):
        batch = b'{"messages":[{"payload":0},' + body.encode() + b"]}"
        found = faults(lambda: PARSER.enqueue_batch("q", batch))
        assert list(found) == ["/messages/1" + pointer]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"payload":1}x',
        b'{"payload":01}',
        b"{'payload':1}",
        b'{"payload":"\xff"}',
        b'{"payload":1,}',
        b"\xef",
    ],
)
def test_what_is_not_json(body: bytes) -> None:
    for parse in (PARSER.enqueue, PARSER.enqueue_batch, PARSER.settle):
        assert refusal(lambda parse=parse: parse("q", body)).code == "json_invalid"  # type: ignore[misc]
    assert refusal(lambda: PARSER.create_queue(body)).code == "json_invalid"


def test_syntax_is_pointed_at() -> None:
    assert "line 2 column 4" in refusal(lambda: PARSER.enqueue("q", b'{"payload":\n 1 x}')).detail
    assert "byte 12" in refusal(lambda: PARSER.enqueue("q", b'{"payload":"\xff"}')).detail


def test_every_fault_is_named_at_once() -> None:
    body = b'{"priority": "high", "delay": -1, "extra": 0}'
    error = refusal(lambda: PARSER.enqueue("q", body))
    assert {fault["pointer"] for fault in error.errors} == {"/priority", "/delay", "/extra", "/payload"}
    assert error.detail.startswith("4 faults; the first, at /extra: ")
    assert error.code == "request_invalid"


def test_many_faults_are_not_all_listed() -> None:
    body = json.dumps({"payload": 1, **{f"x{n}": n for n in range(5000)}}).encode()
    error = refusal(lambda: PARSER.enqueue("q", body))
    assert len(error.errors) == 20
    assert error.detail.startswith("1000 faults or more; the first, at /x0: ")


def test_limits_have_codes_of_their_own() -> None:
    small = new_parser(payload_bytes_max=10, batch_entries_max=2)
    error = refusal(lambda: small.enqueue("q", b'{"payload": "12345678x"}'))
    assert error.code == "payload_too_large"
    assert error.errors[0]["detail"] == "has 11 bytes; at most 10 are allowed (HANZO_MAX_PAYLOAD)"
    assert small.enqueue("q", b'{"payload": "12345678"}')
    error = refusal(lambda: small.enqueue_batch("q", b'{"messages": [{"payload":1},{"payload":2},{"payload":3}]}'))
    assert (error.code, error.errors[0]["pointer"]) == ("batch_too_large", "/messages")
    assert "has 3 entries; at most 2" in error.detail
    entry = {"id": ID, "receipt": RECEIPT}
    settle = json.dumps({"acks": [entry, entry], "extends": [entry]}).encode()
    assert refusal(lambda: small.settle("q", settle)).code == "batch_too_large"


@pytest.mark.parametrize("name", ["", ".q", "-q", "q/x", "q x", "\u00e9", "q" * 129, "q\n"])
def test_queue_names(name: str) -> None:
    body = json.dumps({"name": name}).encode()
    assert refusal(lambda: PARSER.create_queue(body)).code == "queue_name_invalid"
    assert refusal(lambda: PARSER.queue_of_body(body)).code == "queue_name_invalid"
    assert refusal(lambda: PARSER.enqueue(name, b'{"payload":1}')).code == "queue_name_invalid"
    assert faults(lambda: PARSER.create_queue(json.dumps({"name": "q", "config": {"deadLetterQueue": name}}).encode()))


@pytest.mark.parametrize(
    ("config", "pointer"),
    [
        ([], ""),
        ({"max_retries": 1}, "/max_retries"),
        ({"maxRetries": None}, "/maxRetries"),
        ({"maxRetries": -1}, "/maxRetries"),
        ({"visibilityTimeout": 0}, "/visibilityTimeout"),
        ({"visibilityTimeout": 43200.001}, "/visibilityTimeout"),
        ({"deadLetterQueue": 3}, "/deadLetterQueue"),
        ({"rateLimit": {"requests": 1}}, "/rateLimit/per"),
        ({"rateLimit": {"requests": 0, "per": "second"}}, "/rateLimit/requests"),
        ({"rateLimit": {"requests": 1, "per": "week"}}, "/rateLimit/per"),
        ({"rateLimit": {"requests": 1, "per": "second", "burst": 1000001}}, "/rateLimit/burst"),
        ({"scheduling": "fair"}, "/scheduling"),
        ({"scheduling": {"mode": "FAIR"}}, "/scheduling/mode"),
        ({"scheduling": {"mode": "strict", "agingSeconds": 5}}, "/scheduling/agingSeconds"),
        ({"backoff": {"multiplier": 0.9}}, "/backoff/multiplier"),
        ({"backoff": {"jitter": 1.1}}, "/backoff/jitter"),
        ({"backoff": {"initial": 5, "max": 4}}, "/backoff/max"),
        ({"dedupWindow": 604801}, "/dedupWindow"),
        ({"ttl": 0}, "/ttl"),
        ({"keyRateLimit": {"requests": 1}}, "/keyRateLimit/per"),
        ({"fairness": []}, "/fairness"),
        ({"fairness": {"weights": [1]}}, "/fairness/weights"),
        ({"fairness": {"weights": {"a/b": 0}}}, "/fairness/weights/a~1b"),
        ({"fairness": {"weights": {"": 2}}}, "/fairness/weights/"),
        ({"fairness": {"weights": {str(n): 2 for n in range(1001)}}}, "/fairness/weights"),
        ({"maxMessages": 0}, "/maxMessages"),
        ({"maxInFlight": 0}, "/maxInFlight"),
        ({"sessionTimeout": 0.5}, "/sessionTimeout"),
    ],
)
def test_settings_with_a_fault(config: Any, pointer: str) -> None:
    create = json.dumps({"name": "q", "config": config}).encode()
    assert list(faults(lambda: PARSER.create_queue(create))) == ["/config" + pointer]
    patch = json.dumps({"config": config}).encode()
    assert list(faults(lambda: PARSER.update_queue("q", patch))) == ["/config" + pointer]


@pytest.mark.parametrize(
    ("fields", "code", "pointer"),
    [
        ({}, "request_invalid", "/receipt"),
        ({"receipt": 1}, "request_invalid", "/receipt"),
        ({"receipt": "short"}, "receipt_invalid", "/receipt"),
        ({"receipt": RECEIPT[:-1] + "!"}, "receipt_invalid", "/receipt"),
        ({"receipt": "B" + RECEIPT[1:-1] + "R"}, "receipt_invalid", "/receipt"),
        ({"receipt": RECEIPT[:6] + "A" + RECEIPT[7:10] + "I" + RECEIPT[11:]}, "receipt_invalid", "/receipt"),
        ({"receipt": RECEIPT, "note": 1}, "request_invalid", "/note"),
    ],
)
def test_receipts(fields: dict[str, Any], code: str, pointer: str) -> None:
    body = json.dumps(fields).encode()
    for parse in (PARSER.ack, PARSER.nack, PARSER.extend):
        error = refusal(lambda parse=parse: parse(ID, body))  # type: ignore[misc]
        assert (error.code, [fault["pointer"] for fault in error.errors]) == (code, [pointer])


@pytest.mark.parametrize("message_id", ["", "x", ID[:-1], ID + "0", ID[:-1] + "1", ID.replace("2", "Z"), "0" * 20])
def test_message_ids(message_id: str) -> None:
    body = json.dumps({"receipt": RECEIPT}).encode()
    assert refusal(lambda: PARSER.ack(message_id, body)).code == "message_id_invalid"
    assert refusal(lambda: PARSER.get_message(message_id)).code == "message_id_invalid"
    assert refusal(lambda: PARSER.peek("q", state=None, after=message_id, limit=1)).code == "message_id_invalid"


def receive(**parameters: Any) -> Command:
    defaults: dict[str, Any] = {"group": None, "consumer": None, "messages_max": None, "visibility_timeout_ms": None}
    return PARSER.receive("q", **(defaults | parameters))


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"messages_max": 0}, "maxMessages"),
        ({"messages_max": 101}, "maxMessages"),
        ({"messages_max": -(10**30)}, "maxMessages"),
        ({"messages_max": 10**30}, "maxMessages"),
        ({"visibility_timeout_ms": 0}, "visibilityTimeout"),
        ({"visibility_timeout_ms": 43_200_001}, "visibilityTimeout"),
        ({"consumer": "c" * 257}, "consumerId"),
        ({"group": "g" * 257}, "consumerGroup"),
    ],
)
def test_parameters_of_a_receive(parameters: dict[str, Any], name: str) -> None:
    error = refusal(lambda: receive(**parameters))
    assert (error.code, [fault["pointer"] for fault in error.errors]) == ("request_invalid", [f"?{name}"])
    assert error.detail.startswith(name)
    with pytest.raises(TypeError):
        receive(messages_max="1")


def test_pages_are_bounded() -> None:
    for limit in (0, 1001):
        assert refusal(lambda limit=limit: PARSER.list_queues(None, limit)).code == "request_invalid"  # type: ignore[misc]
    assert refusal(lambda: PARSER.peek("q", state="gone", after=None, limit=None)).code == "request_invalid"


@pytest.mark.parametrize(
    "body",
    [
        {"payload": None, "priority": None, "delay": None, "metadata": None, "dedupId": None},
        {"payload": 1, "priority": 3.0, "delay": 0.001, "ttl": 315360000, "maxRetries": 0, "backoff": {}},
        {"payload": [[1]] * 500, "traceparent": TRACEPARENT, "dedupId": "\u00e9" * 128},
    ],
)
def test_what_is_taken(body: dict[str, Any]) -> None:
    assert PARSER.enqueue("q", json.dumps(body).encode()).batch_bytes_max > 0
    assert PARSER.enqueue_batch("q", json.dumps({"messages": [body] * 100}).encode())


def test_a_long_error_is_refused_before_the_lease_is_lost() -> None:
    body = json.dumps({"receipt": RECEIPT, "error": "e" * 8193}).encode()
    assert list(faults(lambda: PARSER.nack(ID, body))) == ["/error"]
    assert PARSER.nack(ID, json.dumps({"receipt": RECEIPT, "error": "e" * 8192}).encode()).batch_bytes_max > 8192
    assert list(faults(lambda: PARSER.settle("q", b"{}"))) == [""]
