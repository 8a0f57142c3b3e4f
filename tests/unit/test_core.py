"""The Rust core through its Python boundary: bytes in, bytes out, and a journal that rebuilds the same state."""

from __future__ import annotations

import gzip
import json

import pytest

from hanzo_queues import _core
from hanzo_queues._core import BatchError, Engine, Invalid, Parser, partition_of_message, verify_batch
from tests.tidy.sources import ROOT
from tests.unit.core_journal import LIMITS, NOW, NOW_MS, CoreJournal, receipt_body


@pytest.fixture
def core() -> CoreJournal:
    core = CoreJournal()
    core.create("orders")
    return core


def webhooks() -> list[bytes]:
    lines = gzip.decompress((ROOT / "examples" / "webhooks" / "deliveries.jsonl.gz").read_bytes()).splitlines()
    return [line.split(b'"payload":', 1)[1].removesuffix(b"}") for line in lines]


# The path of a message


def test_a_message_from_enqueue_to_ack(core: CoreJournal) -> None:
    accepted = core.enqueue("orders", {"n": 1}, priority=7, dedupId="o-1", metadata={"k": [1, None]}, ttl=60)
    assert accepted == {"id": accepted["id"], "state": "ready", "duplicate": False}
    (message,) = core.receive("orders")
    assert len(message.pop("receipt")) == 43
    assert message == {
        "id": accepted["id"],
        "queue": "orders",
        "payload": {"n": 1},
        "priority": 7,
        "metadata": {"k": [1, None]},
        "enqueuedAt": NOW,
        "deliveries": 1,
        "attempts": 0,
        "leasedUntil": "2026-01-02T03:04:35.678Z",
        "expiresAt": "2026-01-02T03:05:05.678Z",
        "dedupId": "o-1",
    }


def test_ack_is_idempotent(core: CoreJournal) -> None:
    core.enqueue("orders", 1)
    (message,) = core.receive("orders")
    command = core.parser.ack(message["id"], receipt_body(message))
    assert core.ask(command) == {"state": "acked", "already": False}
    assert core.ask(command) == {"state": "acked", "already": True}
    assert core.engine.message_count == 0
    assert core.refused(core.parser.get_message(message["id"])) == "message_not_found"


def test_settle_answers_each_entry_in_its_place(core: CoreJournal) -> None:
    for n in range(4):
        core.enqueue("orders", n)
    a, b, c, d = core.receive("orders")
    forged = d["receipt"][:-3] + ("AAA" if not d["receipt"].endswith("AAA") else "BBB")
    entry = {"id": a["id"], "receipt": a["receipt"]}
    acks = [{"id": d["id"], "receipt": forged}, entry, {"id": "x", "receipt": a["receipt"]}, entry]
    nacks = [{"id": b["id"], "receipt": b["receipt"], "delay": 1.5}, {"id": b["id"], "receipt": a["receipt"]}]
    extends = [{"id": c["id"], "receipt": c["receipt"], "visibilityTimeout": 0.25}]
    body = json.dumps({"acks": acks, "nacks": nacks, "extends": extends}).encode()
    result = core.ask(core.parser.settle("orders", body))
    codes = [entry.get("error", {}).get("code") for entry in result["acks"] + result["nacks"]]
    assert codes == ["receipt_invalid", None, "message_id_invalid", None, None, "receipt_invalid"]
    assert (result["acks"][1]["already"], result["acks"][3]["already"]) == (False, True)
    assert result["nacks"][0] == {"state": "delayed", "dueAt": "2026-01-02T03:04:07.178Z"}
    assert result["extends"] == [{"leasedUntil": "2026-01-02T03:04:05.928Z"}]
    assert result["failed"] == 3


def test_a_forged_receipt_never_reaches_the_engine(core: CoreJournal) -> None:
    core.enqueue("orders", 1)
    (message,) = core.receive("orders")
    other = CoreJournal()
    other.keep(other.engine.step(NOW_MS, []))
    stranger = Engine(0)
    stranger.fence(NOW_MS, b"another secret, as long as it is")
    command = core.parser.ack(message["id"], receipt_body(message))
    (reply,) = stranger.step(NOW_MS, [command]).replies
    assert reply.rejection is not None
    assert reply.rejection[0] == "receipt_invalid"
    assert json.loads(reply.render({}))["error"]["code"] == "receipt_invalid"
    (reply,) = core.replies(command)
    assert reply.rejection is None


