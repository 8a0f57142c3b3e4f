"""The main job on real input: webhook deliveries through the queue, with all that goes wrong in practice.

Starts a server of its own, sends every delivery twice, lets two consumers count them while one is killed (-9) in the
middle, and compares the result with a direct computation. Exits with 1 when anything differs.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from examples.local_server import LocalServer
from examples.webhooks.consumer import QUEUE
from examples.webhooks.deliveries import POISON_ID, Delivery, expected, read_deliveries
from examples.webhooks.results import Results
from hanzo_queues import AsyncQueues, Message

DEAD_LETTERS = "webhooks-dead"
CONFIG = {
    "max_retries": 3,
    "visibility_timeout": 2,
    "dead_letter_queue": DEAD_LETTERS,
    "backoff": {"initial": 0.1, "multiplier": 1, "max": 0.1, "jitter": 0},
}
DIE_AFTER = 20
DRAIN_SECONDS_MAX = 60


def main() -> int:
    """Runs the example; returns the process's exit code."""
    deliveries = read_deliveries()
    with LocalServer() as server:
        results_path = server.directory / "results.sqlite"
        letters = asyncio.run(send_and_wait(server, results_path, deliveries))
        results = Results(results_path)
        faults = [*compare(deliveries, results), *compare_dead_letters(letters)]
        report(results, letters)
        results.close()
    for fault in faults:
        print(f"DIFFERS: {fault}")
    if not faults:
        print(f"equal: {len(deliveries) - 1} deliveries counted once each, 1 poisoned one in {DEAD_LETTERS}")
    return 1 if faults else 0


async def send_and_wait(server: LocalServer, results_path: Path, deliveries: list[Delivery]) -> list[Message]:
    """Sends everything to two running consumers, and returns the dead letters once the queue is empty."""
    async with AsyncQueues(server.api_key, url=server.url) as queues:
        await queues.create(QUEUE, CONFIG)
        with consumers(server, results_path) as (victim, survivor):
            await wait_until_both_poll(queues)
            await send_twice(queues, deliveries)
            await wait_until_empty(queues)
            check(victim.wait(10) == -signal.SIGKILL, f"one consumer was to be killed: {victim.returncode}")
            check(survivor.poll() is None, "the other consumer ended by itself")
        check(survivor.returncode == 0, f"the other consumer did not stop cleanly: {survivor.returncode}")
        letters = await queues.receive(DEAD_LETTERS, max_messages=10)
        for letter in letters:
            await queues.ack(letter)
        return letters


async def send_twice(queues: AsyncQueues, deliveries: list[Delivery]) -> None:
    """First one by one: concurrent calls share requests. Then again in one call: nothing is stored."""
    first = await asyncio.gather(*(queues.enqueue(QUEUE, **message(delivery)) for delivery in deliveries))
    check(not any(result.duplicate for result in first), "a first enqueue was called a duplicate")
    again = await queues.enqueue_batch(QUEUE, [message(delivery) for delivery in deliveries])
    check(all(result.duplicate for result in again), "a second enqueue was not called a duplicate")
    check([result.id for result in first] == [result.id for result in again], "a duplicate got another id")


def message(delivery: Delivery) -> dict[str, Any]:
    """A delivery as the arguments of an enqueue."""
    return {
        "payload": delivery.payload,
        "priority": delivery.priority,
        "dedup_id": delivery.id,
        "metadata": {"event": delivery.event, "delivery": delivery.id},
    }


@contextmanager
def consumers(server: LocalServer, results: Path) -> Iterator[tuple[subprocess.Popen[bytes], subprocess.Popen[bytes]]]:
    """Two consumer processes, the first of which will kill itself. The second one is asked to stop at the end."""
    environment = {**os.environ, "HANZO_URL": server.url, "HANZO_API_KEY": server.api_key}
    command = [sys.executable, "-m", "examples.webhooks.consumer"]
    victim = subprocess.Popen([*command, "victim", str(results), str(DIE_AFTER)], env=environment)
    survivor = subprocess.Popen([*command, "survivor", str(results)], env=environment)
    try:
        yield victim, survivor
    finally:
        for process in (victim, survivor):
            process.terminate()
        for process in (victim, survivor):
            process.wait(30)


async def wait_until_both_poll(queues: AsyncQueues) -> None:
    """Returns when both consumers are there: one alone might do all the work, and the victim live on."""
    deadline = time.monotonic() + DRAIN_SECONDS_MAX
    while len((await queues.get_group(QUEUE)).members) < 2:
        check(time.monotonic() < deadline, "two consumers were to come")
        await asyncio.sleep(0.01)


async def wait_until_empty(queues: AsyncQueues) -> None:
    """Returns when every message is acknowledged or a dead letter."""
    deadline = time.monotonic() + DRAIN_SECONDS_MAX
    while True:
        counts = (await queues.get(QUEUE)).counts
        if not counts.ready + counts.blocked + counts.delayed + counts.leased:
            return
        check(time.monotonic() < deadline, f"the queue did not become empty: {counts}")
        await asyncio.sleep(0.1)


def compare(deliveries: list[Delivery], results: Results) -> Iterator[str]:
    """What is in the results and should not be, or the other way round."""
    wanted, found = expected(deliveries), results.counts()
    for key in sorted(wanted | found):
        if wanted[key] != found[key]:
            yield f"{key}: {found[key]} counted, {wanted[key]} in the file"
    by_id = {delivery.id: delivery for delivery in deliveries}
    for delivery_id, event, priority, payload in results.rows():
        sent = by_id[delivery_id]
        if (event, priority, json.loads(payload)) != (sent.event, sent.priority, sent.payload):
            yield f"{delivery_id}: event, priority or payload is not what was sent"
    if len(results.consumers()) != 2:
        yield f"both consumers were to work: {results.consumers()}"


def compare_dead_letters(letters: list[Message]) -> Iterator[str]:
    """The poisoned delivery, and nothing else, with its reason."""
    if [letter.metadata["delivery"] for letter in letters] != [POISON_ID]:
        yield f"dead letters: {[letter.metadata for letter in letters]}"
        return
    history = letters[0].dead_letter
    if history is None or (history.reason, history.source_queue) != ("retriesExhausted", QUEUE):
        yield f"the dead letter's history: {history}"
    elif "a repository's name is text" not in (history.error or ""):
        yield f"the dead letter's error: {history.error!r}"


def report(results: Results, letters: list[Message]) -> None:
    """A few lines for people."""
    for (event, repository), count in results.counts().most_common(8):
        print(f"{count:5}  {event:20} {repository}")
    print(f"stored by: {results.consumers()} (the victim was killed after {DIE_AFTER})")
    for letter in letters:
        history = letter.dead_letter
        if history is not None:
            error = (history.error or "").partition("\n")[0]
            print(f"dead letter: {history.reason} after {history.attempts} attempts: {error}")


def check(holds: bool, fault: str) -> None:
    """Ends the example when something is not as it must be."""
    if not holds:
        raise SystemExit(f"DIFFERS: {fault}")


if __name__ == "__main__":
    sys.exit(main())
