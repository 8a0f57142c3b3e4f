"""Administration: what goes out, what comes in, and what is repeated when an answer was lost."""

from __future__ import annotations

from typing import Any

import pytest

from hanzo_queues import errors
from tests.unit.client_stand_in import Asked, StandIn, message, problem, queue

LOST = errors.ServerUnreachable("the answer was lost", outcome="unknown")


async def test_queues_are_listed_by_prefix_over_all_pages() -> None:
    pages = [{"queues": [queue("a.1")], "next": "a.1"}, {"queues": [queue("a.2")], "next": None}]
    server = StandIn(lambda asked: pages.pop(0))
    assert [found.name for found in await server.client().list(prefix="a.")] == ["a.1", "a.2"]
    assert [asked.query for asked in server.asked] == [{"prefix": "a."}, {"prefix": "a.", "after": "a.1"}]


async def test_what_is_paused_is_told() -> None:
    paused = {**queue(), "paused": {"enqueue": True, "receive": False, "ofTomorrow": True}}
    seen = await StandIn(lambda asked: paused).client().get("q")
    assert (seen.paused.enqueue, seen.paused.receive) == (True, False)


async def test_a_purge_is_not_repeated_blindly() -> None:
    server = StandIn(lambda asked: LOST)
    with pytest.raises(errors.OutcomeUnknown):
        await server.client().purge("q")
    assert len(server.asked) == 1


@pytest.mark.parametrize("lost", [True, False])
async def test_a_message_that_is_gone_after_a_lost_answer_is_cancelled(lost: bool) -> None:
    answers: list[Any] = [LOST] * lost + [problem(404, "message_not_found")]
    client = StandIn(lambda asked: answers.pop(0)).client()
    if lost:
        await client.cancel_message("m1")
    else:
        with pytest.raises(errors.MessageNotFound):
            await client.cancel_message("m1")


async def test_a_change_sends_what_changes() -> None:
    server = StandIn(lambda asked: message(1, state="ready", readyAt="2026-01-02T03:04:05.678Z"))
    client = server.client()
    assert (await client.update_message("m1", priority=9)).state == "ready"
    await client.run_now("m1")
    assert [(asked.method, asked.path, asked.body) for asked in server.asked] == [
        ("PATCH", "/v1/messages/m1", {"priority": 9}),
        ("PATCH", "/v1/messages/m1", {"delay": 0}),
    ]


async def test_a_retried_change_is_one_that_failed_before() -> None:
    answers: list[Any] = [problem(503, "shutting_down"), message(1, state="ready")]

    def answer(asked: Asked) -> Any:
        return answers.pop(0)

    server = StandIn(answer)
    await server.client().run_now("m1")
    assert len(server.asked) == 2


async def test_what_an_explanation_does_not_have_is_none() -> None:
    reasons = [
        {"code": "leased", "detail": "a", "until": "2026-01-02T03:04:05.678Z", "consumer": "worker"},
        {"code": "key_assigned", "detail": "b", "member": "worker"},
        {"code": "behind", "detail": "c", "ahead": "more than 1000"},
    ]
    told = {"id": "m1", "queue": "q", "group": "audit", "state": "leased", "deliverable": False, "reasons": reasons}
    server = StandIn(lambda asked: told)
    explained = await server.client().explain("m1", consumer_group="audit", consumer_id="me")
    assert server.asked[0].query == {"consumerGroup": "audit", "consumerId": "me"}
    leased, assigned, behind = explained.reasons
    assert (leased.consumer, leased.member, leased.until is None) == ("worker", None, False)
    assert (assigned.consumer, assigned.member, assigned.until) == (None, "worker", None)
    assert (behind.ahead, behind.fields["ahead"]) == (None, "more than 1000")


async def test_peek_sends_its_filters_and_tells_where_the_next_page_begins() -> None:
    server = StandIn(lambda asked: {"messages": [message(1, state="ready")], "next": "m1"})
    page = await server.client().peek("q", state="ready", ordering_key="o", fairness_key="f", limit=1, after="m0")
    assert ([seen.id for seen in page], page.next) == (["m1"], "m1")
    assert server.asked[0].query == {
        "state": "ready",
        "orderingKey": "o",
        "fairnessKey": "f",
        "limit": "1",
        "after": "m0",
    }
