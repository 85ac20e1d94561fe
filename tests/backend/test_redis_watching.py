"""Watching: news of instances reach all who wait, on one connection, through hang-ups and restarts."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack, suppress
from typing import Any

import pytest
import redis

from rqflow.backend.calls.instances import Outcome, Terminate
from rqflow.backend.opening import open_backend, open_sync_backend
from rqflow.backend.protocol import Backend, SyncBackend, partition_of
from rqflow.backend.redis import watching, watching_threads
from rqflow.backend.redis.blocking import BlockingConnection
from rqflow.backend.redis.channels import PART_AT, Channels
from rqflow.backend.redis.embedded import EmbeddedServer
from rqflow.backend.redis.keys import key
from rqflow.backend.redis.notices import read_end
from rqflow.backend.redis.sockets import Timeouts
from rqflow.errors import BackendError, BackendRefused, BackendUnavailable
from tests.backend.orders import leave, start, until
from tests.backend.stand_in import StandIn, bulk, info

LONG = 20.0
"""Longer than any notice takes, even on a busy machine."""


def tell(client: Any, *words: str) -> None:
    """A command as it is written."""
    client.execute_command(*words)


def channel(backend: Backend | SyncBackend, instance: str) -> str:
    return key(backend.hub.name, partition_of(instance, backend.hub.partitions), "changed", instance)


@pytest.fixture
async def own(redis_server: EmbeddedServer) -> AsyncIterator[Backend]:
    """A backend on a server of this test's own."""
    opened = await open_backend(redis_server.url, timeouts=Timeouts(connect=5, answer=10))
    yield opened
    await opened.close()


@pytest.fixture
def own_sync(redis_server: EmbeddedServer) -> Iterator[SyncBackend]:
    """A blocking backend on a server of this test's own."""
    opened = open_sync_backend(redis_server.url, timeouts=Timeouts(connect=5, answer=10))
    yield opened
    opened.close()


@pytest.fixture
def other(redis_server: EmbeddedServer) -> Iterator[redis.Redis]:
    """Another client of that server, that is not ours."""
    with redis.Redis.from_url(redis_server.url) as client:
        yield client


async def test_an_end_is_told_to_whoever_watches(any_backend: Backend) -> None:
    """A watcher is told of what happens to its instance, and of nothing before it came."""
    partitions = any_backend.hub.partitions
    await any_backend.call(start("x", partitions))
    async with any_backend.watch("x") as watch:
        assert not await watch.wait(0.05)
        await any_backend.call(Terminate(partition=partition_of("x", partitions), instance="x"))
        assert await watch.wait(LONG)
        assert not await watch.wait(0.05)


def test_an_end_is_told_to_waiting_threads(sync_backend: SyncBackend) -> None:
    """The same for blocking code."""
    partitions = sync_backend.hub.partitions
    sync_backend.call(start("x", partitions))
    with sync_backend.watch("x") as watch:
        assert not watch.wait(0.05)
        sync_backend.call(Terminate(partition=partition_of("x", partitions), instance="x"))
        assert watch.wait(LONG)
        assert not watch.wait(0.05)


async def test_a_notice_between_two_waits_counts(any_backend: Backend) -> None:
    """What happens while a watcher looks elsewhere ends its next wait at once."""
    partitions = any_backend.hub.partitions
    await any_backend.call(start("x", partitions))
    async with any_backend.watch("x") as watch:
        await any_backend.call(Terminate(partition=partition_of("x", partitions), instance="x"))
        assert await watch.wait(LONG)


