"""Made events: what the store itself writes is what core/wire.py would write, byte for byte."""

from __future__ import annotations

import pytest

from rqflow.backend.redis import scripts
from rqflow.core import events
from rqflow.core.events import Event
from rqflow.core.failure import Failure
from rqflow.core.wire import encode, encode_failure
from tests.backend.redis_write.scripted import Scripted

ODD = 'a "quoted" \\ path/with\nlines\tand é € 😀'
FAILED = encode_failure(Failure(type="rqflow.errors.ActivityTimedOut", message=ODD, kind="timeout"))

MADE: list[tuple[str, Event]] = [
    ("news.timer_fired(7)", events.TimerFired(id=7)),
    (
        "news.activity_failed(7, news.failure('ActivityTimedOut', ARGV[1], 'timeout'))",
        events.ActivityFailed(id=7, payload=FAILED),
    ),
    ("news.child_started(7, ARGV[1])", events.ChildStarted(id=7, run=ODD)),
    ("news.child_completed(7, 'a\\nb')", events.ChildCompleted(id=7, payload=b"a\nb")),
    ("news.child_failed(7, '{}')", events.ChildFailed(id=7, payload=b"{}")),
    ("news.signal_delivered(7)", events.SignalDelivered(id=7)),
    ("news.signal_failed(7, '{}')", events.SignalFailed(id=7, payload=b"{}")),
    ("news.cancel_requested(ARGV[1])", events.CancelRequested(reason=ODD)),
    ("news.terminated(ARGV[1])", events.WorkflowTerminated(reason=ODD)),
    ("news.timed_out()", events.WorkflowTimedOut()),
]


@pytest.mark.parametrize(("made", "event"), MADE, ids=[made.partition("(")[0] for made, _ in MADE])
def test_an_event_made_in_lua_is_the_one_that_python_would_make(store: Scripted, made: str, event: Event) -> None:
    """Quotes, backslashes, slashes, controls and any Unicode included."""
    part = (scripts.LUA / "parts" / "news.lua").read_text(encoding="utf-8")
    assert store.redis.eval(f"local news = {{}}\n{part}\nreturn {made}", 0, ODD) == encode(event)
