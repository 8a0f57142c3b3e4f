"""Requests to JetStream's API, answered by a stream's leader: JSON in, JSON or a JetStreamRefusal out.

Knows the API's subjects and error codes, not what a journal is.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Coroutine
from typing import Any, TypeVar, cast

import nats.errors
import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg

from hanzo_queues.server.journal.base import JournalError
from hanzo_queues.server.nats_reading import subscribe_directly

STREAM_NOT_FOUND = 10059
STREAM_NAME_IN_USE = 10058
MESSAGE_NOT_FOUND = 10037
WRONG_LAST_SEQUENCE = (10071, 10164)
# The server's limit of file storage, checked before a batch is stored or proposed (since 2.12 in clusters as well).
INSUFFICIENT_RESOURCES = 10023
# Refusals that nats-server makes before a batch is stored or proposed, in every version. Others stay unknown.
REFUSED_BEFORE_STORED = (10054, 10097, 10109)

NOT_FOUND_STATUS = "404"
END_STATUS = "204"  # of several messages

Answer = TypeVar("Answer")


class JetStreamRefusal(JournalError):
    """JetStream said no. `code` is its error code."""

    def __init__(self, code: int, description: str) -> None:
        super().__init__(f"JetStream: {description} ({code})")
        self.code = code
        self.description = description


class JetStreamApi:
    """The API as far as one stream needs it. `timeout_s` bounds each call."""

    def __init__(self, client: Client, stream: str, timeout_s: float) -> None:
        self.client = client
        self._stream = stream
        self._timeout_s = timeout_s
        self._asked: set[asyncio.Task[Any]] = set()

    def give_up(self) -> None:
        """The calls under way raise JournalError now: their connection is lost, and no answer will come."""
        for asked in self._asked:
            asked.cancel()

    async def call(self, verb: str, body: object = None, suffix: str = "") -> dict[str, Any]:
        """`$JS.API.<verb>.<stream><suffix>`. Raises JetStreamRefusal, JournalError."""
        message = await self._request(f"$JS.API.{verb}.{self._stream}{suffix}", body)
        answer = cast("dict[str, Any]", orjson.loads(message.data))
        error = answer.get("error")
        if error:
            raise JetStreamRefusal(int(error.get("err_code", 0)), str(error.get("description", "refused")))
        return answer

    async def message(self, sequence: int) -> bytes | None:
        """One message as the leader has it; None when it has none there."""
        found = await self.find({"seq": sequence})
        return None if found is None else found[1]

    async def find(self, what: dict[str, object]) -> tuple[int, bytes] | None:
        """The message that `what` of STREAM.MSG.GET names, and its sequence, as the leader has it; None: none is."""
        try:
            answer = await self.call("STREAM.MSG.GET", what)
        except JetStreamRefusal as refusal:
            if refusal.code == MESSAGE_NOT_FOUND:
                return None
            raise
        message = answer["message"]
        return int(message["seq"]), base64.b64decode(message.get("data", ""))

    async def direct_message(self, sequence: int) -> bytes | None:
        """One message as any replica has it; None when that replica has none there."""
        message = await self._request(f"$JS.API.DIRECT.GET.{self._stream}", {"seq": sequence})
        headers = message.headers or {}
        if headers.get("Nats-Sequence") == str(sequence):
            return message.data
        if headers.get("Status") == NOT_FOUND_STATUS:
            return None
        raise JournalError(f"JetStream answered {headers} when asked for message {sequence}")

    async def direct_messages(self, first: int, last: int, bytes_max: int) -> list[tuple[int, bytes]]:
        """Messages `first` to `last` as any replica has them, in order: until a gap, the one that brings them to
        `bytes_max`, or the last that replica has."""
        subject = f"$JS.API.DIRECT.GET.{self._stream}"
        what = {"seq": first, "batch": last - first + 1, "max_bytes": bytes_max}
        found: list[tuple[int, bytes]] = []
        for message in await self._under_way(subject, self._several(subject, orjson.dumps(what))):
            if (message.headers or {}).get("Nats-Sequence") != str(first + len(found)):
                break
            found.append((first + len(found), message.data))
        return found

    async def _several(self, subject: str, payload: bytes) -> list[Msg]:
        answers: list[Msg] = []
        ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def receive(message: Msg) -> None:
            status = (message.headers or {}).get("Status")
            if status is None:
                answers.append(message)
            elif not ended.done():
                ended.set_result(status)

        inbox = self.client.new_inbox()
        subscription = await subscribe_directly(self.client, inbox, receive)
        try:
            await self.client.publish(subject, payload, reply=inbox)
            async with asyncio.timeout(self._timeout_s):
                status = await ended
        finally:
            if not self.client.is_closed:
                await subscription.unsubscribe()
        if status not in (END_STATUS, NOT_FOUND_STATUS):
            raise JournalError(f"JetStream answered {status} when asked for messages by {payload.decode()}")
        return answers

    async def _request(self, subject: str, body: object) -> Msg:
        payload = b"" if body is None else orjson.dumps(body)
        return await self._under_way(subject, self.client.request(subject, payload, timeout=self._timeout_s))

    async def _under_way(self, subject: str, asking: Coroutine[Any, Any, Answer]) -> Answer:
        """What `asking` brings; what may go wrong with it as a JournalError."""
        asked = asyncio.create_task(asking)
        self._asked.add(asked)
        asked.add_done_callback(self._asked.discard)
        try:
            await asyncio.wait([asked])
            return asked.result()
        except asyncio.CancelledError:
            current = asyncio.current_task()
            assert current is not None
            if asked.cancelled() and not current.cancelling():  # by `give_up`
                raise JournalError(f"{subject}: the connection to nats-server was lost") from None
            asked.cancel()
            raise
        except TimeoutError:
            raise JournalError(f"{subject}: no answer within {self._timeout_s:g} s") from None
        except nats.errors.NoRespondersError:
            raise JournalError(f"{subject}: nobody answers; is JetStream enabled there?") from None
        except nats.errors.OutboundBufferLimitError:  # there is no buffer: see nats_connection
            raise JournalError(f"{subject}: not sent: there is no connection to nats-server") from None
        except (nats.errors.Error, OSError) as error:
            raise JournalError(f"{subject}: {error}") from error
