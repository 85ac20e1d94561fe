"""Unreadable: histories of a newer rqflow, and events that something has damaged, stall their own instance alone."""

from __future__ import annotations

import time

import pytest
import redis

from rqflow.authoring.workflow_face import workflow
from rqflow.backend.calls.hubs import HubInfo
from rqflow.backend.calls.instances import Resume
from rqflow.backend.redis.keys import key
from rqflow.core import wire
from tests.worker.ground import Ground


@workflow
async def waits() -> str:
    """Waits for a word, and gives it back."""
    return await workflow.receive("go", str)


@pytest.mark.parametrize(
    "event_and_reason",
    [
        (b'[99,"Thing"]', "wire version 99"),
        (b'[1,"SignalReceivee","go",0]', "SignalReceivee"),
        (b"nonsense", "no JSON"),
        (b"\xff\x00", "no JSON"),
        (b"", "no JSON"),
    ],
    ids=["newer", "unknown", "text", "bytes", "empty"],
)
@pytest.mark.parametrize("place", ["history", "inbox"])
async def test_p7_an_event_that_cannot_be_read_stalls_its_instance_and_loses_nothing(
    redis_ground: Ground, redis_url: str, hub: HubInfo, place: str, event_and_reason: tuple[bytes, str]
) -> None:
    """[A2] Others are served; the reason is shown; once the event is mended and the instance resumed, it goes on."""
    event, says = event_and_reason
    async with redis_ground.worker(waits, cache_size=0):
        broken, sound = await redis_ground.start(waits, id="broken"), await redis_ground.start(waits, id="sound")
        await redis_ground.grown(broken, 1)
    at = redis_ground.at(broken)
    where = key(hub.name, at, place, (await redis_ground.describe(broken)).run if place == "history" else broken)
    with redis.Redis.from_url(redis_url) as client:
        for instance in (broken, sound):
            await redis_ground.signal(instance, "go", "on")
        stored = client.lindex(where, 0)
        assert isinstance(stored, bytes)
        client.lset(where, 0, wire.stored(int(time.time() * 1000), "r", event))
        async with redis_ground.worker(waits, cache_size=0):
            assert await redis_ground.result(sound) == "on"
            await redis_ground.until(broken, "stalled")
            assert says in (await redis_ground.describe(broken)).reason
            client.lset(where, 0, stored)
            assert await redis_ground.backend.call(Resume(partition=at, instance=broken))
            assert await redis_ground.result(broken) == "on"
