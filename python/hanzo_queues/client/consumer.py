"""One running consumer: finds out what it must know, then polls, handles and stays a member until it is stopped.

Puts the parts together: polling asks for messages, handlers does the work, membership keeps its place in the group.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from hanzo_queues.client.handlers import Handlers
from hanzo_queues.client.membership import Membership
from hanzo_queues.client.polling import Polling, back_off
from hanzo_queues.client.queue_info import QueueInfo
from hanzo_queues.client.registration import Registration
from hanzo_queues.client.reports import Reports
from hanzo_queues.client.retry import is_transient
from hanzo_queues.client.scaling import LOOK_SECONDS, Scale
from hanzo_queues.errors import QueuesError

if TYPE_CHECKING:
    from hanzo_queues.client.async_queues import AsyncQueues


class Consumer:
    """Runs one registration. Belongs to the running event loop."""

    def __init__(self, client: AsyncQueues, options: Registration) -> None:
        self._client = client
        self._options = options
        self._reports = Reports(options)
        self._handlers: Handlers | None = None
        self._membership = Membership(
            client, options.queue, options.consumer_group, options.consumer_id, self._reports.failed
        )

    async def run(self, stopping: asyncio.Event, hurry: asyncio.Event, grace: float) -> None:
        """Until `stopping` is set, and up to `grace` seconds longer unless `hurry` is set. Raises QueuesError when
        it can't even start: no such queue, wrong key."""
        polling = asyncio.create_task(self._start_and_poll())
        stop = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait([polling, stop], return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.cancel()
            polling.cancel()
            await asyncio.wait([polling])
            await self._finish(hurry, grace)
        if not polling.cancelled():
            polling.result()

    async def _start_and_poll(self) -> None:
        queue = await self._find_queue()
        # Leases are always asked for by length, so that a config changed while we run can't make them shorter than
        # we think.
        visibility_timeout = self._options.visibility_timeout or queue.config.visibility_timeout
        self._handlers = Handlers(self._client, self._options, visibility_timeout, self._reports)
        polling = Polling(
            self._client, self._options, visibility_timeout, self._handlers, self._membership, self._reports
        )
        self._membership.start(queue.config.session_timeout)
        scaling = asyncio.create_task(self._scale(self._handlers))
        try:
            await polling.run()
        finally:
            scaling.cancel()

    async def _scale(self, handlers: Handlers) -> None:
        """Looks at backlog and handlers now and then, and sets how many may run. Where the server can't be asked, that
        stays."""
        least, most = self._options.bounds
        scale = Scale(least, most)
        while least < most:
            await asyncio.sleep(LOOK_SECONDS)
            with suppress(QueuesError):
                group = await self._client.get_group(
                    self._options.queue, self._options.consumer_group or "default"
                )
                waiting = group.counts.ready / max(1, len(group.members))  # shared by the members of the group
                handlers.resize(scale.next(handlers.look(waiting)))

    async def _find_queue(self) -> QueueInfo:
        failures = 0
        while True:
            try:
                return await self._client.get(self._options.queue)
            except QueuesError as error:
                if not is_transient(error):
                    raise
                failures += 1
                await back_off(failures, error, self._reports)

    async def _finish(self, hurry: asyncio.Event, grace: float) -> None:
        """Handlers first: leaving gives back whatever is still leased to this member."""
        if self._handlers is None:
            return
        try:
            await self._handlers.finish(hurry, grace)
        finally:
            await self._membership.leave()
