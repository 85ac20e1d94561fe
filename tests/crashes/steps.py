"""Steps: activities of the corpus, and what a shape is: a workflow, and what clients do to it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from rqflow.authoring.activity_face import activity
from rqflow.authoring.workflows import Workflow
from rqflow.core.options import Retry
from rqflow.testing.crash_case import Ended
from rqflow.testing.scene import Script, only_start

EFFECTS: Final[Counter[str]] = Counter()
"""How often each activity had its effect, by idempotency key."""
SOON: Final = 0.02
"""Seconds: a timer that fires while a test looks on."""
LONG: Final = 3_600.0
"""Seconds: a timer that nothing waits for to its end."""
MOMENT: Final = timedelta(milliseconds=5)


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A workflow, and what clients do to it."""

    workflow: Workflow[..., Any]
    args: tuple[Any, ...] = ()
    script: Script = only_start
    expect: Callable[[Ended], bool] | None = None
    """Where its end may differ: whether this one is right."""


def leave_effect() -> None:
    """What the attempt that runs here does to the world."""
    EFFECTS[activity.info().idempotency_key] += 1


@activity
async def mark(what: str) -> str:
    """An effect."""
    leave_effect()
    return f"{what} done"


@activity
def mark_in_thread(what: str) -> str:
    """An effect, in a thread."""
    leave_effect()
    return f"{what} done"


@activity
async def slow(seconds: float) -> str:
    """Takes its time."""
    leave_effect()
    await asyncio.sleep(seconds)
    return "slow done"


@activity(retry=Retry(max_attempts=6, initial=MOMENT, jitter=0))
async def flaky(failures: int) -> str:
    """Fails at its first tries; attempts that were lost with their worker do not count."""
    leave_effect()
    here = activity.info()
    if here.attempt - here.losses <= failures:
        raise OSError("not yet")
    return "at last"


@activity
async def broken(what: str) -> str:
    """Fails."""
    leave_effect()
    raise LookupError(what)


@activity(retry=Retry(max_attempts=3, initial=MOMENT, jitter=0))
async def hopeless() -> None:
    """Fails at each of its tries."""
    leave_effect()
    raise ConnectionError("nobody there")


@activity(retry=Retry(max_attempts=9, initial=MOMENT, jitter=0))
async def in_pieces(pieces: int) -> int:
    """Goes on where the attempt before it was; fails once a piece."""
    leave_effect()
    done = int(activity.info().details() or 0)
    if done < pieces:
        activity.heartbeat(done + 1)
        raise OSError("a piece at a time")
    return done


@activity(timeout=SOON)
async def never_ends() -> None:
    """Passes its time limit."""
    leave_effect()
    await asyncio.sleep(LONG)
