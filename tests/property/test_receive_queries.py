"""A receive's query has two readers: of plain requests the core, of all others the server. They tell the same of each
query that both read, and the core reads every one that is plain and right."""

from __future__ import annotations

import re
from typing import Any, ClassVar, NoReturn

from hypothesis import given, settings
from hypothesis import strategies as st

from hanzo_queues._core import Command, Invalid
from hanzo_queues.server.call import Call
from hanzo_queues.server.problems import Refused
from hanzo_queues.server.query import Read, parse_query, text, whole
from hanzo_queues.server.query import seconds as in_seconds
from hanzo_queues.server.routes.receive import RECEIVE, receive
from tests.unit.core_journal import CoreJournal, new_parser

EXAMPLES = 1000
PARSER = new_parser()
KEY = b"Bearer key"
PLAIN = re.compile(r"(?:[\w.-]+=[\w.-]*(?:&[\w.-]+=[\w.-]*)*)?", re.ASCII)

Receive = tuple[Command, tuple[str, int, str]]
"""The command; the line it waits in, for how many milliseconds, and for which consumer."""

words = st.text("aZ09._-", min_size=1, max_size=4)
digits = st.text("0123456789", min_size=1, max_size=3)
long = st.text("0123456789", min_size=11, max_size=16)
counts = st.one_of(st.integers(1, 100).map(str), digits, long, st.sampled_from((f"{1:015}", f"{1:016}")))
seconds = st.one_of(digits, st.tuples(digits, st.text("059", max_size=4)).map(".".join), long)
texts = st.one_of(st.sampled_from(("default", "g.1", "c")), words)
VALUES: dict[Read, st.SearchStrategy[str]] = {whole: counts, in_seconds: seconds, text: texts}
odd = st.text("a1=&%+;?.-_", max_size=6)
likely = st.fixed_dictionaries(
    {},
    optional={name: VALUES[read] for name, read in RECEIVE.items()},
).map(lambda chosen: ["=".join(pair) for pair in chosen.items()])
faulty = st.one_of(odd, *(st.tuples(names, odd).map("=".join) for names in (st.sampled_from(tuple(RECEIVE)), words)))
queries = st.tuples(likely, st.lists(faulty, max_size=1)).flatmap(
    lambda parts: st.permutations([*parts[0], *parts[1]]).map("&".join)
)


def read_by_core(query: str) -> Receive | None:
    """As a request that came whole."""
    target = f"/v1/queues/q/messages?{query}" if query else "/v1/queues/q/messages"
    head = f"GET {target} HTTP/1.1\r\nHost: x\r\nAuthorization: {KEY.decode()}\r\n\r\n"
    read = PARSER.whole(head.encode("latin-1"), {KEY})
    if read is None:
        return None
    command, owner, _, poll = read
    assert owner == "q"
    assert poll is not None
    return command, poll


class Asked(Exception):
    """Stands where a partition would begin to serve."""


class Partition:
    """In place of all of them, and of the router."""

    def partition_of_queue(self, queue: str) -> Partition:
        assert queue == "q"
        return self

    def receive(self, line: str, command: Command, wait: float, consumer: str) -> NoReturn:
        raise Asked(command, (line, round(wait * 1000), consumer))


class Edge:
    """What of it the route uses. Long waits are refused behind both readers."""

    parser = PARSER
    router = Partition()
    limits: ClassVar = {"wait_time_ms_max": 10**16}


def read_by_server(query: str) -> Receive | None:
    """As the route reads it."""
    edge: Any = Edge()
    call = Call({"path_params": {"queue": "q"}}, nothing, {})
    try:
        call.query = parse_query(query.encode("latin-1"), RECEIVE)
        receive(edge, call).send(None)
    except (Refused, Invalid):
        return None
    except Asked as asked:
        command, poll = asked.args
        return command, poll
    raise AssertionError("the partition was not asked")


async def nothing() -> Any:
    """What the client sends beyond its head."""


def effects(command: Command) -> list[bytes | None]:
    """What the command writes, and what is answered."""
    journal = CoreJournal()
    journal.create("q")
    journal.ask(journal.parser.create_group("q", b'{"name":"g.1"}'))
    for number in range(3):
        journal.enqueue("q", number)
    steps = [journal.keep(journal.engine.step(journal.now_ms, [command])) for _ in range(2)]
    return [part for step in steps for part in (step.batch, journal.rendered(step.replies[0]))]


@settings(max_examples=EXAMPLES, deadline=None)
@given(queries)
def test_both_read_the_same(query: str) -> None:
    core, server = read_by_core(query), read_by_server(query)
    if core is None:
        assert server is None or not PLAIN.fullmatch(query), "the core leaves it to the server"
        return
    assert server is not None, "the server refuses it"
    assert core[1] == server[1]
    assert (core[0].messages_max, core[0].batch_bytes_max) == (server[0].messages_max, server[0].batch_bytes_max)
    assert effects(core[0]) == effects(server[0])
