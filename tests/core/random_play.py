"""Random play: histories of shapes as a store could have written them, drawn from a seed."""

from __future__ import annotations

from random import Random

from rqflow.core import events
from rqflow.core.commands import Command, ScheduleActivity, SendCancel, SendSignal, StartChild, StartTimer
from rqflow.core.events import News
from tests.core.shapes import SHAPES
from tests.core.stage import FAILURE, START_MS, Stage, outstanding

MAX_TURNS = 30
"""A play ends after 3 to so many turns, though the run goes on."""


def play(shape: str, seed: int) -> Stage:
    """Play a shape with random news in random batches until it ends or MAX_TURNS pass."""
    chance = Random(f"{shape} {seed}")
    bound = chance.randrange(3, MAX_TURNS)
    stage = Stage(SHAPES[shape], run=f"run-{seed}", payload=b"p")
    while stage.last.close is None and len(stage.turns) < bound:
        told = [each.event for each in stage.history]
        batch: list[News] = []
        for _ in range(chance.choice((1, 1, 1, 2, 3, 5))):
            news = draw(chance, outstanding(stage.commands, told + list(batch)), len(told) + len(batch))
            batch.append(news)
        stage.tell(*batch, after_ms=chance.randrange(2_000))
    return stage


def draw(chance: Random, waiting: dict[int, Command], number: int) -> News:
    """Something that could happen now."""
    if waiting and chance.random() < 0.75:
        return end_of(chance, waiting[chance.choice(sorted(waiting))])
    kind = chance.random()
    payload = b"%d" % number
    if kind < 0.55:
        return events.SignalReceived(name=chance.choice(("approve", "approve", "other")), payload=payload)
    if kind < 0.95:
        name = chance.choice(("add", "add", "unknown"))
        return events.UpdateRequested(update=f"update-{number}", name=name, payload=payload * chance.randrange(1, 3))
    return events.CancelRequested(reason=chance.choice(("", "enough")))


def end_of(chance: Random, command: Command) -> News:
    """One of the ways in which a command can end."""
    good = chance.random() < 0.8
    match command:
        case ScheduleActivity(id=id, options=options):
            at_ms = START_MS + chance.randrange(100_000) if options.local else None
            done = events.ActivityCompleted(id=id, at_ms=at_ms, payload=b"%d" % id)
            return done if good else events.ActivityFailed(id=id, at_ms=at_ms, payload=FAILURE)
        case StartTimer(id=id):
            return events.TimerFired(id=id)
        case StartChild(id=id):
            if chance.random() < 0.4:
                return events.ChildStarted(id=id, run="kid-run")
            done_child = events.ChildCompleted(id=id, payload=b"%d" % id)
            return done_child if good else events.ChildFailed(id=id, payload=FAILURE)
        case SendSignal(id=id) | SendCancel(id=id):
            return events.SignalDelivered(id=id) if good else events.SignalFailed(id=id, payload=FAILURE)
        case _:
            raise AssertionError(command)
