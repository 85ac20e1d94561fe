"""Planted faults: engines that were made wrong are found out, and what shows it is shrunk to a small program."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given

from rqflow.core.events import SignalReceived
from rqflow.core.loop import RunLoop
from rqflow.core.mailbox import Mailbox
from rqflow.errors import ReplayMismatch
from tests.programs.budget import drawn
from tests.programs.checks import check
from tests.programs.language import Program, walk
from tests.programs.strategy import programs
from tests.programs.world import Crew


def newest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signals are kept as a pile."""

    def deliver(box: Mailbox, order: int, event: SignalReceived) -> None:
        box._kept.setdefault(event.name, []).insert(0, (order, event))
        box._distribute(event.name)

    monkeypatch.setattr(Mailbox, "deliver", deliver)


def by_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks and futures hash by something that is another at each replay."""
    place = RunLoop.place
    monkeypatch.setattr(RunLoop, "place", lambda loop: place(loop) ^ (-loop.run_of_loop.replaying & 0xFFFF))


def late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Timers of asyncio take twice their time."""
    later = RunLoop.call_later
    monkeypatch.setattr(RunLoop, "call_later", lambda loop, delay, *args, **more: later(loop, 2 * delay, *args, **more))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("plant", [newest_first, by_address, late])
def test_a_planted_fault_is_found_and_shrunk(
    plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test that cannot fail is worthless: this is how the tests of random programs fail."""
    plant(monkeypatch)
    failed = list[Program]()

    @drawn(1_000, start=3)
    @given(programs)
    def find(program: Program) -> None:
        try:
            check(program, Crew())
        except BaseException:
            failed.append(program)
            raise

    with pytest.raises((AssertionError, ReplayMismatch)):
        find()
    size = sum(1 for body in failed[-1].runs for _ in walk(body)) + len(failed[-1].sends)
    assert size <= 8, f"it was shrunk to {failed[-1]}"
