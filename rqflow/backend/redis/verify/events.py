"""Events: the histories and inboxes of instances, read in pages and held against the rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rqflow.backend.redis.hubs import Errand
from rqflow.backend.redis.keys import suffix
from rqflow.backend.redis.resp import text_of
from rqflow.backend.redis.verify.looks import Looks
from rqflow.backend.redis.verify.sequences import History, Problem, check_inbox
from rqflow.backend.redis.verify.violations import Finding
from rqflow.core.states import CLOSED


@dataclass(frozen=True, slots=True)
class Seen:
    """An instance at one moment, as look_instances answers it."""

    instance: bytes
    run: bytes
    runs: bytes | None
    status: bytes
    length: bytes
    size: bytes
    history: Sequence[bytes] | None
    """None: it is too large to come along."""
    inbox: Sequence[bytes]
    waits: bytes
    children: bytes


def check_events(looks: Looks, partition: int, seen: Seen) -> Errand[None]:
    """The current run's history, and the news."""
    closed, length = text_of(seen.status) in CLOSED, int(seen.length)
    instance = text_of(seen.instance)
    if not closed:
        news = check_inbox(seen.inbox, fresh=length == 0, runs=int(seen.runs or 1))
        looks.add(partition, _findings(news, suffix("inbox", instance), instance))
    history = History()
    if seen.history is None:
        yield from _read(looks, partition, seen.run, history, length)
        if history.length < length:
            return  # it has gone meanwhile
    for stored in seen.history or ():
        history.add(stored)
    history.finish(ended=closed)
    if history.length == length and history.bytes != int(seen.size):
        history.problems.append(("history_bytes", f"{history.bytes}, not {int(seen.size)}"))
    looks.add(partition, _findings(history.problems, suffix("history", text_of(seen.run)), instance))


def check_earlier_run(looks: Looks, partition: int, run: bytes) -> Errand[None]:
    """The history of a run that is over, and expires; nothing is wrong with one that is current or has gone."""
    length, left, _ = yield from looks.run(partition, "look_history", run=run, after=0, limit=0)
    if left < 0:
        return
    history = History()
    yield from _read(looks, partition, run, history, length)
    if history.length == length:
        history.finish(ended=True)
        looks.add(partition, _findings(history.problems, suffix("history", text_of(run)), ""))


def _read(looks: Looks, partition: int, run: bytes, history: History, length: int) -> Errand[None]:
    """The first `length` events, which never change; fewer if the history has gone meanwhile."""
    while history.length < length:
        limit = min(1_000, length - history.length)
        reply = yield from looks.run(partition, "look_history", run=run, after=history.length, limit=limit)
        page: Sequence[bytes] = reply[2]
        if not page:
            return
        for stored in page:
            history.add(stored)


def _findings(problems: Iterable[Problem], name: str, instance: str) -> list[Finding]:
    return [Finding(word, name, instance, detail) for word, detail in problems]
