"""Rerunning: which part of a run's history another run may begin with, and what is to be done again after it.

A history is a list of turns: news, then the records of what the code asked for. It may be cut between two turns. What
stands before the cut is kept as it is, so that replay holds the code against it; all that was asked for there and had
not come to its end is asked for again; and what is kept of the news after the cut comes to the new run as news.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, get_args

from rqflow.core import events
from rqflow.core.events import Event, News, Payload, Record, WorkflowRerun, WorkflowStarted
from rqflow.core.ids import child_id
from rqflow.core.wire import INSTANCE_SCOPE, RUN_SCOPE, decode, encode, split_stored, stored
from rqflow.errors import BadInput, CorruptEvent

_RECORDS: Final = get_args(Record)
_NEWS: Final = get_args(News)
_STEPS: Final = (events.ActivityScheduled, events.TimerStarted, events.ChildScheduled)
_AWAITED: Final = (*_STEPS, events.SignalSent, events.CancelSent)
_FAILED: Final = (events.ActivityFailed, events.ChildFailed, events.SignalFailed)
_ENDED: Final = (
    *_FAILED, events.ActivityCompleted, events.TimerFired, events.ChildCompleted, events.SignalDelivered,
)  # fmt: skip
_MESSAGES: Final = (events.SignalReceived, events.UpdateRequested, events.CancelRequested)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rerun:
    """What a run is begun with."""

    history: tuple[bytes, ...]
    """Stored events."""
    news: tuple[tuple[str, bytes], ...]
    """Scopes and encoded events, at least one."""


def from_start(first: bytes, *, instance: str, run: str, payload: Payload | None = None) -> Rerun:
    """Begin with nothing but the arguments of the run whose first stored event this is, or with others."""
    started = _started(decode(split_stored(first)[2]))
    fresh = replace(
        started, instance=instance, run=run, parent=None, continued_from=None,
        payload=started.payload if payload is None else payload,
    )  # fmt: skip
    return Rerun(history=(), news=((RUN_SCOPE, encode(fresh)),))


def from_event(
    history: Sequence[bytes], number: int, *, instance: str, run: str, payload: Payload | None = None
) -> Rerun:
    """Begin before the end of the step that event `number` (1 is the first) asked for, with its payload or another.

    Raises BadInput if that event asks for no step, CorruptEvent.
    """
    if not 1 <= number <= len(history):
        raise BadInput(f"there is no event {number}: the history has {len(history)}")
    if number == 1:
        return from_start(history[0], instance=instance, run=run, payload=payload)
    found = _decoded(history)
    target = found[number - 1]
    if not isinstance(target, _STEPS):
        raise BadInput(
            f"event {number} is {type(target).__name__}: a rerun begins at the first event, or where an activity, a "
            "timer or a child was asked for"
        )
    if payload is not None:
        if isinstance(target, events.TimerStarted):
            raise BadInput(f"event {number} asks for a timer, which takes no input")
        found[number - 1] = replace(target, payload=payload)
    cut = next((place for place in range(number, len(found)) if not isinstance(found[place], _RECORDS)), len(found))
    made = _rerun(history, found, cut, (), instance=instance, run=run)
    redo = decode(made.news[0][1])
    if not isinstance(redo, WorkflowRerun) or target.id not in redo.redo:
        raise BadInput(f"event {number}: this step was given up in the turn that asked for it")
    return made


def failed_steps(history: Sequence[bytes], *, instance: str, run: str) -> Rerun:
    """Begin before the first step that failed, or if none did before the last turn: what failed is done again, what
    came to a good end is kept. Raises CorruptEvent."""
    found = _decoded(history)
    failed = next((place for place, event in enumerate(found) if isinstance(event, _FAILED)), None)
    if failed is None:
        failed = max((place for place, event in enumerate(found) if isinstance(event, _NEWS)), default=0)
    cut = failed
    while cut > 0 and isinstance(found[cut - 1], _NEWS):
        cut -= 1
    if cut == 0:
        fresh = from_start(history[0], instance=instance, run=run)
        messages = [event for event in found if isinstance(event, _MESSAGES)]
        return Rerun(history=(), news=(*fresh.news, *_news(messages)))
    asked = {event.id for event in found[:cut] if isinstance(event, _AWAITED)}
    kept = [event for event in found[cut:] if isinstance(event, _MESSAGES) or _good_end(event, asked)]
    return _rerun(history, found, cut, kept, instance=instance, run=run)


def _good_end(event: Event, asked: set[int]) -> bool:
    ended = isinstance(event, (*_ENDED, events.ChildStarted)) and not isinstance(event, _FAILED)
    return ended and event.id in asked  # type: ignore[union-attr]


def _rerun(
    history: Sequence[bytes], found: list[Event], cut: int, kept: Sequence[Event], *, instance: str, run: str
) -> Rerun:
    source = _started(found[0])
    last = source.run
    for event in found[:cut]:
        last = event.run if isinstance(event, WorkflowRerun) else last
    begin = WorkflowRerun(run=run, source=last, redo=tuple(_open([*found[:cut], *kept])))
    copied = [
        stored(*split_stored(before)[:2], encode(event))
        for before, event in zip(history, _moved(found[:cut], source, instance), strict=False)
    ]
    return Rerun(history=tuple(copied), news=((RUN_SCOPE, encode(begin)), *_news(kept)))


def _decoded(history: Sequence[bytes]) -> list[Event]:
    return [decode(split_stored(each)[2]) for each in history]


def _started(event: Event) -> WorkflowStarted:
    if not isinstance(event, WorkflowStarted):
        raise CorruptEvent("a run's history must begin with WorkflowStarted")
    return event


def _open(found: Iterable[Event]) -> list[int]:
    """Commands that are asked for and have no end."""
    waiting: dict[int, None] = {}
    for event in found:
        if isinstance(event, _AWAITED):
            waiting[event.id] = None
        elif isinstance(event, _ENDED):
            waiting.pop(event.id, None)
        elif isinstance(event, events.ActivityCancelRequested | events.TimerCanceled):
            waiting.pop(event.target, None)
    return list(waiting)


def _moved(found: Iterable[Event], source: WorkflowStarted, instance: str) -> list[Event]:
    """The same events of another instance: children whose ids grew from the old one's get new ones."""
    names: dict[str, str] = {}
    moved: list[Event] = []
    run = source.run
    for event in found:
        if isinstance(event, WorkflowRerun):
            run = event.run
        if isinstance(event, events.ChildScheduled) and event.instance == child_id(source.instance, run, event.id):
            names[event.instance] = child_id(instance, run, event.id)
        if isinstance(event, WorkflowStarted):
            moved.append(replace(event, instance=instance))
        elif isinstance(event, events.ChildScheduled | events.SignalSent | events.CancelSent):
            moved.append(replace(event, instance=names.get(event.instance, event.instance)))
        else:
            moved.append(event)
    return moved


def _news(found: Iterable[Event]) -> list[tuple[str, bytes]]:
    return [(INSTANCE_SCOPE if isinstance(event, _MESSAGES) else RUN_SCOPE, encode(event)) for event in found]
