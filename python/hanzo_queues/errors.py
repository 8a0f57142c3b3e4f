"""Every error the SDK raises: one class per code of spec/errors.toml, and four that need no answer of a server.

Branch on the class or on `code`; texts may change. Each error says what became of the request: `outcome` is "none"
(nothing happened) or "unknown" (it may have been carried out). The tree is shallow on purpose: `QueuesError` catches
everything, `ApiError` whatever the server refused. Must not know how requests are made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from hanzo_queues.client.models import EntryResult

Outcome = Literal["none", "unknown"]


class QueuesError(Exception):
    """The base of all. `retryable`: the same request can succeed later. `outcome`: what became of this one. `results`:
    of `enqueue_batch`, what became of the messages whose requests were answered before."""

    retryable: bool = False
    outcome: Outcome = "none"
    results: tuple[EntryResult, ...] = ()


class ServerUnreachable(QueuesError):
    """No answer came: no connection (`outcome` "none"), or it broke or timed out after sending ("unknown")."""

    retryable = True

    def __init__(self, message: str, *, outcome: Outcome = "none") -> None:
        super().__init__(message)
        self.outcome = outcome


class OutcomeUnknown(QueuesError):
    """A request that is not safe to repeat may have been carried out; `__cause__` is what went wrong.

    An enqueue with a `dedup_id` never raises this: the client repeats it, and at most one message is stored.
    """

    outcome: Outcome = "unknown"


class ReceiptUnknown(QueuesError):
    """A message was named by its id, and this client holds no lease of it. Pass the received message itself."""


class ClientClosed(QueuesError):
    """The client was closed before or while this call ran."""

    def __init__(self, message: str = "the client is closed", *, outcome: Outcome = "none") -> None:
        super().__init__(message)
        self.outcome = outcome


class ApiError(QueuesError):
    """The server's refusal.

    status      the HTTP status; 0 for one entry of a batch whose code this SDK does not know
    code        one of spec/errors.toml; "" when something between client and server answered
    detail      what is wrong, for people
    errors      faults in the request, each {"pointer": JSON pointer, "detail": ...}
    retry_after seconds the server asks to wait, or None
    request_id  names this request in the server's log, or None
    body        the whole answer
    """

    default_status: ClassVar[int] = 0
    default_code: ClassVar[str] = ""

    def __init__(
        self,
        detail: str,
        *,
        status: int | None = None,
        code: str | None = None,
        retryable: bool | None = None,
        outcome: Outcome | None = None,
        retry_after: float | None = None,
        errors: tuple[dict[str, str], ...] = (),
        request_id: str | None = None,
        body: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = self.default_status if status is None else status
        self.code = self.default_code if code is None else code
        self.retryable = type(self).retryable if retryable is None else retryable
        self.outcome = type(self).outcome if outcome is None else outcome
        self.retry_after = retry_after
        self.errors = errors
        self.request_id = request_id
        self.body = body or {}

    def __str__(self) -> str:
        told = (f"{fault.get('pointer', '')}: {fault.get('detail', '')}".lstrip(": ") for fault in self.errors)
        faults = "; ".join(fault for fault in told if fault not in self.detail)
        name = f"{self.code or self.status}: {self.detail}" + (f" ({faults})" if faults else "")
        return name + (f" [request {self.request_id}]" if self.request_id else "")


class RequestInvalid(ApiError):
    """The request breaks the API's rules; `errors` names each fault."""

    default_status, default_code = 400, "request_invalid"


class JsonInvalid(ApiError):
    """The body is not JSON."""

    default_status, default_code = 400, "json_invalid"


class MessageIdInvalid(ApiError):
    """The id is not a message id."""

    default_status, default_code = 400, "message_id_invalid"


class ReceiptInvalid(ApiError):
    """The receipt is not one this server gave out for this message."""

    default_status, default_code = 400, "receipt_invalid"


class QueueNameInvalid(ApiError):
    """A queue's name is a letter or digit, then up to 127 letters, digits, dots, dashes and underscores."""

    default_status, default_code = 400, "queue_name_invalid"


class GroupNameInvalid(ApiError):
    """A consumer group's name is not one that a group may have."""

    default_status, default_code = 400, "group_name_invalid"


class DeadLetterQueueInvalid(ApiError):
    """A queue can't be its own dead-letter queue."""

    default_status, default_code = 400, "dead_letter_queue_invalid"


class Unauthorized(ApiError):
    """The API key is missing or wrong."""

    default_status, default_code = 401, "unauthorized"


class RouteNotFound(ApiError):
    """The server has no such path: check the URL and the server's version."""

    default_status, default_code = 404, "route_not_found"


class MethodNotAllowed(ApiError):
    """The path exists, but not with this method."""

    default_status, default_code = 405, "method_not_allowed"


class QueueNotFound(ApiError):
    """There is no queue of that name."""

    default_status, default_code = 404, "queue_not_found"