async def test_a_thousand_watchers_share_one_connection(own: Backend, other: redis.Redis) -> None:
    """Each hears of its own instance; the server sees one subscriber, and none of the channels afterwards [P10]."""
    names = [f"i{n}" for n in range(1_000)]
    async with AsyncExitStack() as stack:
        watches = await asyncio.gather(*(stack.enter_async_context(own.watch(name)) for name in names))
        assert len(other.client_list("pubsub")) == 1
        other.publish(channel(own, "i7"), "")
        assert await watches[7].wait(LONG)
        assert not await watches[8].wait(0)
        for name in names:
            other.publish(channel(own, name), "")
        assert all(await asyncio.gather(*(watch.wait(LONG) for watch in watches)))
    async with own.watch("last"):
        # Confirmed after all the UNSUBSCRIBEs, which went out before.
        assert other.pubsub_channels() == [channel(own, "last").encode()]


async def test_watchers_of_one_instance_share_its_channel(own: Backend, other: redis.Redis) -> None:
    """The channel stays until the last of them leaves."""
    async with own.watch("x") as first:
        async with own.watch("x") as second:
            other.publish(channel(own, "x"), "")
            assert await first.wait(LONG)
            assert await second.wait(LONG)
        other.publish(channel(own, "x"), "")
        assert await first.wait(LONG)
    async with own.watch("y"):
        assert set(other.pubsub_channels()) == {channel(own, name).encode() for name in "xy"}


