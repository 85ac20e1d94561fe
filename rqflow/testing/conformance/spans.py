"""Spans: absurd and negative durations harm nobody; what never comes is waited for quietly."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rqflow.backend.calls.hubs import ReadStats
from rqflow.core.commands import StartTimer
from rqflow.testing.conformance.actor import DONE
from rqflow.testing.conformance.bench import Bench, names_of
from rqflow.testing.conformance.deeds import charge, give_back_call, news_of, retry_call, worker
from rqflow.testing.conformance.moving import BLINK
from rqflow.testing.conformance.standing import Standing


class TestAbsurdSpans(Standing):
    """Clients refuse such values; a store that gets one all the same must go on."""

    @pytest.mark.parametrize("span", [timedelta.max, timedelta(days=3_000_000)])
    async def test_what_is_due_in_ages_can_be_shown(self, bench: Bench, span: timedelta) -> None:
        """Rows, listings and numbers can be read, and others are served."""
        actor = await worker(bench)
        await bench.start("late", delay=span)
        await bench.start("at-the-end", at=datetime.max.replace(tzinfo=UTC))
        await bench.start("order", timeout=span, retention=span)
        await actor.commit(
            await actor.turn(), StartTimer(id=1, delay=span), charge(2, schedule_to_close=span, schedule_to_start=span)
        )
        await bench.call(retry_call(await actor.activity(), span))
        for name in ("late", "at-the-end", "order"):
            assert (await bench.describe(name)).instance == name
        assert len(await bench.listing()) == 3
        for partition in range(bench.partitions):
            assert (await bench.call(ReadStats(partition=partition))).overdue == 0
            await actor.taken(partition)
        await bench.terminate("order")
        assert await bench.fire() == 0
        assert await bench.status("order") == "terminated"

    async def test_a_span_below_zero_is_no_time_at_all(self, bench: Bench) -> None:
        """Starts, timers, retries, give-backs and retention before now are due now."""
        actor = await worker(bench)
        past = timedelta(seconds=-5)
        await bench.start("order", delay=past, retention=past)
        await bench.call(give_back_call(await actor.turn(), delay=past))
        await actor.commit(await actor.turn(), StartTimer(id=1, delay=past), charge(2))
        await bench.call(retry_call(await actor.activity(), past))
        await bench.wait(BLINK)
        assert (await actor.activity()).attempt == 2
        task = await actor.turn()
        assert names_of(news_of(task)) == ["TimerFired"]
        await actor.commit(task, close=DONE)
        await bench.wait(BLINK)
        assert await bench.listing() == []
