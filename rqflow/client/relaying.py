"""Relaying: a flow that carries at once what a client's order sent to other partitions, before any sweep finds it.

A worker relays what its own commits send. What a client's order sends (the ends of children, news to a parent) would
wait for some worker's next sweep, one at each generation of a family. Any number may relay one outbox at a time: the
receiver drops what it has had. Nothing depends on this flow, so it tries nothing twice.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from rqflow.backend.calls.call import Call
from rqflow.backend.calls.tasks import DropOutbox, Message, ReadOutbox, Receive
from rqflow.client.flow import Facts, Flow, send_all
from rqflow.client.options import ClientOptions
from rqflow.errors import RqflowError

ROUNDS: Final = 50
"""A relay carries at most so many batches of a partition after each other, and follows so many hops; the rest is the
workers'."""
STEP: Final = 100
"""Messages read at a time."""


def relay(options: ClientOptions, facts: Facts, partition: int) -> Flow[None]:
    """Carry what waits in a partition's outbox, and what that makes others send."""
    if facts.hub.partitions == 1:
        return
    waiting = {partition}
    for _ in range(ROUNDS):
        if not waiting:
            return
        waiting = yield from _step(options, sorted(waiting))


def _step(options: ClientOptions, sources: list[int]) -> Flow[set[int]]:
    """One batch of each outbox; the partitions that may have something to relay now."""
    found = yield from send_all(options, [ReadOutbox(partition=source, limit=STEP) for source in sources], until=0.0)
    carries: list[Receive] = []
    again: set[int] = set()
    for source, messages in zip(sources, found.answers, strict=True):
        if isinstance(messages, RqflowError):
            continue
        by_target: dict[int, list[Message]] = defaultdict(list)
        for message in messages:
            by_target[message.to].append(message)
        carries += [Receive(partition=to, source=source, messages=tuple(by_target[to])) for to in by_target]
        if len(messages) == STEP:
            again.add(source)
    if not carries:
        return set()
    received = yield from send_all(options, carries, until=0.0)
    drops: list[Call[None]] = []
    for carry, answer in zip(carries, received.answers, strict=True):
        if isinstance(answer, RqflowError):
            again.discard(carry.source)  # it stays where it is, and stands before what comes after it
            continue
        again.add(carry.partition)
        drops.append(DropOutbox(partition=carry.source, ids=tuple(message.id for message in carry.messages)))
    if drops:
        yield from send_all(options, drops, until=0.0)
    return again