async def test_channels_that_nobody_listens_to_are_left_with_the_next_sign_of_life(
    own: Backend, own_sync: SyncBackend, other: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[P10] Also where no hundred of them comes together."""
    monkeypatch.setattr(watching, "PING_SECONDS", 0.1)
    monkeypatch.setattr(watching_threads, "PING_SECONDS", 0.1)
    monkeypatch.setattr(watching_threads, "LOOK_SECONDS", 0.05)
    async with own.watch("x"):
        with own_sync.watch("y"):
            assert len(other.pubsub_channels()) == 2
    await until(lambda: not other.pubsub_channels())


async def test_watchers_that_come_together_are_confirmed_together(own: Backend, other: redis.Redis) -> None:
    """The second one waits for the same answer of Redis as the first."""
    async with AsyncExitStack() as stack:
        watches = await asyncio.gather(*(stack.enter_async_context(own.watch("x")) for _ in range(5)))
        other.publish(channel(own, "x"), "")
        assert all(await asyncio.gather(*(watch.wait(LONG) for watch in watches)))


async def test_after_a_hang_up_everyone_is_told(own: Backend, own_sync: SyncBackend, other: redis.Redis) -> None:
    """Something may have happened in between: all look again, and hear again what comes."""
    async with own.watch("x") as watch, own.watch("y") as second:
        with own_sync.watch("x") as thread_watch:
            tell(other, "CLIENT", "KILL", "TYPE", "pubsub")
            assert await watch.wait(LONG)
            assert await second.wait(LONG)
            assert await asyncio.to_thread(thread_watch.wait, LONG)
            other.publish(channel(own, "x"), "")
            assert await watch.wait(LONG)
            assert await asyncio.to_thread(thread_watch.wait, LONG)


async def test_watchers_outlive_a_restart(own: Backend, own_sync: SyncBackend, redis_server: EmbeddedServer) -> None:
    """The server dies, stays away for a while and comes back: the watchers are told and hear again."""
    async with own.watch("x") as watch:
        with own_sync.watch("x") as thread_watch:
            redis_server.kill()
            assert not await watch.wait(0.3)
            redis_server.start()
            assert await watch.wait(LONG)
            assert await asyncio.to_thread(thread_watch.wait, LONG)
            with redis.Redis.from_url(redis_server.url) as other:
                other.publish(channel(own, "x"), "")
            assert await watch.wait(LONG)
            assert await asyncio.to_thread(thread_watch.wait, LONG)


async def test_watching_an_absent_server_fails_at_once(
    own: Backend, own_sync: SyncBackend, redis_server: EmbeddedServer
) -> None:
    """Nobody waits for a confirmation that cannot come; a later watch works."""
    redis_server.kill()
    with pytest.raises(BackendUnavailable, match=r"redis\.sock"):
        async with own.watch("x"):
            pass
    with pytest.raises(BackendUnavailable, match=r"redis\.sock"), own_sync.watch("x"):
        pass
    # When nobody watches any more, nobody tries to connect either.
    await until(lambda: len(asyncio.all_tasks()) == 1)
    redis_server.start()
    async with own.watch("x") as watch:
        assert not await watch.wait(0)
    deadline = asyncio.get_running_loop().time() + LONG
    while True:
        # The thread tries again by itself, and may not have heard yet.
        try:
            with own_sync.watch("x") as thread_watch:
                assert not thread_watch.wait(0)
            break
        except BackendUnavailable:
            assert asyncio.get_running_loop().time() < deadline


async def test_watchers_that_come_and_go_are_confirmed_each_in_turn(own: Backend, other: redis.Redis) -> None:
    """A channel that was left and entered again at once is not confirmed by its first life's answer."""
    async with own.watch("warm"):
        for _ in range(50):
            hasty = asyncio.create_task(_enter(own))
            await asyncio.sleep(0)
            hasty.cancel()
            with pytest.raises(asyncio.CancelledError):
                await hasty
            async with own.watch("x") as watch:
                other.publish(channel(own, "x"), "")
                assert await watch.wait(LONG)


async def _enter(backend: Backend) -> None:
    async with backend.watch("x") as watch:
        await watch.wait(LONG)


async def test_a_closed_backend_watches_no_more(redis_url: str) -> None:
    """Waits under way come to nothing, new ones are refused, and no thread stays."""
    opened = await open_backend(redis_url)
    async with opened.watch("x") as watch:
        await opened.close()
        assert not await watch.wait(0.05)
    with pytest.raises(BackendUnavailable, match="closed"):
        async with opened.watch("x"):
            pass
    blocked = open_sync_backend(redis_url)
    with blocked.watch("x") as thread_watch:
        blocked.close()
        assert not thread_watch.wait(0.05)
    with pytest.raises(BackendUnavailable, match="closed"), blocked.watch("x"):
        pass
    assert "rqflow-watch" not in {thread.name for thread in threading.enumerate()}


async def test_closing_while_the_thread_connects_ends_it(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that is made after the close is hung up, and nobody waits for its confirmation."""
    inside, go = threading.Event(), threading.Event()

    class Slow(BlockingConnection):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            inside.set()
            go.wait(LONG)

    def watch() -> None:
        with blocked.watch("x"):
            pass

    def is_closed() -> bool:
        try:
            watch()
        except BackendUnavailable:
            return True
        return False

    blocked = open_sync_backend(redis_url)
    monkeypatch.setattr(watching_threads, "BlockingConnection", Slow)
    with ThreadPoolExecutor(2) as threads:
        watcher = threads.submit(watch)
        assert inside.wait(LONG)
        closer = threads.submit(blocked.close)
        await until(is_closed)
        go.set()
        closer.result()
        with suppress(BackendUnavailable):
            watcher.result()
    assert "rqflow-watch" not in {thread.name for thread in threading.enumerate()}


def test_many_threads_share_one_connection(own_sync: SyncBackend, other: redis.Redis) -> None:
    """Two hundred waiting threads are one subscriber and one thread of ours [P10]."""
    ready = threading.Barrier(201, timeout=LONG)

    def wait(number: int) -> bool:
        with own_sync.watch(f"i{number}") as watch:
            ready.wait()
            return watch.wait(LONG)

    with ThreadPoolExecutor(200) as threads:
        waits = [threads.submit(wait, number) for number in range(200)]
        ready.wait()
        assert len(other.client_list("pubsub")) == 1
        for number in range(200):
            other.publish(channel(own_sync, f"i{number}"), "")
        assert all(one.result() for one in waits)


def test_a_child_forked_before_anyone_watched_has_a_thread_of_its_own(own_sync: SyncBackend) -> None:
    """A backend opened in the parent serves in the child, as preforking servers do."""
    child = os.fork()
    if child == 0:
        heard = True
        try:
            with own_sync.watch("x") as watch:
                heard = watch.wait(0)
        finally:
            leave(1 if heard else 0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_a_forked_child_watches_on_a_connection_of_its_own(own_sync: SyncBackend, other: redis.Redis) -> None:
    """The parent's thread is not in the child: it starts one of its own, and both hear."""
    with ExitStack() as stack:
        parents = stack.enter_context(own_sync.watch("x"))
        told, tell = os.pipe()
        child = os.fork()
        if child == 0:
            heard = False
            try:
                with own_sync.watch("x") as watch:
                    os.write(tell, b"!")
                    heard = watch.wait(LONG)
            finally:
                leave(0 if heard else 1)
        assert os.read(told, 1) == b"!"
        other.publish(channel(own_sync, "x"), "")
        assert parents.wait(LONG)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        os.close(told)
        os.close(tell)


async def test_a_silent_connection_is_tried_and_then_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A subscriber that a firewall forgot would hear nothing for ever: PINGs find out, and everyone is told."""
    monkeypatch.setattr(watching, "PING_SECONDS", 0.2)
    monkeypatch.setattr(watching_threads, "PING_SECONDS", 0.2)
    monkeypatch.setattr(watching_threads, "LOOK_SECONDS", 0.05)
    lives = {"pings": 0}

    def answer(command: list[bytes]) -> bytes:
        match command:
            case [b"INFO", *_]:
                return info()
            case [b"HGETALL", *_]:
                record = {"partitions": "1", "version": "1", "created_ms": "0", "retention_ms": "0"}
                words = [word for pair in record.items() for word in pair]
                return b"*%d\r\n" % len(words) + b"".join(map(bulk, words))
            case [b"SUBSCRIBE", *names]:
                return b"".join(b"*3\r\n%s%s:1\r\n" % (bulk("subscribe"), bulk(name.decode())) for name in names)
            case [b"PING", *_]:
                lives["pings"] += 1
                return b"*2\r\n%s%s" % (bulk("pong"), bulk("")) if lives["pings"] < 3 else b""
        return b"+OK\r\n"

    with StandIn(answer) as server:
        backend = await open_backend(server.url)
        async with backend.watch("x") as watch:
            assert await watch.wait(LONG)
        assert lives["pings"] >= 3
        await backend.close()
        lives["pings"] = 0
        blocked = open_sync_backend(server.url)
        with blocked.watch("x") as thread_watch:
            assert await asyncio.to_thread(thread_watch.wait, LONG)
        assert lives["pings"] >= 3
        blocked.close()


async def test_a_refusal_ends_the_wait_for_a_confirmation(redis_server: EmbeddedServer, other: redis.Redis) -> None:
    """A user that was shut out meanwhile hears why, instead of waiting for ever."""
    tell(other, "ACL", "SETUSER", "temp", "on", ">pw", "~*", "&*", "+@all")
    url = redis_server.url.replace("unix://", "unix://temp:pw@")
    opened = await open_backend(url)
    blocked = open_sync_backend(url)
    tell(other, "ACL", "SETUSER", "temp", "off")
    with pytest.raises(BackendUnavailable, match="does not accept") as caught:
        async with opened.watch("x"):
            pass
    assert isinstance(caught.value.__cause__, BackendRefused)
    with pytest.raises(BackendUnavailable, match="does not accept"), blocked.watch("x"):
        pass
    await opened.close()
    blocked.close()


def test_a_notice_that_cannot_be_read_tells_only_that_there_is_news() -> None:
    """Whatever comes on a channel: an end is what lifecycle.lua writes, and nothing else."""
    assert read_end(b"completed run-1 [1, 2]") == Outcome(status="completed", run="run-1", payload=b"[1, 2]")
    assert read_end(b"canceled run-1 ") == Outcome(status="canceled", run="run-1", payload=b"")
    strange = [b"", b"completed", b"completed run-1", b"completed  1", b"running run-1 1", b"\xff \xff 1", b" run-1 1"]
    for message in [*strange, None, 7, [b"completed run-1 1"]]:
        assert read_end(message) is None, message


class Listener:
    """One who keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def notice(self, message: Any) -> None:
        self.told.append(f"notice {message.decode()}".strip())

    def confirm(self) -> None:
        self.told.append("confirm")

    def give_up(self, error: BackendError) -> None:
        self.told.append("give up")


def test_confirmations_go_to_the_subscriptions_that_they_answer() -> None:
    """Left and entered again before the first answer: the second answer is the one that counts."""
    channels: Channels[Listener] = Channels()
    first, second = Listener(), Listener()
    assert channels.enter("c", first) == ("SUBSCRIBE", "c")
    assert channels.leave("c", first) is None
    assert channels.part() == ("UNSUBSCRIBE", "c")
    assert channels.enter("c", second) == ("SUBSCRIBE", "c")
    channels.heard([b"subscribe", b"c", 1])
    assert second.told == []
    channels.heard([b"unsubscribe", b"c", 0])
    channels.heard([b"subscribe", b"c", 1])
    assert (first.told, second.told) == ([], ["confirm"])


def test_a_channel_that_is_entered_again_soon_is_still_there() -> None:
    """Nothing is sent for it, it is confirmed at once if it was, and what comes meanwhile reaches nobody."""
    channels: Channels[Listener] = Channels()
    first, second, third = Listener(), Listener(), Listener()
    assert channels.enter("c", first) == ("SUBSCRIBE", "c")
    assert channels.leave("c", first) is None
    assert len(channels) == 0
    assert channels.enter("c", second) is None
    channels.heard([b"subscribe", b"c", 1])
    assert channels.leave("c", second) is None
    channels.heard([b"message", b"c", b""])
    assert channels.enter("c", third) is None
    assert channels.part() is None
    assert (first.told, second.told, third.told) == ([], ["confirm"], ["confirm"])
    assert channels.leave("c", third) is None
    assert list(channels.again()) == [], "a new connection begins without it"


def test_channels_are_left_by_the_hundred() -> None:
    """[P10] However many come and go, no more than these are told of to nobody."""
    channels: Channels[Listener] = Channels()
    listener = Listener()
    parted = []
    for number in range(1_000):
        channels.enter(f"c{number}", listener)
        command = channels.leave(f"c{number}", listener)
        if command is not None:
            parted.append(len(command) - 1)
    assert parted == [PART_AT] * (1_000 // PART_AT)
    assert len(channels) == 0


def test_a_new_connection_asks_for_all_channels_and_tells_of_the_gap() -> None:
    """Those that had been confirmed are told; those that had not are only confirmed."""
    channels: Channels[Listener] = Channels()
    old, new = Listener(), Listener()
    channels.enter("old", old)
    channels.heard([b"subscribe", b"old", 1])
    channels.enter("new", new)
    assert list(channels.again()) == [("SUBSCRIBE", "old", "new")]
    channels.heard([b"subscribe", b"old", 1])
    channels.heard([b"subscribe", b"new", 2])
    channels.heard([b"message", b"gone", b""])
    channels.heard([b"message", b"old", b"completed r 1"])
    channels.heard([b"subscribe", b"stray", 3])
    assert (old.told, new.told) == (["confirm", "confirm", "notice", "notice completed r 1"], ["confirm"])
    assert channels.leave("old", new) is None
    assert channels.leave("gone", new) is None
    many: Channels[Listener] = Channels()
    for number in range(1_200):
        many.enter(f"c{number}", old)
    assert [len(command) - 1 for command in many.again()] == [500, 500, 200]
    assert len(many) == 1_200
