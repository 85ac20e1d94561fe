"""Targets: functions of bytes that may raise nothing but errors of ours; for Hypothesis, and for `coverage.py`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing, suppress
from typing import Final

from rqflow.backend.redis.address import parse_address
from rqflow.cli.arguments import parse_arguments, parse_json
from rqflow.converters.json import MAX_DEPTH
from rqflow.core import events, rerunning
from rqflow.core.events import Event, Stamped
from rqflow.core.executor import Executor
from rqflow.core.wire import decode, decode_failure, decode_options, decode_stored, encode, stored
from rqflow.errors import BadInput, CorruptEvent, ReplayError
from tests.core.shapes import SHAPES
from tests.core.stage import FAILURE, START_MS, Definition, started

BOMB: Final = b"[" * 100_000
"""JSON that would overflow the stack of a careless reader."""
_WORDS: Final = ("work", "go", "approve", "kid", "a", "")


def read_event(data: bytes) -> None:
    """An event, stored or not; what can be read is written as it was read."""
    for reader in (decode, decode_stored):
        try:
            found = reader(data)
        except ReplayError:
            continue
        event = found.event if isinstance(found, Stamped) else found
        assert decode(encode(event)) == event


def read_rest(data: bytes) -> None:
    """Failures and options."""
    with suppress(CorruptEvent):
        str(decode_failure(data))
    with suppress(CorruptEvent):
        decode_options(data)


def read_words(data: bytes) -> None:
    """Addresses and arguments of the command line."""
    text = data.decode(errors="surrogateescape")
    with suppress(BadInput):
        parse_address(text)
    with suppress(BadInput):
        parse_json(text, "it")
    with suppress(BadInput):
        parse_arguments(tuple(text.split()), None)


def follow(data: bytes) -> None:
    """A history made of these bytes: the executor follows it, or says that it cannot; and so does a rerun of it."""
    if not data:
        return
    shapes = [*SHAPES.values()]
    main = shapes[data[0] % len(shapes)]
    history: list[Event] = [started()]
    history += [_event(*data[place : place + 3]) for place in range(1, min(len(data), 60) - 2, 3)]
    replayed = data[-1] % (len(history) + 1)
    executor = Executor(Definition(main), max_callbacks=20_000)
    stamped = [Stamped(at_ms=START_MS + at, event=event) for at, event in enumerate(history)]
    with suppress(ReplayError), closing(executor):
        executor.advance(stamped, replayed=replayed)
    kept = [stored(START_MS + at, "r", encode(event)) for at, event in enumerate(history)]
    with suppress(ReplayError, BadInput):
        rerunning.failed_steps(kept, instance="i", run="r")
    with suppress(ReplayError, BadInput):
        rerunning.from_event(kept, data[-1], instance="i", run="r", payload=b"[]")


def _event(kind: int, id: int, word: int) -> Event:
    """Some event of some command."""
    name = _WORDS[word % len(_WORDS)]
    made: list[Callable[[], Event]] = [
        lambda: events.ActivityCompleted(id=id, payload=b"x"),
        lambda: events.ActivityFailed(id=id, payload=FAILURE if word % 2 else b"{}"),
        lambda: events.TimerFired(id=id),
        lambda: events.ChildStarted(id=id, run="r"),
        lambda: events.ChildCompleted(id=id),
        lambda: events.ChildFailed(id=id, payload=FAILURE),
        lambda: events.SignalDelivered(id=id),
        lambda: events.SignalFailed(id=id, payload=FAILURE),
        lambda: events.SignalReceived(name=name, payload=b"1"),
        lambda: events.UpdateRequested(update=str(id), name=name, payload=b"1"),
        lambda: events.CancelRequested(reason=name),
        lambda: events.WorkflowRerun(run=name, source="r", redo=(id, word)),
        lambda: events.ActivityScheduled(id=id, name=name),
        lambda: events.ActivityCancelRequested(id=id, target=word),
        lambda: events.TimerStarted(id=id, delay_ms=word),
        lambda: events.TimerCanceled(id=id, target=word),
        lambda: events.ChildScheduled(id=id, workflow=name, instance=name),
        lambda: events.SignalSent(id=id, instance=name, name=name),
        lambda: events.SideEffectRecorded(id=id, failed=word % 2 == 0, payload=b"5"),
        lambda: events.UpdateAnswered(id=id, update=str(word), accepted=True),
        lambda: events.WorkflowCompleted(payload=b"r"),
        lambda: events.WorkflowFailed(payload=FAILURE if word % 2 else b""),
        lambda: events.WorkflowTerminated(reason=name),
        started,
    ]
    return made[kind % len(made)]()


TARGETS: Final = {"event": read_event, "rest": read_rest, "words": read_words, "history": follow}

SEEDS: Final = (
    b"", BOMB, b'[1,"TimerFired",' + BOMB, b'{"type":' + BOMB, b'[1,"SignalReceived","go"]\n' + BOMB,
    b"[1e999]", b'[1,"TimerFired",1e999]', b"[" + b"9" * 5_000 + b"]",
    b'{"type":"x","cause":' + b'{"type":"y","cause":' * (MAX_DEPTH - 2),
    b"redis://[::1", b"redis://a:99999999/0", b"unix://", b"redis+sentinel://,,,/x", b"redis://\xff",
    b'1700000000000 r [1,"WorkflowStarted","w","i","r","q"]', b"9" * 400 + b' r [1,"TimerFired",1]',
)  # fmt: skip
"""Where fuzzers begin, and what was found by them: each is tried in every run."""