class GroupNotFound(ApiError):
    """The queue has no such consumer group."""

    default_status, default_code = 404, "group_not_found"


class SweepNotFound(ApiError):
    """There is no such redrive or sweep, or it ended long ago."""

    default_status, default_code = 404, "sweep_not_found"


class SweepsExhausted(ApiError):
    """As many redrives and sweeps are under way as may be at once."""

    default_status, default_code = 429, "sweeps_exhausted"
    retryable = True


class MessageNotFound(ApiError):
    """There is no such message: acknowledged, dead-lettered under a new id, or expired."""

    default_status, default_code = 404, "message_not_found"


class QueueConflict(ApiError):
    """A queue of that name exists with another config: update it, or create it with its own config."""

    default_status, default_code = 409, "queue_conflict"


class QueuesExhausted(ApiError):
    """The server has as many queues as it takes, dead-letter queues included."""

    default_status, default_code = 409, "queues_exhausted"


class GroupsExhausted(ApiError):
    """The queue has as many consumer groups as may be."""

    default_status, default_code = 409, "groups_exhausted"


class MembersExhausted(ApiError):
    """The consumer group has as many members as may be, until sessions end."""

    default_status, default_code = 429, "members_exhausted"
    retryable = True


class GroupIsDefault(ApiError):
    """The consumer group `default` can't be deleted: every queue has it."""

    default_status, default_code = 409, "group_is_default"


class QueuePaused(ApiError):
    """The queue accepts no messages until it is resumed."""

    default_status, default_code = 409, "queue_paused"
    retryable = True


class RateLimited(ApiError):
    """The queue has accepted as many messages as its `ingress_limit` allows by now; `retry_after` says when to come
    back."""

    default_status, default_code = 429, "rate_limited"
    retryable = True


class DedupMemoryFull(ApiError):
    """The server remembers as many dedup ids as its memory for them allows; duplicates are still recognised."""

    default_status, default_code = 429, "dedup_memory_full"
    retryable = True


class QueueFull(ApiError):
    """The queue holds as many messages as its `max_messages` allows."""

    default_status, default_code = 429, "queue_full"
    retryable = True


class MessageLeased(ApiError):
    """A consumer holds the message: it can't be changed or deleted until the lease ends."""

    default_status, default_code = 409, "message_leased"
    retryable = True


class MessageDead(ApiError):
    """The message is dead: redrive it, or delete it."""

    default_status, default_code = 409, "message_dead"


class DedupConflict(ApiError):
    """The dedup id was used within the window with another payload."""

    default_status, default_code = 409, "dedup_conflict"


class LeaseLost(ApiError):
    """The lease ended; the message may be with another consumer, or done. What you did may be done again."""

    default_status, default_code = 409, "lease_lost"


class BatchAborted(ApiError):
    """An atomic batch stored nothing, because an entry of it was refused: `results` says which, and why."""

    default_status, default_code = 409, "batch_aborted"


class PayloadTooLarge(ApiError):
    """The payload is over the server's limit: store it elsewhere and send a reference."""

    default_status, default_code = 413, "payload_too_large"


class BatchTooLarge(ApiError):
    """The batch has more entries than the server takes."""

    default_status, default_code = 413, "batch_too_large"


class RequestTooLarge(ApiError):
    """The request has more bytes than the server takes: send fewer messages at once."""

    default_status, default_code = 413, "request_too_large"


class HttpMalformed(ApiError):
    """What was sent is not HTTP/1.1: something between client and server changed it."""

    default_status, default_code = 400, "http_malformed"


class RequestTimeout(ApiError):
    """The request's body came too slowly. Repeating it is safe: nothing was done."""

    default_status, default_code = 408, "request_timeout"
    retryable = True


class HeadersTooLarge(ApiError):
    """The request line and the headers have more bytes than the server takes."""

    default_status, default_code = 431, "headers_too_large"


class UnsupportedMediaType(ApiError):
    """The body's content type is not application/json."""

    default_status, default_code = 415, "unsupported_media_type"


class InternalError(ApiError):
    """A bug or a failure in the server; `request_id` finds it in the log."""

    default_status, default_code = 500, "internal_error"
    retryable = True
    outcome: Outcome = "unknown"


class JournalUnavailable(ApiError):
    """The server could not make sure that the change is durable."""

    default_status, default_code = 503, "journal_unavailable"
    retryable = True
    outcome: Outcome = "unknown"


class PartitionRecovering(ApiError):
    """The server reads its journal and serves in a moment."""

    default_status, default_code = 503, "partition_recovering"
    retryable = True


class ShuttingDown(ApiError):
    """The server stops."""

    default_status, default_code = 503, "shutting_down"
    retryable = True


class Overloaded(ApiError):
    """A budget of the server is used up."""

    default_status, default_code = 503, "overloaded"
    retryable = True


BY_CODE: dict[str, type[ApiError]] = {kind.default_code: kind for kind in ApiError.__subclasses__()}
"""Code -> class. A code a newer server knows is raised as plain `ApiError`."""
