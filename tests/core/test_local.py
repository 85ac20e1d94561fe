"""Local activities in the core: their records, their ends and times, and which of them a replay finds unfinished."""

from __future__ import annotations

import asyncio

from rqflow.core import events
from rqflow.core.commands import ScheduleActivity
from rqflow.core.events import Payload
from rqflow.core.executor import Executor
from tests.core.stage import START_MS, Definition, Main, Stage, call, run


def local_ids(stage: Stage) -> list[int]:
    """What whoever follows the history from its start must begin."""
    executor = Executor(stage.definition)
    executor.advance(stage.history, replayed=len(stage.history))
    return [command.id for command in executor.pending_local()]


def test_local_activities_without_an_end_are_found_in_the_history() -> None:
    """[B26] They are recorded as local, and whoever follows the history knows which of them are to be begun again: not
    those that ended or were given up."""

    async def main(payload: Payload) -> Payload:
        first, second, given_up = (call(f"local-{number}", b"in", local=True) for number in range(3))
        far = call("far")
        await first
        given_up.cancel()
        return bytes(await second + await far)

    stage = Stage(main)
    assert [command.options.local for command in stage.commands if isinstance(command, ScheduleActivity)] == [
        True, True, True, False,
    ]  # fmt: skip
    assert [each.event.local for each in stage.history if isinstance(each.event, events.ActivityScheduled)] == [
        True, True, True, False,
    ]  # fmt: skip
    assert local_ids(stage) == [1, 2, 3]
    stage.tell(events.ActivityCompleted(id=1, at_ms=START_MS + 5))
    assert local_ids(stage) == [2]
    assert stage.executor.pending_local() == ()
    stage.tell(events.ActivityCompleted(id=2, payload=b"x"))
    assert local_ids(stage) == []


def test_a_local_activitys_time_is_the_one_that_its_end_tells_and_never_goes_back() -> None:
    """[P4] The store's stamp is that of the commit, which comes later; replay must see what the code saw."""
    seen: list[int] = []

    async def main(payload: Payload) -> Payload:
        for number in range(3):
            await call(f"local-{number}", local=True)
            seen.append(round(run().now().timestamp() * 1000) - START_MS)
        return b""

    stage = Stage(main)
    stage.tell(events.ActivityCompleted(id=1, at_ms=START_MS + 7), after_ms=100)
    stage.tell(events.ActivityCompleted(id=2, at_ms=START_MS + 3), after_ms=100)
    assert stage.executor.now_ms == START_MS + 7
    stage.tell(events.ActivityCompleted(id=3), after_ms=100)
    assert seen == [7, 7, 300]
    live, seen[:] = list(seen), []
    stage.replay()
    assert seen == live


def test_where_a_recorded_activity_runs_is_as_it_was_recorded() -> None:
    """A deploy that makes an activity local, or no longer so, changes nothing for those that are under way: the store
    knows of the one kind, and whoever takes the turn of the other."""

    def main_of(first: bool, second: bool) -> Main:
        async def main(payload: Payload) -> Payload:
            calls = call("first", b"%d" % first, local=first), call("second", local=second)
            return b"".join(await asyncio.gather(*calls))

        return main

    stage = Stage(main_of(True, False))
    executor = Executor(Definition(main_of(False, True)))
    executor.advance(stage.history, replayed=len(stage.history))
    (pending,) = executor.pending_local()
    assert (pending.id, pending.options.local, pending.payload) == (1, True, b"1")
