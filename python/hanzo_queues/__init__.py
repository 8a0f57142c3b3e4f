"""Hanzo Queues: the Python SDK. The server is `hanzo_queues.server`, which this module does not import.

Names are loaded when first used, so that the server pays nothing for the client's HTTP library.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hanzo_queues import errors as errors
    from hanzo_queues.client.async_queues import AsyncQueues as AsyncQueues
    from hanzo_queues.client.called import Called as Called
    from hanzo_queues.client.config import QueueConfig as QueueConfig
    from hanzo_queues.client.explanation import Explanation as Explanation
    from hanzo_queues.client.explanation import Reason as Reason
    from hanzo_queues.client.groups import Group as Group
    from hanzo_queues.client.groups import Member as Member
    from hanzo_queues.client.models import AckResult as AckResult
    from hanzo_queues.client.models import DeadLetter as DeadLetter
    from hanzo_queues.client.models import DoneMessage as DoneMessage
    from hanzo_queues.client.models import EnqueueResult as EnqueueResult
    from hanzo_queues.client.models import EntryResult as EntryResult
    from hanzo_queues.client.models import Message as Message
    from hanzo_queues.client.models import MessageView as MessageView
    from hanzo_queues.client.models import NackResult as NackResult
    from hanzo_queues.client.models import Peeked as Peeked
    from hanzo_queues.client.models import Received as Received
    from hanzo_queues.client.models import ReleaseResult as ReleaseResult
    from hanzo_queues.client.queue_info import QueueInfo as QueueInfo
    from hanzo_queues.client.queues import Queues as Queues
    from hanzo_queues.client.registration import Handled as Handled
    from hanzo_queues.client.registration import Limited as Limited
    from hanzo_queues.client.registration import Reject as Reject
    from hanzo_queues.client.registration import Retry as Retry
    from hanzo_queues.client.sweeps import Filter as Filter
    from hanzo_queues.client.sweeps import Sweep as Sweep
    from hanzo_queues.client.sweeps import SweepRate as SweepRate
    from hanzo_queues.errors import QueuesError as QueuesError

_HOMES = {
    "AckResult": "client.models",
    "AsyncQueues": "client.async_queues",
    "Called": "client.called",
    "DeadLetter": "client.models",
    "DoneMessage": "client.models",
    "EnqueueResult": "client.models",
    "EntryResult": "client.models",
    "Explanation": "client.explanation",
    "Filter": "client.sweeps",
    "Group": "client.groups",
    "Handled": "client.registration",
    "Limited": "client.registration",
    "Member": "client.groups",
    "Message": "client.models",
    "MessageView": "client.models",
    "NackResult": "client.models",
    "Peeked": "client.models",
    "QueueConfig": "client.config",
    "QueueInfo": "client.queue_info",
    "Queues": "client.queues",
    "QueuesError": "errors",
    "Reason": "client.explanation",
    "Received": "client.models",
    "Reject": "client.registration",
    "ReleaseResult": "client.models",
    "Retry": "client.registration",
    "Sweep": "client.sweeps",
    "SweepRate": "client.sweeps",
}

__all__ = [*_HOMES, "errors"]


def __getattr__(name: str) -> Any:
    if name == "errors":
        return importlib.import_module("hanzo_queues.errors")
    if name not in _HOMES:
        raise AttributeError(f"module 'hanzo_queues' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"hanzo_queues.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