def test_a_receipt_of_an_earlier_lease_is_lost(core: CoreJournal) -> None:
    core.enqueue("orders", 1)
    (first,) = core.receive("orders")
    core.now_ms += 40_000
    core.replies()
    core.now_ms += 40_000
    (second,) = core.receive("orders")
    assert (second["deliveries"], second["attempts"]) == (2, 1)
    assert core.refused(core.parser.ack(first["id"], receipt_body(first))) == "lease_lost"


def test_release_gives_a_lease_back_without_an_attempt(core: CoreJournal) -> None:
    core.enqueue("orders", 1)
    (reply,) = core.replies(core.receive_command("orders"))
    assert reply.message_count == 1
    release = reply.release()
    assert release is not None
    core.replies(release)
    (message,) = core.receive("orders")
    assert (message["deliveries"], message["attempts"]) == (2, 0)
    (empty,) = core.replies(core.receive_command("orders"))
    assert (empty.message_count, empty.release()) == (0, None)


def test_a_limited_queue_says_when_to_come_back(core: CoreJournal) -> None:
    core.create("slow", rateLimit={"requests": 1, "per": "minute"})
    core.enqueue("slow", 1)
    core.enqueue("slow", 2)
    assert len(core.receive("slow")) == 1
    (reply,) = core.replies(core.receive_command("slow"))
    assert reply.retry_after_ms == 60_000
    assert json.loads(core.rendered(reply)) == {"messages": [], "limitedBy": "queue", "retryAfter": 60}


def test_a_refused_atomic_batch_says_which_entry_and_why(core: CoreJournal) -> None:
    core.enqueue("orders", 1, dedupId="d")
    body = {"messages": [{"payload": 2}, {"payload": 3, "dedupId": "d"}], "atomic": True}
    (reply,) = core.replies(core.parser.enqueue_batch("orders", json.dumps(body).encode()))
    assert reply.rejection is not None
    assert reply.rejection[0] == "batch_aborted"
    result = json.loads(core.rendered(reply))
    assert [entry["error"]["code"] for entry in result["results"]] == ["batch_aborted", "dedup_conflict"]
    assert result["failed"] == 2
    body["atomic"] = False
    result = core.ask(core.parser.enqueue_batch("orders", json.dumps(body).encode()))
    assert [entry.get("state") for entry in result["results"]] == ["ready", None]


def test_created_tells_new_from_known(core: CoreJournal) -> None:
    body = b'{"name": "once", "config": {"maxRetries": 1}}'
    commands = [core.parser.create_queue(body), core.parser.create_queue(body)]
    assert [reply.created for reply in core.replies(*commands)] == [True, False]
    enqueue = core.parser.enqueue("once", b'{"payload": 1, "dedupId": "d"}')
    first, again = core.replies(enqueue, enqueue)
    assert (first.created, again.created) == (True, False)
    assert json.loads(core.rendered(again)) == json.loads(core.rendered(first)) | {"duplicate": True}
    assert core.refused(core.parser.create_queue(b'{"name": "once"}')) == "queue_conflict"


def test_a_queue_is_shown_as_it_can_be_sent_again(core: CoreJournal) -> None:
    config = {
        "maxRetries": 0,
        "visibilityTimeout": 0.5,
        "deadLetterQueue": "dlq",
        "rateLimit": {"requests": 5, "per": "hour", "burst": 9},
        "scheduling": {"mode": "strict"},
        "backoff": {"initial": 0, "multiplier": 1.5, "max": 60, "jitter": 0.125},
        "dedupWindow": 0,
        "delay": 3600,
        "ttl": 86400.001,
        "consumerRateLimit": {"requests": 1, "per": "second", "burst": 1},
        "keyRateLimit": {"requests": 2, "per": "day", "burst": 3},
        "ingressLimit": {"requests": 1000000, "per": "minute", "burst": 1000000},
        "fairness": {"weights": {'"\u00e9"': 1000, "b": 2}, "maxInFlight": 5},
        "maxMessages": 1000000000000,
        "maxInFlight": 7,
        "deadRetention": 60,
        "resultRetention": 0,
        "sessionTimeout": 3600,
    }
    queue = core.create("full", **config)
    assert queue["config"] == config
    assert queue["createdAt"] == NOW
    assert core.create("full", **queue["config"])["config"] == config
    patch = {"config": {"deadLetterQueue": None, "rateLimit": None, "ttl": None, "maxRetries": 2, "maxMessages": None}}
    changed = core.ask(core.parser.update_queue("full", json.dumps(patch).encode()))["config"]
    assert changed == config | {"deadLetterQueue": None, "rateLimit": None, "ttl": None, "maxRetries": 2} | {
        "maxMessages": None
    }
    page = core.ask(core.parser.list_queues(None, 2))
    assert ([queue["name"] for queue in page["queues"]], page["next"]) == (["dlq", "full"], "full")
    assert [queue["name"] for queue in core.ask(core.parser.list_queues("full", None))["queues"]] == ["orders"]


