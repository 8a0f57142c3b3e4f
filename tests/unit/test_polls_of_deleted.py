"""A long poll of a queue or group that is deleted is told so, and does not wait for its time."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.unit.served_partition import PARSER, GatedJournal, created, ready, serving


@pytest.mark.parametrize(("group", "whole"), [(None, True), ("audit", True), ("audit", False)])
async def test_a_poll_of_what_is_deleted_is_told(group: str | None, whole: bool) -> None:
    async with serving(GatedJournal()) as partition:
        await created(partition, "q")
        await partition.submit(PARSER.create_group("q", json.dumps({"name": "audit"}).encode()))
        command = PARSER.receive("q", group=group, consumer=None, messages_max=1, visibility_timeout_ms=None)
        line = "q" if group is None else f"q/{group}"
        polling = asyncio.ensure_future(partition.receive(line, command, 20))
        await ready(partition)
        assert partition._polls.parked == 1
        if whole:
            await partition.delete("q", PARSER.delete_queue("q"))
        else:
            await partition.delete("q/audit", PARSER.delete_group("q", "audit"))
        answer = await asyncio.wait_for(polling, 2)
        assert answer.rejection is not None
        assert answer.rejection[0] == ("queue_not_found" if whole else "group_not_found")
