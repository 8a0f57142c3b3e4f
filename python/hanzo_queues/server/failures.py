"""Which problem an exception becomes. The one place where the core's, the server's and unforeseen errors meet.

An unforeseen exception is a bug: it is logged with the request's id and its trace, and the client learns the id alone.
"""

from __future__ import annotations

import logging

from hanzo_queues._core import Invalid
from hanzo_queues.server.faults import Fault, PartitionRecovering
from hanzo_queues.server.problems import Problem, Refused, problem

logger = logging.getLogger(__name__)


def problem_of(error: Exception, request_id: str) -> Problem:
    """The answer to a request that ended with `error`."""
    match error:
        case Invalid():
            return problem(error.code, error.detail, request_id, errors=error.errors)
        case Refused():
            refused = problem(error.code, error.detail, request_id, errors=error.errors)
            return Problem(refused.status, refused.headers + tuple(error.headers), refused.body)
        case Fault():
            return problem(
                error.code, error.detail, request_id, retry_after_s=error.retry_after_s, outcome=error.outcome
            )
    logger.error("request %s failed", request_id, exc_info=error)
    return problem("internal_error", "", request_id)


def ends_connection(error: BaseException) -> bool:
    """Whether the client's next request had better come by a new connection: this server may stand by for long, and
    what balances connections leads new ones to the server that serves."""
    return isinstance(error, PartitionRecovering)
