"""Query parameters, strictly: a parameter that is unknown, repeated or malformed is a fault of the request.

Each operation declares its parameters as data; spec/openapi.yaml lists the same ones. Bounds that belong to a limit
are checked where the limit lives, by the parser of the core.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl

from hanzo_queues.server.limits_table import LIMITS
from hanzo_queues.server.problems import Refused

Read = Callable[[str], str | int]
Parameters = Mapping[str, Read]

PARAMETERS_MAX = LIMITS["query_parameters_max"]
NUMBER = re.compile(r"\d{1,15}", re.ASCII)
SECONDS = re.compile(r"(\d{1,12})(?:\.(\d{1,3}))?", re.ASCII)


def text(value: str) -> str:
    """Any text but the empty one."""
    if not value:
        raise ValueError("must not be empty")
    return value


def whole(value: str) -> int:
    """A whole number, not negative."""
    if not NUMBER.fullmatch(value):
        raise ValueError("must be a whole number")
    return int(value)


def seconds(value: str) -> int:
    """Seconds with up to three decimals, as milliseconds."""
    found = SECONDS.fullmatch(value)
    if found is None:
        raise ValueError("must be a number of seconds with at most three decimals, like 20 or 0.5")
    return int(found[1]) * 1000 + int((found[2] or "").ljust(3, "0"))


def parse_query(query: bytes, parameters: Parameters) -> dict[str, str | int]:
    """The parameters of `query` by name. Raises Refused (`request_invalid`) that names each fault as `?name`."""
    values: dict[str, str | int] = {}
    errors: list[dict[str, str]] = []
    for name, value in _pairs(query):
        fault = _fault(name, values, parameters)
        if fault is None:
            try:
                values[name] = parameters[name](value)
            except ValueError as wrong:
                fault = str(wrong)
        if fault is not None:
            errors.append({"pointer": f"?{name}", "detail": fault})
    if errors:
        raise Refused("request_invalid", "The query has faults: see errors.", errors=errors)
    return values


def _pairs(query: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=PARAMETERS_MAX
        )
    except UnicodeDecodeError as error:
        raise Refused("request_invalid", "The query is not UTF-8 in percent-encoding.") from error
    except ValueError as error:
        raise Refused(
            "request_invalid", f"The query has more than {PARAMETERS_MAX} parameters (query_parameters_max)."
        ) from error


def _fault(name: str, seen: Mapping[str, object], parameters: Parameters) -> str | None:
    if name not in parameters:
        known = ", ".join(parameters) or "none"
        return f"unknown parameter; this path and method take: {known}"
    return "sent more than once" if name in seen else None
