"""Ids: an instance may be called anything; no name leads into another's life."""

from __future__ import annotations

import pytest

from rqflow.backend.calls.tasks import ActivityTask
from rqflow.core.commands import SendCancel, SendSignal, StartTimer
from rqflow.testing.conformance.actor import DONE
from rqflow.testing.conformance.bench import Bench, names_of
from rqflow.testing.conformance.deeds import (
    charge,
    child,
    complete_call,
    continued,
    news_of,
    resume,
    retry_call,
    suspend,
    worker,
)
from rqflow.testing.conformance.moving import BLINK
from rqflow.testing.conformance.standing import Standing

STRANGE = (
    "a b  c ",
    "line\nbreak\r\n",
    "zero\0byte",
    "{tag}.0}:x",
    "timer 1 run-1 order",
    "%d %s %%",
    "[*?]",
    "\"quotes\" 'and' \\slashes/",
    "Ünïcödé 日本語 🚀",
    "@1@run",
    "'; redis . call('FLUSHALL') --",
)


class TestStrangeIds(Standing):
    """A whole life under each name."""

    @pytest.mark.parametrize("name", STRANGE)
    async def test_it_lives_like_any_other(self, bench: Bench, name: str) -> None:
        """Delayed, suspended, with timer, retried activity and next run; then it is forgotten."""
        actor = await worker(bench)
        await bench.start(name, run="run-a", delay=BLINK, retention=BLINK, attributes={"note": name[:60]})
        await bench.wait()
        assert await suspend(bench, name)
        assert await resume(bench, name)
        await actor.commit(await actor.turn(name), StartTimer(id=1, delay=BLINK), charge(2))
        [attempt] = [task for task in await actor.take() if isinstance(task, ActivityTask)]
        await bench.call(retry_call(attempt, BLINK))
        await bench.wait()
        await bench.call(complete_call(await actor.activity(name)))
        task = await actor.turn(name)
        assert names_of(news_of(task)) == ["TimerFired", "ActivityCompleted"]
        await actor.commit(task, close=continued(task, "run-b"))
        assert [row.instance for row in await bench.listing(id_prefix=name[:3])] == [name]
        assert [row.instance for row in await bench.listing(attributes={"note": name[:60]})] == [name]
        await actor.commit(await actor.turn(name), close=DONE)
        assert await bench.status(name) == "completed"
        await bench.wait(2 * BLINK)
        assert await bench.listing() == []
        assert await bench.due() == 0

    @pytest.mark.parametrize("name", STRANGE)
    async def test_it_has_parents_children_and_friends(self, bench: Bench, name: str) -> None:
        """Letters find it, and it finds others."""
        actor = await worker(bench)
        await bench.start("top")
        await actor.commit(await actor.turn("top"), child(name, "run-name", tell_start=True))
        await actor.commit(await actor.turn(name), child(f"{name}'s kid", "run-kid", parent_close="cancel"))
        task = (await actor.turns()).get("top") or next(t for t in await actor.take(again=True) if t.instance == "top")
        sends = (SendSignal(id=2, instance=name, name="go", payload=b"1"), SendCancel(id=3, instance=name))
        await actor.commit(task, *sends)  # type: ignore[arg-type]
        row = await bench.describe(name)
        assert (row.parent, row.children, row.cancel_requested) == ("top", (f"{name}'s kid",), True)
        await bench.terminate(name, f"because of {name}")
        assert (await bench.describe(f"{name}'s kid")).cancel_requested
        assert (await bench.describe("top")).children == ()
        assert [one.instance for one in await bench.listing(parent=name)] == [f"{name}'s kid"]
