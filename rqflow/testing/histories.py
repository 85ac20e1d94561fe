"""Histories: what must be true of any run's history (P2, P5), whatever became of the workers that wrote it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, cast, get_args

from rqflow.backend.calls.instances import ReadHistory
from rqflow.backend.protocol import Backend, partition_of
from rqflow.core.events import (
    ActivityCompleted,
    ActivityFailed,
    ChildCompleted,
    ChildFailed,
    ChildStarted,
    End,
    Event,
    News,
    Record,
    SignalDelivered,
    SignalFailed,
    Stamped,
    TimerFired,
    UpdateRequested,
    WorkflowStarted,
)
from rqflow.core.wire import decode_stored

_ANSWERS: Final = (
    ActivityCompleted,
    ActivityFailed,
    TimerFired,
    ChildCompleted,
    ChildFailed,
    SignalDelivered,
    SignalFailed,
)


async def read_history(backend: Backend, instance: str, run: str = "") -> list[Stamped]:
    """All events of a run; of the current one if none is named. Raises InstanceNotFound, RunNotFound."""
    at, found = partition_of(instance, backend.hub.partitions), list[Stamped]()
    while True:
        page = await backend.call(ReadHistory(partition=at, instance=instance, run=run, after=len(found)))
        found += [decode_stored(stored) for stored in page.events]
        if len(found) >= page.length:
            return found


async def read_runs(backend: Backend, instance: str) -> list[list[Stamped]]:
    """The histories of all runs of an instance that are kept, the newest first."""
    runs = [await read_history(backend, instance)]
    while isinstance(began := runs[-1][0].event, WorkflowStarted) and began.continued_from is not None:
        runs.append(await read_history(backend, instance, began.continued_from))
    return runs


def times_of_news(history: Sequence[Stamped]) -> list[int]:
    """When the news came that were not of a turn's own making.

    Records, and ends of local activities, carry the time of their commit: news that came before it may stand behind."""
    return [
        stamped.at_ms
        for stamped in history
        if isinstance(stamped.event, get_args(News)) and getattr(stamped.event, "at_ms", None) is None
    ]


def faults_of_history(history: Sequence[Stamped]) -> list[str]:
    """What is wrong with a run's history, each in a sentence that names the promise; empty if all is well."""
    faults = faults_of_events([stamped.event for stamped in history])
    times = times_of_news(history)
    # A run that goes on for another begins with signals that are older than itself.
    began = history[0].event if history else None
    if isinstance(began, WorkflowStarted) and began.continued_from is None and times != sorted(times):
        faults.append("P2: time goes back")
    return faults


def faults_of_events(events: Sequence[Event]) -> list[str]:
    """The same, whatever the times were."""
    faults = []
    starts = sum(isinstance(event, WorkflowStarted) for event in events)
    if starts != 1 or not isinstance(events[0], WorkflowStarted):
        return [f"P2: a history begins with its one start, this one has {starts} and begins with {events[:1]}"]
    ends = [place for place, event in enumerate(events) if isinstance(event, get_args(End))]
    if ends not in ([], [len(events) - 1]):
        faults.append(f"P2: it ends at {ends} of {len(events)} events")
    records = [cast(Any, event).id for event in events if isinstance(event, get_args(Record))]
    if records != sorted(set(records)):
        faults.append(f"P2: commands out of order or twice: {records}")
    for kinds, what in ((_ANSWERS, "answered"), ((ChildStarted,), "told of its start")):
        answered = Counter(cast(Any, event).id for event in events if isinstance(event, kinds))
        twice = sorted(id for id, count in answered.items() if count > 1)
        if twice:
            faults.append(f"P5: commands {twice} were {what} more than once")
        strangers = sorted(set(answered) - set(records))
        if strangers:
            faults.append(f"P2: commands {strangers} were {what} and never given")
    updates = Counter(event.update for event in events if isinstance(event, UpdateRequested))
    if updates and max(updates.values()) > 1:
        faults.append(f"P8: updates that came twice: {[name for name, count in updates.items() if count > 1]}")
    return faults
