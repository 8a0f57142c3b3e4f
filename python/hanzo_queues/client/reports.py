"""What a consumer tells the program it is part of: to its hooks, or to the log. A hook that fails stops nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable

from hanzo_queues.client.models import Message
from hanzo_queues.client.registration import Handled, Registration, Reject, Retry

log = logging.getLogger("hanzo_queues")


class Reports:
    """The hooks of one registration."""

    def __init__(self, options: Registration) -> None:
        self._options = options

    def failed(self, error: BaseException, message: Message | None) -> None:
        """A message failed, or (None) something of the consumer itself."""
        if self._options.on_error is not None:
            self._hook(self._options.on_error, error, message)
        elif message is None:
            log.warning("consumer of %s: %s", self._options.queue, error)
        elif isinstance(error, Retry | Reject):  # the handler meant it: where it says so is no news
            level = logging.WARNING if isinstance(error, Retry) else logging.ERROR
            log.log(level, "message %s of %s failed: %s", message.id, message.queue, said(error))
        else:
            log.error("message %s of %s failed", message.id, message.queue, exc_info=error)

    def handled(self, event: Handled) -> None:
        if self._options.on_handled is not None:
            self._hook(self._options.on_handled, event)

    def _hook(self, hook: Callable[..., object], *arguments: object) -> None:
        try:
            hook(*arguments)
        except Exception:
            log.exception("a hook of the consumer of %s failed", self._options.queue)


def said(error: BaseException) -> str:
    """The error, and what it was raised from unless that was to be hidden."""
    text = f"{type(error).__name__}: {error}"
    cause = error.__cause__ if error.__suppress_context__ else error.__context__
    return text if cause is None else f"{text} (from {type(cause).__name__}: {cause})"
