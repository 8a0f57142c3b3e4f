"""What a message tells of its failures, while it lives and when it is dead."""

from __future__ import annotations

import pytest

from tests.unit.core_journal import NOW, CoreJournal, receipt_body


@pytest.fixture
def core() -> CoreJournal:
    core = CoreJournal()
    core.create("orders")
    return core


def test_what_failed_says_how_to_whom_tries_next(core: CoreJournal) -> None:
    core.create("mails")
    core.enqueue("mails", "x")
    (message,) = core.receive("mails")
    assert not {"lastError", "firstFailureAt", "lastFailureAt"} & message.keys()
    core.ask(core.parser.nack(message["id"], receipt_body(message, error="b\u00f6se\n", delay=0)))
    failed = {"lastError": "b\u00f6se\n", "firstFailureAt": NOW, "lastFailureAt": NOW}
    view = core.ask(core.parser.get_message(message["id"]))
    assert failed.items() <= view.items()
    (message,) = core.receive("mails")
    assert failed.items() <= message.items()
    core.ask(core.parser.nack(message["id"], receipt_body(message, reject=True)))
    view = core.ask(core.parser.get_message(message["id"]))
    assert view["deadLetter"]["error"] == "b\u00f6se\n"
    assert not failed.keys() & view.keys()


def test_a_rejected_message_carries_its_history(core: CoreJournal) -> None:
    core.create("mails", deadLetterQueue="mails-dlq")
    core.enqueue("mails", "x", traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    (message,) = core.receive("mails")
    nack = core.parser.nack(message["id"], receipt_body(message, error="b\u00f6se\n", reject=True))
    result = core.ask(nack)
    assert result["state"] == "deadLettered"
    (dead,) = core.ask(core.parser.peek("mails-dlq", state=None, after=None, limit=None))["messages"]
    assert (dead["id"], dead["state"], dead["readyAt"]) == (result["deadLetterId"], "ready", NOW)
    assert dead["deadLetter"] == {
        "reason": "rejected",
        "error": "b\u00f6se\n",
        "sourceQueue": "mails",
        "sourceId": message["id"],
        "deliveries": 1,
        "attempts": 1,
        "firstFailureAt": NOW,
        "lastFailureAt": NOW,
    }
    assert dead["traceparent"] == message["traceparent"]