# Bytes


def test_payload_bytes_come_back_exactly(core: CoreJournal) -> None:
    sent = webhooks()
    assert len(sent) == 329
    for start in range(0, len(sent), 100):
        entries = b",".join(b'{"metadata":{"n": 1.0}, "payload": ' + payload + b"}" for payload in sent[start:][:100])
        core.replies(core.parser.enqueue_batch("orders", b'{"messages":[' + entries + b"]}"))
    received = b""
    while replies := [reply for reply in core.replies(core.receive_command("orders")) if reply.message_count]:
        received += core.rendered(replies[0])
    at = 0
    for payload in sent:
        at = received.index(b'"payload":' + payload + b',"priority":1,"metadata":{"n": 1.0}', at)


@pytest.mark.parametrize(
    "payload",
    ["1.0", "1E5", "-0", "123456789012345678901234567890", '"\\u00e9\\/"', '{"b": 1,\t"a":1, "a":\n2}', "null", "[ ]"],
)
def test_a_payload_keeps_its_spelling(core: CoreJournal, payload: str) -> None:
    core.ask(core.parser.enqueue("orders", b' { "payload" :  ' + payload.encode() + b" } "))
    (reply,) = core.replies(core.receive_command("orders"))
    assert f'"payload":{payload},'.encode() in core.rendered(reply)


def test_texts_are_escaped(core: CoreJournal) -> None:
    core.enqueue("orders", 1, dedupId='"\\\n\u2028\U0001f600', orderingKey="\x00", fairnessKey="\u00e9")
    (message,) = core.receive("orders")
    assert message["dedupId"] == '"\\\n\u2028\U0001f600'
    assert (message["orderingKey"], message["fairnessKey"]) == ("\x00", "\u00e9")


def test_a_batch_stays_within_what_its_commands_announced(core: CoreJournal) -> None:
    body = b'{"payload": "%s", "dedupId": "d%d", "orderingKey": "k", "metadata": {"m": 1}, "maxRetries": 9}'
    commands = [core.parser.enqueue("orders", body % (b"x" * 50, n)) for n in range(20)]
    step = core.keep(core.engine.step(core.now_ms, commands))
    assert step.batch is not None
    announced = sum(command.batch_bytes_max for command in commands)
    assert announced - 2000 < len(step.batch) <= announced + _core.step_batch_bytes_min()


def test_commands_of_one_step_keep_their_own_bytes(core: CoreJournal) -> None:
    core.create("dying", maxRetries=0)
    for n in range(3):
        core.enqueue("dying", n)
    messages = core.receive("dying")
    commands = []
    for n, message in enumerate(messages):
        commands.append(
            core.parser.enqueue("orders", json.dumps({"payload": f"p{n}" * 9, "metadata": {"n": n}}).encode())
        )
        commands.append(core.parser.nack(message["id"], receipt_body(message, error=f"error {n}")))
        batch = {"messages": [{"payload": [n, 1]}, {"payload": [n, 2]}]}
        commands.append(core.parser.enqueue_batch("orders", json.dumps(batch).encode()))
    entries = [{"id": m["id"], "receipt": m["receipt"], "error": "late"} for m in messages]
    commands.append(core.parser.settle("dying", json.dumps({"nacks": entries}).encode()))
    core.replies(*commands)
    payloads = [message["payload"] for message in core.receive("orders")]
    assert payloads == [value for n in range(3) for value in (f"p{n}" * 9, [n, 1], [n, 2])]
    peek = core.parser.peek("dying", state="dead", after=None, limit=None)
    assert [dead["deadLetter"]["error"] for dead in core.ask(peek)["messages"]] == ["error 0", "error 1", "error 2"]
    assert core.replayed().state_hash() == core.engine.state_hash()


# The journal


