"""Whether the process runs, and whether it serves. For probes: no key, no journal, no waiting."""

from __future__ import annotations

import orjson

from hanzo_queues.server.call import Call
from hanzo_queues.server.edge import Edge
from hanzo_queues.server.routes.endpoint import Page

LIVE = Page(200, b'{"status":"live"}')
READY = b'{"status":"ready"}'


async def live(edge: Edge, call: Call) -> Page:
    """GET /health/live: 200 while the event loop runs."""
    return LIVE


async def ready(edge: Edge, call: Call) -> Page:
    """GET /health/ready: 200 when every partition serves, with what whoever runs them should know, if anything; else
    503 with what they do."""
    for partition in edge.router.partitions:
        partition.owns()
    states = [partition.state for partition in edge.router.partitions]
    if all(state == "serving" for state in states):
        warnings = [
            {"partition": partition.number, "warning": warning}
            for partition in edge.router.partitions
            if (warning := partition.checkpoint_outage.warning)
        ]
        return Page(200, orjson.dumps({"status": "ready", "warnings": warnings}) if warnings else READY)
    status = next(state for state in states if state != "serving")
    partitions = [{"partition": number, "state": state} for number, state in enumerate(states)]
    return Page(503, orjson.dumps({"status": status, "partitions": partitions}))
