"""P3: a worker that lost its lease changes nothing, whatever it does later."""

from __future__ import annotations

from typing import Any

import pytest

from rqflow.backend.calls.call import Call
from rqflow.backend.calls.instances import Answer, Ask
from rqflow.backend.calls.tasks import (
    ActivityTask,
    AnswerQuery,
    CompleteActivity,
    GiveBack,
    QueryTask,
    Renew,
    RetryActivity,
    Stall,
    WorkflowTask,
)
from rqflow.client.handle import AsyncHandle
from rqflow.core.commands import Decision
from rqflow.core.events import ActivityCompleted, WorkflowCompleted
from rqflow.core.wire import encode
from rqflow.errors import LeaseLost
from tests.promises.ghost import LONG, Ghost, of_kind
from tests.promises.verbs import ACTIVITIES, ORDER, TURNS, effects, order, single, stubborn, waiting
from tests.promises.yard import Yard


@pytest.mark.parametrize("where", ["activity", "turn"])
async def test_p3_a_frozen_and_thawed_worker_changes_nothing_and_serves_again(yard: Yard, where: str) -> None:
    """[P3, P2] [A4] SIGSTOP past its lease, others do its work, SIGCONT: what it still does is refused, it registers
    anew, and does its share."""
    gate, workflow, what = (ACTIVITIES, order, "first") if where == "activity" else (TURNS, stubborn, "turn")
    yard.hold(gate)
    first = yard.process()
    old = await yard.serving(first)
    handles: list[AsyncHandle[Any]] = [await yard.client.start(workflow, yard.folder) for _ in range(4)]
    await yard.begun(what, first)
    first.freeze()
    second = yard.process()
    await yard.begun(what, second)
    yard.release(gate)
    expected = ORDER if where == "activity" else "after done"
    results: list[Any] = await yard.results(handles)
    assert results == [expected] * 4
    before = await yard.check(handles)
    first.thaw()
    await yard.serving(first, but=old)
    assert await yard.histories(before) == before
    second.ask_to_leave()
    more = [await yard.client.start(order, yard.folder) for _ in range(3)]
    assert await yard.results(more) == [ORDER] * 3
    assert any(effect.pid == first.pid and effect.what == "fifth" for effect in effects(yard.folder))
    assert await yard.histories(before) == before
    await yard.check(handles)


def orders_of_a_ghost(ghost: Ghost, turn: WorkflowTask, attempt: ActivityTask, question: QueryTask) -> list[Call[Any]]:
    """Every order that it could still give."""
    stolen = WorkflowCompleted(payload=b'"stolen"')
    done = encode(ActivityCompleted(id=attempt.id, payload=b'"stolen"'))
    at, instance, run, token = turn.partition, turn.instance, turn.run, turn.token
    its: dict[str, Any] = {
        "partition": attempt.partition,
        "instance": attempt.instance,
        "run": attempt.run,
        "token": attempt.token,
    }
    return [
        ghost.commit_call(turn, Decision(close=stolen)),
        GiveBack(partition=at, instance=instance, run=run, token=token),
        Stall(partition=at, instance=instance, run=run, token=token, reason="no", build="ghost"),
        CompleteActivity(**its, id=attempt.id, event=done),
        RetryActivity(**its, id=attempt.id, delay=LONG, failure=b"{}"),
        GiveBack(**its, activity=attempt.id, delay=LONG),
        AnswerQuery(
            partition=question.partition, worker=ghost.id, instance=question.instance, query=question.query,
            token=question.token, answer=Answer(accepted=True, payload=b'"stolen"'),
        ),
        *(ghost.take_call(partition, again=True) for partition in ghost.partitions),
    ]  # fmt: skip


async def test_p3_no_order_of_a_dead_worker_changes_a_byte(ground: Yard) -> None:
    """[P3] [B14] Commit, result, retry, stall, give back, answer, take, renew with heartbeats: each is refused, and
    every key of the hub is as it was."""
    ghost, heir = await Ghost(ground, "ghost").register(), await Ghost(ground, "heir").register()
    busy = (await ground.client.start(single, 7)).id
    await ghost.turn(of_kind(await ghost.take(), busy)[0][0])
    asked = (await ground.client.start(waiting, ground.folder)).id
    await ground.backend.call(
        Ask(partition=ground.store.at(asked), instance=asked, query="q", name="any", payload=b"[]", timeout=LONG)
    )
    tasks = await ghost.take()
    [turn], [question], [attempt] = of_kind(tasks, asked)[0], of_kind(tasks, asked)[2], of_kind(tasks, busy)[1]
    await heir.succeed(ghost)
    assert {(type(task), task.instance) for task in await heir.take()} == {
        (type(task), task.instance) for task in tasks
    }
    before = ground.store.dump()
    for late in orders_of_a_ghost(ghost, turn, attempt, question):
        [answer] = await ghost.send(late)
        assert isinstance(answer, LeaseLost), (late, answer)
        assert ground.store.dump() == before, late
    for partition in ghost.partitions:
        beat = Renew(partition=partition, worker=ghost.id, lease=LONG, heartbeats=((attempt.token, b'"mine"'),))
        assert await ghost.send(beat) == [None], "it is told that its lease has ended"
    assert ground.store.dump() == before
    ground.store.check()