def busy(core: CoreJournal) -> None:
    core.create("mails", deadLetterQueue="mails-dlq", maxRetries=0)
    for n in range(30):
        core.enqueue("mails", n, priority=n % 3, delay=n % 2, dedupId=f"d{n}", orderingKey=f"k{n % 4}")
    core.enqueue("mails", 29, dedupId="d29")
    for _ in range(6):
        core.now_ms += 700
        for n, message in enumerate(core.receive("mails", 5)):
            if n % 3 == 0:
                core.ask(core.parser.ack(message["id"], receipt_body(message)))
            elif n % 3 == 1:
                core.ask(core.parser.nack(message["id"], receipt_body(message, error="e")))
    core.now_ms += 60_000
    core.replies()
    core.ask(core.parser.delete_queue("orders"))


def test_replay_gives_the_same_state(core: CoreJournal) -> None:
    busy(core)
    engine = core.replayed()
    assert engine.state_hash() == core.engine.state_hash()
    assert (engine.lsn, engine.epoch, engine.now_ms) == (core.engine.lsn, 1, core.now_ms)
    assert engine.message_count == core.engine.message_count
    assert engine.queue_count == 2


def test_a_replayed_engine_takes_over(core: CoreJournal) -> None:
    core.enqueue("orders", {"kept": True})
    (message,) = core.receive("orders")
    core.engine = core.replayed()
    core.keep(core.engine.fence(core.now_ms, bytes(32)))
    assert core.engine.epoch == 2
    assert core.ask(core.parser.ack(message["id"], receipt_body(message)))["already"] is False
    assert core.replayed().state_hash() == core.engine.state_hash()


def test_replay_refuses_what_does_not_follow_and_changes_nothing(core: CoreJournal) -> None:
    core.enqueue("orders", 1)
    other = CoreJournal()
    other.create("others")
    foreign = other.keep(other.engine.step(other.now_ms, [other.parser.create_queue(b'{"name": "x"}')])).batch
    assert foreign is not None
    engine = Engine(0)
    engine.replay(1, core.batches[1])
    engine.replay(2, core.batches[2])
    before = engine.state_hash()
    good = core.batches[3]
    cases = [
        (3, foreign, "chain"),
        (3, core.batches[1], "sequence"),
        (4, good, "sequence"),
        (3, good[:-1], "truncated"),
        (3, b"", "truncated"),
        (3, b"HTTP" + good[4:], "magic"),
        (3, good[:4] + b"\xff" + good[5:], "version"),
        (3, good[:-20] + bytes([good[-20] ^ 1]) + good[-19:], "hash"),
        (3, good + b"\x00", "malformed"),
    ]
    for sequence, batch, reason in cases:
        with pytest.raises(BatchError) as raised:
            engine.replay(sequence, batch)
        assert raised.value.reason == reason
        assert (engine.lsn, engine.state_hash()) == (2, before)
    engine.replay(3, good)
    verify_batch(good)
    with pytest.raises(BatchError, match="format 255, written by a newer server"):
        verify_batch(good[:4] + b"\xff" + good[5:])


def test_render_refuses_other_batches(core: CoreJournal) -> None:
    core.enqueue("orders", 1)
    (reply,) = core.replies(core.receive_command("orders"))
    (lsn,) = reply.lsns
    with pytest.raises(KeyError):
        reply.render({})
    with pytest.raises(BatchError):
        reply.render({lsn: core.batches[1]})


def test_nothing_is_answered_before_the_fence() -> None:
    engine = Engine(0)
    with pytest.raises(RuntimeError, match="fence"):
        engine.step(NOW_MS, [])
    assert engine.lsn == 0


def test_a_bug_is_an_exception_and_not_the_end(core: CoreJournal) -> None:
    with pytest.raises(BaseException, match="time goes back"):
        core.engine.step(1, [])


# Names and limits


def test_ids_and_receipts_name_their_partition() -> None:
    engine = Engine(513)
    core = CoreJournal()
    core.engine, core.batches = engine, {}
    core.keep(engine.fence(NOW_MS, bytes(32)))
    core.create("q")
    assert partition_of_message(core.enqueue("q", 1)["id"]) == 513
    assert partition_of_message(core.receive("q")[0]["receipt"]) == 513
    with pytest.raises(Invalid) as raised:
        partition_of_message("nope")
    assert raised.value.code == "message_id_invalid"


def test_missing_limits_are_named() -> None:
    limits = {name: value for name, value in LIMITS.items() if name not in ("ttl_ms_max", "payload_bytes_max")}
    with pytest.raises(ValueError, match="payload_bytes_max, ttl_ms_max"):
        Parser(limits, visibility_timeout_ms=1, max_retries=1)


def test_what_a_router_needs_of_a_body(core: CoreJournal) -> None:
    assert core.parser.queue_of_body(b'{"config": {"maxRetries": "no"}, "name": "q"}') == "q"
