"""Tests of programs that use Hanzo Queues, without a server: a `Broker` in this process.

It is the server (parser, routes, partition, engine) on a journal in memory, with a clock that stands still until it is
told. Stands above both: neither the client nor the server imports it.
"""

from hanzo_queues.testing.broker import Broker as Broker

__all__ = ["Broker"]
