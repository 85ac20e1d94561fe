"""Stalled instances: listed with the reason, at rest while they wait, and let go on, begun again or ended (F10)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from rqflow.core.wire import stored
from tests.cli.shell import Shell
from tests.promises.verbs import effects, waiting
from tests.promises.yard import Yard

SPOILS: dict[str, tuple[Callable[[Any, str], object], str]] = {
    "corrupt": (lambda redis, history: redis.lset(history, 1, b"\xff\x00"), "does not begin with time and scope"),
    "version": (lambda redis, history: redis.lset(history, 1, stored(1, "r", b'[99,"TimerFired",1]')), "version"),
    "short": (lambda redis, history: redis.rpop(history), "the store counts 3 events, and has 2"),
    "mismatch": (
        lambda redis, history: redis.lset(history, 1, stored(1, "r", b'[1,"ActivityScheduled",1,"other",""]\n[]')),
        "other",
    ),
}


@pytest.fixture
def cache_size() -> int:
    """Each turn replays its history."""
    return 0


async def test_p7_stalled_instances_are_shown_rest_and_are_dealt_with(ground: Yard) -> None:
    """[P7, F10] For each way to stall: `list --status stalled` tells the reason; while it waits no task of it is
    queued, no turn is taken and nothing is due, whatever is sent to it; `resume` (once it is mended), `rerun` and
    `terminate` end the wait."""
    shell, redis = Shell(ground.url, ground.hub), ground.store.redis
    async with ground.worker(sweep=timedelta(milliseconds=50), build="one") as worker:
        for name in SPOILS:
            await ground.client.start(waiting, ground.folder, id=name)
        await ground.until(lambda: len(effects(ground.folder, "before")) == len(SPOILS))
        whole: dict[str, list[bytes]] = {}
        for name, (spoil, _) in SPOILS.items():
            await ground.client.wait_for(name, lambda row: row.history_length == 3 and not row.inbox_length)
            row = await ground.client.describe(name)
            history = ground.store.key(ground.store.at(name), "history", row.run)
            whole[history] = redis.lrange(history, 0, -1)  # type: ignore[assignment]
            spoil(redis, history)
            await ground.client.signal(name, "go", "on")
            await ground.client.wait_for(name, lambda row: row.status == "stalled")
        ran = await asyncio.to_thread(shell, "list", "--status", "stalled", "--json")
        listed = {row["id"]: row["reason"] for row in json.loads(ran.out)["instances"]}
        assert {name: SPOILS[name][1] in reason for name, reason in listed.items()} == dict.fromkeys(SPOILS, True), (
            listed
        )
        turns = worker.desk.turns.turned
        for name in SPOILS:
            await ground.client.signal(name, "go", "more")
        # Another instance comes and goes: had the stalled ones been given turns, they would have come before it.
        other = await ground.client.start(waiting, ground.folder, id="other")
        await other.signal("go", "through")
        assert await other.result() == "through"
        assert all([(await ground.client.describe(name)).task == "" for name in SPOILS])
        taken = worker.desk.turns.turned - turns
        assert taken <= 4, taken
        for history, events in whole.items():
            redis.delete(history)
            redis.rpush(history, *events)
        for words in (("resume", "corrupt"), ("rerun", "version"), ("rerun", "short", "--new-id", "short-b"),
                      ("terminate", "short"), ("resume", "mismatch")):  # fmt: skip
            ran = await asyncio.to_thread(shell, *words)
            assert ran.code == 0, ran
        for name in ("version", "short-b"):
            await ground.client.signal(name, "go", "again")
        assert await ground.client.result("corrupt") == "on"
        assert await ground.client.result("mismatch") == "on"
        assert [await ground.client.result(name) for name in ("version", "short-b")] == ["again", "again"]
