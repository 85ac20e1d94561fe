"""Attempts: what an activity's code can ask of the attempt it runs in."""

from __future__ import annotations

import asyncio
import logging
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from rqflow.authoring.activity_face import activity
from rqflow.authoring.attempt import CURRENT_ATTEMPT, ActivityInfo, Attempt
from rqflow.core.events import Payload
from rqflow.errors import BadValue, NotInActivity
from tests.authoring.shop import Order

INFO = ActivityInfo(
    workflow="checkout",
    instance="order-1",
    run="r1",
    id=3,
    name="charge",
    queue="default",
    attempt=2,
    idempotency_key="r1:3",
    scheduled_at=datetime(2026, 1, 1, tzinfo=UTC),
)


@dataclass
class Recorded:
    """An attempt that keeps what its code tells."""

    info: ActivityInfo = INFO
    told: list[Payload] = field(default_factory=list)
    cancelled: bool = False

    def heartbeat(self, details: Payload) -> None:
        self.told.append(details)

    def is_cancelled(self) -> bool:
        return self.cancelled


def inside(attempt: Attempt, code: Any) -> Any:
    """Run code as the worker does: in a context in which the attempt is known."""
    context = copy_context()
    context.run(CURRENT_ATTEMPT.set, attempt)
    return context.run(code)


def test_an_activity_knows_its_attempt() -> None:
    """In threads as on the event loop: the context carries it."""

    async def code() -> tuple[ActivityInfo, int, bool]:
        other = await asyncio.to_thread(activity.info)
        return activity.info(), other.attempt, activity.is_cancelled()

    attempt = Recorded(cancelled=True)
    assert inside(attempt, lambda: asyncio.run(code())) == (INFO, 2, True)


def test_heartbeats_carry_details_to_the_next_attempt() -> None:
    """Typed as the next one asks for them; nothing was left at first."""
    attempt = Recorded()
    inside(attempt, lambda: activity.heartbeat(Order("1", 2)))
    inside(attempt, activity.heartbeat)
    assert attempt.told == [b'{"id":"1","total":2.0}', b""]
    left = replace(INFO, heartbeat=attempt.told[0])
    assert left.details(Order) == Order("1", 2.0)
    assert left.details() == {"id": "1", "total": 2.0}
    assert INFO.details(Order) is None
    with pytest.raises(BadValue, match="activity charge, heartbeat details: expected int, got an object"):
        left.details(int)
    with pytest.raises(BadValue, match="activity charge, heartbeat: expected a finite float"):
        inside(attempt, lambda: activity.heartbeat(float("nan")))


def test_payloads_stay_out_of_what_is_printed() -> None:
    """An info may end up in a log."""
    assert "secret" not in repr(replace(INFO, heartbeat=b'"secret"'))


def test_the_logger_says_whose_line_it_is(caplog: pytest.LogCaptureFixture) -> None:
    """And is an ordinary logger outside."""
    caplog.set_level(logging.INFO, "rqflow.activity")
    inside(Recorded(), lambda: activity.logger.info("at %d%%", 50))
    activity.logger.info("outside")
    inside_line, outside_line = [record.getMessage() for record in caplog.records]
    assert inside_line == "at 50% [activity=charge attempt=2 workflow=checkout instance=order-1 run=r1]"
    assert outside_line == "outside"
    assert caplog.records[0].__dict__["attempt"] == 2


@pytest.mark.parametrize("word", [activity.info, activity.heartbeat, activity.is_cancelled])
def test_words_outside_an_activity_say_so(word: Any) -> None:
    """A plain call of `.fn` in a unit test that uses them needs an attempt."""
    with pytest.raises(NotInActivity, match="only inside a running activity"):
        word()
