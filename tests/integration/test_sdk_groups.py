"""Consumer groups against a real server: their copies, their members, their end."""

from __future__ import annotations

import asyncio

import pytest

from hanzo_queues import AsyncQueues, Message, errors


async def test_each_group_gets_its_own_copy(queues: AsyncQueues, name: str) -> None:
    made = await queues.create_group(name, "audit")
    assert (made.name, made.queue, made.lag) == ("audit", name, 0)
    assert await queues.create_group(name, "audit") == made
    sent = await queues.enqueue(name, 1)
    [own] = await queues.receive(name)
    await queues.ack(own)
    [copy] = await queues.receive(name, consumer_group="audit")
    assert (copy.id, copy.payload) == (sent.id, 1)
    seen = await queues.get_message(sent.id)
    assert seen.state != "done"
    assert seen.groups == {"default": "done", "audit": "leased"}
    audit = await queues.get_group(name, "audit")
    assert (audit.counts.leased, audit.lag) == (1, 0)
    assert [group.name for group in await queues.list_groups(name)] == ["default", "audit"]
    await queues.nack(copy, reject=True, error="no")
    explained = await queues.explain(sent.id, consumer_group="audit")
    assert (explained.group, explained.state) == ("audit", "dead")
    assert await queues.delete_group(name, "audit") == 1
    with pytest.raises(errors.GroupNotFound):
        await queues.get_group(name, "audit")


async def test_consumers_of_two_groups_get_everything_each(queues: AsyncQueues, name: str) -> None:
    await queues.create_group(name, "audit")
    seen: dict[str, list[object]] = {"default": [], "audit": []}

    def declare(group: str) -> None:
        @queues.consumer(name, consumer_group=group)
        async def work(message: Message) -> None:
            seen[group].append(message.payload)
            if all(len(payloads) == 20 for payloads in seen.values()):
                queues.stop()

    for group in seen:
        declare(group)
    await asyncio.gather(*(queues.enqueue(name, number) for number in range(20)))
    await asyncio.wait_for(queues.run(), 30)
    assert {group: sorted(payloads, key=str) for group, payloads in seen.items()} == {
        group: sorted(range(20), key=str) for group in seen
    }


async def test_what_is_refused(queues: AsyncQueues, name: str) -> None:
    with pytest.raises(errors.GroupNameInvalid):
        await queues.create_group(name, "no spaces")
    with pytest.raises(errors.GroupIsDefault):
        await queues.delete_group(name, "default")
    with pytest.raises(errors.GroupNotFound):
        await queues.receive(name, consumer_group="nobody")
